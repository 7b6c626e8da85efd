"""What integration and end-to-end tests stand on: engines in namespaces, real clients, images."""
