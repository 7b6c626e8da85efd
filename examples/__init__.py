"""Things to run: see each directory's own file, and `make demo`."""
