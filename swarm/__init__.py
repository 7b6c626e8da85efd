"""Many engines as one: the cluster's view, and a proxy that serves it as one Docker API."""
