"""The cluster served as one Docker API: a table of routes, and a file for each kind of behaviour."""
