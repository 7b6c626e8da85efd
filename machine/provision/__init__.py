"""From a host with SSH to an engine: what the host is, what to install, how to run it."""
