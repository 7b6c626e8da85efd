"""The protocols between daemon, spawner, monitor and init.

Daemon and spawner: an inherited stream socket. The daemon passes one end of a fresh socket pair
(SCM_RIGHTS, one byte of payload); the spawner forks a monitor on it and forgets it. End of file
means that the daemon is gone, and the spawner ends. There is no answer: what goes wrong shows on
the passed socket, as an error reply or as end of file. ::

    daemon                       spawner                       monitor
      │── 'M' + descriptor ─────────>│ fork ─────────────────────>│
      │<═════════════════ control connection ════════════════════>│

Daemon and monitor: frames on the control connection, or on a connection to `monitor.sock` (as a
later daemon makes it). Requests carry an id and are answered in any order; `wait` is answered when
the process has ended. ::

    ┌────────────────┬──────────────────────────────────────────────┐
    │ length, u32 BE │ JSON  {"id": 7, "op": "start"}               │  request
    └────────────────┴──────────────────────────────────────────────┘
                           {"id": 7, "ok": {…}}                       reply
                           {"id": 7, "error": {…}}                    engine.shim.failure

    daemon                             monitor                          init
      │ create {spec, io, …} ─────────────>│ cgroup, fork ───────────────>│ namespaces, mounts,
      │                                    │<── {"ready"} + terminal ─────│ pivot_root, …
      │<───────── ok {pid, stages} ────────│                              │ waits
      │ start ────────────────────────────>│── "go" ─────────────────────>│ execve
      │                                    │<── end of file, or error ────│
      │<──────────────── ok {stages} ──────│

    op       arguments                                   ok
    create   container_id, spec, io, state_dir,          pid, stages
             exec_dir, seccomp
    start    –                                           stages
    exec     exec_id, process, io                        pid, stages
    start    exec_id                                     stages
    wait     exec_id?                                    code, at, oom_killed
    kill     signal, exec_id?                            –
    resize   rows, columns, exec_id?                     –
    state    –                                           status, pid, exit, cgroup
    attach   exec_id?, stdin, stdout, stderr             – ; from then on the connection is the stream
    delete   –                                           – ; the monitor ends

Attached, monitor to daemon: stdcopy frames (raw bytes if the process has a terminal), end of file
when the output is over. Daemon to monitor: standard input, raw; half-close is its end.

Monitor and init: a pair of sequenced-packet sockets, close-on-exec, one JSON message a packet. End
of file after "go" means that execve succeeded, or that init was killed; /proc/<pid>/stat tells.
"""

from __future__ import annotations

import json
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

LENGTH = struct.Struct(">I")
#: A spec with its seccomp program is some 50 KiB; more than this is not a frame.
MAX_FRAME = 64 << 20
SPAWN = b"M"
SOCKET_NAME = "monitor.sock"
#: Recorded in the exec directory, so that a daemon finds what a killed monitor has left.
STATE_NAME = "state.json"
#: Recorded in the state directory.
EXIT_NAME = "exit.json"

# stdcopy streams (engine.api.stdcopy, which the shim may not import).
STDIN, STDOUT, STDERR, SYSTEM = 0, 1, 2, 3
STDCOPY_HEADER = struct.Struct(">BxxxI")


def encode(message: dict[str, Any]) -> bytes:
    """One frame."""
    body = json.dumps(message, separators=(",", ":")).encode()
    return LENGTH.pack(len(body)) + body


class FrameDecoder:
    """Splits a byte stream into messages. Raises ValueError on what is no frame."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Yield each message that `data` completes."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 4:
            (length,) = LENGTH.unpack_from(buffer)
            if length > MAX_FRAME:
                raise ValueError(f"frame of {length} bytes")
            if len(buffer) < 4 + length:
                return
            body = bytes(buffer[4 : 4 + length])
            del buffer[: 4 + length]
            message = json.loads(body)
            if not isinstance(message, dict):
                raise ValueError("a frame must hold a JSON object")
            yield message

    def rest(self) -> bytes:
        """Bytes after the last message: the start of a stream, after `attach`."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data
