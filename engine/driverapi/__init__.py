"""The contracts that drivers implement, and the registry that loads them by name."""
