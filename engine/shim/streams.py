"""A process's standard streams on the monitor's side: out to the log and to attachments, in from them.

Output is read as long as nobody who must have it is behind. An attachment that is behind by more
than its buffer holds back the reading (as docker does, so that `docker run … | slow-consumer` loses
nothing), but one that takes nothing at all for STALL_SECONDS is dropped with a note: a forgotten
terminal never stops a container. Memory is bounded by BUFFER for each attachment and INPUT for the
process.
"""

from __future__ import annotations

import os
import socket
import time

from engine.shim.loop import HANGUP, READ, WRITE, Loop, Timer
from engine.shim.protocol import STDCOPY_HEADER, STDERR, STDOUT, SYSTEM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.shim.logwriter import LogWriter

CHUNK = 64 * 1024
BUFFER = 1024 * 1024
INPUT = 64 * 1024
STALL_SECONDS = 10.0
_STALLED = b"\r\nattachment dropped: it took no output for too long\r\n"
_NAMES = {STDOUT: "stdout", STDERR: "stderr"}


class Attachment:
    """One client's connection to a process's streams."""

    def __init__(
        self, loop: Loop, sock: socket.socket, streams: Streams, wanted: frozenset[int], stdin: bool
    ) -> None:
        self._loop, self.sock, self._streams, self.wanted, self.stdin = loop, sock, streams, wanted, stdin
        self._out = bytearray()
        self._ending = self._input_paused = False
        self._input_open = True  # read even when stdin is not wanted: that is how a hang-up shows
        self._stall: Timer | None = None
        self._taken = 0.0  # when it last took output
        sock.setblocking(False)
        loop.watch(sock.fileno(), READ, self._ready)

    @property
    def full(self) -> bool:
        """Whether the process must wait for this client."""
        return len(self._out) >= BUFFER

    def send(self, data: bytes) -> None:
        """Queue output."""
        if not self._out:
            try:
                data = data[self.sock.send(data) :]
            except BlockingIOError:
                pass
            except OSError:
                self.close()
                return
        if data:
            self._out += data
            self._update()
            if self._stall is None:
                self._taken = time.monotonic()
                self._stall = self._loop.later(STALL_SECONDS, self._stalled)

    def finish(self) -> None:
        """No more output will come: close once all is sent."""
        self._ending = True
        if not self._out:
            self.close()

    def feed(self, data: bytes) -> None:
        """Standard input that came together with the attach request."""
        if data and self.stdin:
            self._streams.feed_input(data)

    def resume_input(self) -> None:
        """The process has taken what it was given."""
        if self._input_paused:
            self._input_paused = False
            self._update()

    def _update(self) -> None:
        if self.sock.fileno() < 0:
            return
        events = (READ if self._input_open and not self._input_paused else 0) | (WRITE if self._out else 0)
        fd = self.sock.fileno()
        if self._loop.watching(fd):
            self._loop.change(fd, events)  # with 0 a hang-up of both directions is still reported
        else:
            self._loop.watch(fd, events, self._ready)

    def _ready(self, events: int) -> None:
        if events & (WRITE | HANGUP) and self._out:
            self._flush()
        if self.sock.fileno() < 0:
            return
        if events & READ and self._input_open:
            self._read(events)
        elif events & HANGUP:
            if self._input_paused:
                self._loop.forget(self.sock.fileno())  # until the process has taken what it has
            else:
                self.close()

    def _flush(self) -> None:
        try:
            sent = self.sock.send(self._out)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        del self._out[:sent]
        self._taken = time.monotonic()
        if not self._out and self._ending:
            self.close()
            return
        self._update()
        self._streams.relieved()

    def _stalled(self) -> None:
        self._stall = None
        if not self._out:
            return
        left = self._taken + STALL_SECONDS - time.monotonic()
        if left > 0 or not (self.full or self._ending):
            # It has taken something meanwhile; or it is behind, but in nobody's way.
            self._stall = self._loop.later(left if left > 0 else STALL_SECONDS, self._stalled)
            return
        try:
            self.sock.send(_STALLED if self._streams.tty else _frame(SYSTEM, _STALLED))
        except OSError:
            pass
        self.close()

    def _read(self, events: int) -> None:
        try:
            data = self.sock.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data and (events & HANGUP or not self.wanted):
            self.close()
        elif not data:
            self._input_open = False
            self._update()
            self._streams.input_ended(self)
        elif self.stdin and not self._streams.feed_input(data):
            self._input_paused = True
            self._update()

    def close(self) -> None:
        """Hang up."""
        if self.sock.fileno() < 0:
            return
        self._loop.forget(self.sock.fileno())
        self.sock.close()
        self._out.clear()
        if self._stall is not None:
            self._stall.cancel()
        if self._input_open:
            self._input_open = False
            self._streams.input_ended(self)
        self._streams.detached(self)


