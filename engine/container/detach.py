"""Detach keys: the sequence typed at a terminal that leaves the container running.

``ctrl-p,ctrl-q`` is a comma-separated list of single characters and ``ctrl-`` with a letter or one
of ``@ [ \\ ] ^ _``. Source: docker's reference of `attach`, "Override the detach sequence".
"""

from __future__ import annotations

from engine.errdefs import InvalidParameter

DEFAULT = "ctrl-p,ctrl-q"
_CONTROL = {chr(code + 64): code for code in range(32)} | {chr(code + 96): code for code in range(1, 27)}


def parse(text: str) -> bytes:
    """The bytes of the sequence; InvalidParameter for an unknown key."""
    keys = bytearray()
    for word in (text or DEFAULT).split(","):
        if len(word) == 1:
            keys += word.encode("latin-1", "replace")
            continue
        prefix, dash, letter = word.partition("-")
        if prefix != "ctrl" or not dash or letter not in _CONTROL:
            raise InvalidParameter(f"Invalid detach keys ({text}) provided")
        keys.append(_CONTROL[letter])
    return bytes(keys)


class Scanner:
    """Passes typed bytes on, holding back what may be the beginning of the sequence."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What to pass on, and whether the sequence is complete (what follows it is dropped)."""
        if self._held == 0 and self._keys[0] not in data:
            return data, False
        out = bytearray()
        for byte in data:
            if byte == self._keys[self._held]:
                self._held += 1
                if self._held == len(self._keys):
                    self._held = 0
                    return bytes(out), True
                continue
            out += self._keys[: self._held]
            self._held = 1 if byte == self._keys[0] else 0
            if not self._held:
                out.append(byte)
        return bytes(out), False
