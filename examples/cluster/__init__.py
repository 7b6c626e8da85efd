"""A cluster of engines on one machine: `make demo`."""