def _frame(stream: int, data: bytes) -> bytes:
    return STDCOPY_HEADER.pack(stream, len(data)) + data


class Streams:
    """All ends of one process's streams. on_over: called once, when both outputs are at their end."""

    def __init__(
        self, loop: Loop, *, tty: bool, once: bool, log: LogWriter | None, on_over: Callable[[], None]
    ) -> None:
        self._loop, self.tty, self._once, self._log, self._on_over = loop, tty, once, log, on_over
        self.attachments: list[Attachment] = []
        self._outputs: dict[int, int] = {}  # fd → stream
        self._paused = False
        self._stdin = -1
        self._stdin_closing = False
        self._input = bytearray()
        self.over = False

    def open(self, stdin: int, outputs: dict[int, int]) -> None:
        """Start reading. stdin: descriptor to write input to, -1 for none; outputs: fd → stream."""
        self._stdin = stdin
        self._outputs = dict(outputs)
        for fd in (stdin, *outputs):
            if fd >= 0:
                os.set_blocking(fd, False)
        for fd in outputs:
            self._loop.watch(fd, READ, self._reader(fd))

    def _reader(self, fd: int) -> Callable[[int], None]:
        return lambda _events: self._read(fd)

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: the last slave of the terminal is closed
        if not data:
            self._close_output(fd)
            return
        stream = self._outputs[fd]
        if self._log is not None:
            self._log.write(_NAMES[stream], data)
        if self.attachments:
            message = data if self.tty else _frame(stream, data)
            for attachment in tuple(self.attachments):
                if stream in attachment.wanted:
                    attachment.send(message)
            if not self._paused and any(attachment.full for attachment in self.attachments):
                self._pause()

    def _pause(self) -> None:
        self._paused = True
        for fd in self._outputs:
            self._loop.forget(fd)

    def relieved(self) -> None:
        """An attachment has sent something, or is gone: read on if nobody is full any more."""
        if self._paused and not any(attachment.full for attachment in self.attachments):
            self._paused = False
            for fd in self._outputs:
                self._loop.watch(fd, READ, self._reader(fd))

    def _close_output(self, fd: int) -> None:
        self._loop.forget(fd)
        os.close(fd)
        stream = self._outputs.pop(fd)
        if self._log is not None:
            self._log.finish(_NAMES[stream])
        if not self._outputs:
            self.end()

    def end(self) -> None:
        """The output is over, or is declared to be: close everything, let attachments finish."""
        if self.over:
            return
        self.over = True
        for fd in self._outputs:
            self._loop.forget(fd)
            os.close(fd)
        self._outputs.clear()
        self._close_input()
        if self._log is not None:
            self._log.close()
            self._log = None
        for attachment in tuple(self.attachments):
            attachment.finish()
        self._on_over()

    def attach(self, sock: socket.socket, wanted: frozenset[int], stdin: bool) -> Attachment:
        """A new client. After the end it is closed at once."""
        attachment = Attachment(self._loop, sock, self, wanted, stdin)
        self.attachments.append(attachment)
        if self.over:
            attachment.finish()
        return attachment

    def detached(self, attachment: Attachment) -> None:
        """The client is gone."""
        if attachment in self.attachments:
            self.attachments.remove(attachment)
        self.relieved()

    def feed_input(self, data: bytes) -> bool:
        """Take input; False if its sender should pause."""
        if self._stdin < 0 or self._stdin_closing:
            return True  # nobody reads it: swallowed
        if not self._input:
            self._loop.watch(self._stdin, WRITE, self._write_input)
        self._input += data
        self._write_input(WRITE)
        return len(self._input) < INPUT

    def _write_input(self, _events: int) -> None:
        try:
            del self._input[: os.write(self._stdin, self._input)]
        except BlockingIOError:
            return
        except OSError:
            self._close_input()  # the process has closed its end
            return
        if len(self._input) < INPUT:
            for attachment in tuple(self.attachments):
                attachment.resume_input()
        if not self._input:
            self._loop.forget(self._stdin)
            if self._stdin_closing:
                self._close_input()

    def input_ended(self, attachment: Attachment) -> None:
        """A client's input is at its end; the process's may end with it, after the last byte."""
        if attachment.stdin and self._once and not self.tty:
            self._stdin_closing = True
            if not self._input:
                self._close_input()

    def _close_input(self) -> None:
        if self._stdin >= 0:
            self._loop.forget(self._stdin)
            os.close(self._stdin)
            self._stdin = -1
        self._input.clear()
        for attachment in tuple(self.attachments):
            attachment.resume_input()
