"""`SOURCE:DESTINATION[:MODE]`, as `docker run -v` and HostConfig.Binds write a mount."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from engine.container.mounts import PROPAGATIONS
from engine.errdefs import InvalidParameter

_LABELS = ("z", "Z")
_COPY = ("nocopy", "copy")
_CONSISTENCY = ("consistent", "cached", "delegated", "default")
_RW = ("rw", "ro")
_KINDS = {
    **dict.fromkeys(_RW, "rw"),
    **dict.fromkeys(_LABELS, "label"),
    **dict.fromkeys(_COPY, "copy"),
    **dict.fromkeys(_CONSISTENCY, "consistency"),
    **dict.fromkeys(PROPAGATIONS, "propagation"),
}


@dataclass(frozen=True, slots=True)
class BindSpec:
    """source: an absolute path, a volume's name, or "" for an anonymous volume."""

    source: str
    destination: str
    mode: str
    writable: bool
    propagation: str
    copy: bool
    consistency: str

    @property
    def is_bind(self) -> bool:
        """Whether the source is a path of the host."""
        return self.source.startswith("/")


def parse(raw: str) -> BindSpec:
    """Raises InvalidParameter, quoting the specification."""
    parts = raw.split(":")
    if len(parts) > 3 or not all(parts[:2]) or (len(parts) == 3 and not parts[2]):
        raise InvalidParameter(f"invalid volume specification: '{raw}'")
    source, destination, mode = "", parts[0], ""
    if len(parts) > 1:
        source, destination = parts[0], parts[1]
    if len(parts) > 2:
        mode = parts[2]
    options = parse_mode(mode)
    kind = "bind" if source.startswith("/") else "volume"
    try:
        target = check_target(kind, destination)
    except InvalidParameter as exc:
        raise InvalidParameter(f"invalid volume specification: '{raw}': {exc}") from exc
    if kind == "bind" and "copy" in options:
        raise InvalidParameter(f"invalid volume specification: '{raw}': invalid mode: {mode}")
    if kind == "volume" and "propagation" in options:
        raise InvalidParameter(f"invalid volume specification: '{raw}': invalid mode: {mode}")
    return BindSpec(
        source=posixpath.normpath(source) if kind == "bind" else source,
        destination=target,
        mode=mode,
        writable=options.get("rw", "rw") == "rw",
        propagation=options.get("propagation", "rprivate" if kind == "bind" else ""),
        copy=options.get("copy") != "nocopy",
        consistency=options.get("consistency", ""),
    )


def parse_mode(mode: str) -> dict[str, str]:
    """Kind of option → its value; InvalidParameter for an unknown one, or two of one kind."""
    found: dict[str, str] = {}
    for option in mode.split(",") if mode else []:
        kind = _KINDS.get(option)
        if kind is None or kind in found:
            raise InvalidParameter(f"invalid mode: {mode}")
        found[kind] = option
    return found


def check_target(kind: str, destination: str) -> str:
    """A mount's place in the container, cleaned; it must be absolute and not the root."""
    words = f'invalid mount config for type "{kind}": '
    if not destination:
        raise InvalidParameter(f"{words}field Target must not be empty")
    if not destination.startswith("/"):
        raise InvalidParameter(f"{words}invalid mount path: '{destination}' mount path must be absolute")
    clean = posixpath.normpath(destination)
    if clean.strip("/") == "":
        raise InvalidParameter(f"{words}invalid specification: destination can't be '/'")
    return "/" + clean.lstrip("/")
