"""The spawner: a small process that forks monitors, started as a script with `python -I -S`.

    spawner.py <control fd> [<lock fd>]

Forking from it costs a millisecond, where a new interpreter costs twenty; the pages of the
interpreter and of all modules are shared by every monitor. It has one thread, imports nothing
heavy, and does nothing else. One monitor is always forked ahead: it waits on the control socket
itself, so that a create finds it warm.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys

_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_TAKEN = b"."


class Spawner:
    """Keeps one idle monitor in stock until the daemon hangs up."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._reader, self._writer = os.pipe()
        self._idle = 0

    def serve(self) -> None:
        """Fork whenever the idle monitor was taken, or has died."""
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        events = select.poll()
        events.register(self._reader, select.POLLIN)
        events.register(self._control, 0)  # hang-ups only: requests are read by the idle monitor
        while True:
            if not self._idle:
                self._fork()
            for fd, _ in events.poll():
                if fd == self._control.fileno():
                    return
                if _TAKEN in os.read(self._reader, 4096):
                    self._idle = 0
            self._reap()

    def _fork(self) -> None:
        from engine.shim import monitor

        try:
            pid = os.fork()
        except OSError:
            # Out of processes or memory. Ending is the honest answer: the daemon sees it at once,
            # and starts another spawner for the next container.
            sys.exit(1)
        if pid:
            self._idle = pid
            return
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            os.close(self._reader)
            monitor.main(self._control, self._taken)
            status = 0
        finally:
            os._exit(status)

    def _taken(self) -> None:
        try:
            os.write(self._writer, _TAKEN)
        except OSError:
            pass  # the spawner was killed; this one monitor can still be used
        os.close(self._writer)
        self._control.close()

    def _reap(self) -> None:
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._idle:
                self._idle = 0


def main(arguments: list[str]) -> int:
    """Entry point; the arguments are inherited: the control socket, and a lock (see SpawnerClient)."""
    sys.path.insert(0, _PACKAGE_PARENT)
    from engine.linux import prctl
    from engine.shim import identity, monitor

    control = socket.socket(fileno=int(arguments[0]))
    os.set_inheritable(control.fileno(), False)
    lock = int(arguments[1]) if len(arguments) > 1 else -1
    if lock >= 0:
        os.set_inheritable(lock, False)
    prctl.set_name("dockyard-spawn")
    identity.reset_signals()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's interrupt is for the daemon
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.chdir("/")
    os.umask(0o022)
    monitor.prepare(lock)
    gc.collect()
    gc.freeze()
    Spawner(control).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
