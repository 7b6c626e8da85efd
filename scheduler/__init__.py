"""Pure placement: which node a container goes to. Imports nothing else of Dockyard."""
