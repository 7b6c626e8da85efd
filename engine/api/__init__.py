"""The Docker Engine API as data: versions, stream framing, wire models. No behaviour of the engine."""
