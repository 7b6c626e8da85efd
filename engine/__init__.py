"""The per-node engine. Kept empty: the spawner imports `engine.shim` and must pay for nothing else."""
