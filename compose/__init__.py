"""Applications from a file, run on anything that speaks the Docker API."""
