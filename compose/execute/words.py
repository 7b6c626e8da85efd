"""What each kind of operation is called: the object, while it is done, once it is done."""

from __future__ import annotations

from compose.plan.operations import Kind

WORDS: dict[Kind, tuple[str, str, str]] = {
    Kind.PULL_IMAGE: ("Image", "Pulling", "Pulled"),
    Kind.BUILD_IMAGE: ("Image", "Building", "Built"),
    Kind.CREATE_NETWORK: ("Network", "Creating", "Created"),
    Kind.CREATE_VOLUME: ("Volume", "Creating", "Created"),
    Kind.CREATE: ("Container", "Creating", "Created"),
    Kind.RENAME: ("Container", "Recreating", "Recreated"),
    Kind.START: ("Container", "Starting", "Started"),
    Kind.WAIT: ("Service", "Waiting", "Ready"),
    Kind.STOP: ("Container", "Stopping", "Stopped"),
    Kind.KILL: ("Container", "Killing", "Killed"),
    Kind.RESTART: ("Container", "Restarting", "Restarted"),
    Kind.REMOVE: ("Container", "Removing", "Removed"),
    Kind.REMOVE_NETWORK: ("Network", "Removing", "Removed"),
    Kind.REMOVE_VOLUME: ("Volume", "Removing", "Removed"),
    Kind.REMOVE_IMAGE: ("Image", "Removing", "Removed"),
}
