"""The same command lines on Docker's own engine and on ours: exit codes and output must be equal."""
