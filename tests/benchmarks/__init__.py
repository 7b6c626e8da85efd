"""Measurements beside the original; nothing here passes or fails. `make bench`."""
