"""Machine makes hosts and turns them into engines that are reached over TLS."""
