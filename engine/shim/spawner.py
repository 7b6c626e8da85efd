"""The spawner: a small process that forks monitors, started as a script with `python -I -S`.

    spawner.py <control fd>

Forking from it costs a millisecond, where a new interpreter costs twenty; the pages of the
interpreter and of all modules are shared by every monitor. It has one thread, imports nothing
heavy, and does nothing else.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys

_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def serve(control: socket.socket) -> None:
    """Fork a monitor for each socket that is passed, until the daemon hangs up."""
    from engine.shim import monitor
    from engine.shim.failure import SetupError
    from engine.shim.protocol import encode

    while True:
        data, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not data:
            return
        if not fds:
            continue
        try:
            pid = os.fork()
        except OSError as exc:
            error = SetupError("fork", exc.errno or 0).to_dict()
            with socket.socket(fileno=fds[0]) as sock:
                sock.sendall(encode({"id": 0, "error": error}))
            continue
        if pid == 0:
            try:
                control.close()
                os.set_inheritable(fds[0], False)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                monitor.main(socket.socket(fileno=fds[0]))
            finally:
                os._exit(0)
        os.close(fds[0])


def main(arguments: list[str]) -> int:
    """Entry point; the argument is the inherited control socket."""
    sys.path.insert(0, _PACKAGE_PARENT)
    from engine.linux import prctl
    from engine.shim import monitor  # noqa: F401 - loaded once, here, for all that are forked

    control = socket.socket(fileno=int(arguments[0]))
    os.set_inheritable(control.fileno(), False)
    prctl.set_name("dockyard-spawn")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps monitors
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's interrupt is for the daemon
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.chdir("/")
    os.umask(0o022)
    gc.collect()
    gc.freeze()
    serve(control)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
