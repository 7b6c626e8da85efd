"""The monitor's event loop, and attachments on it."""

from __future__ import annotations

import os
import socket

from engine.shim.loop import READ, Loop
from engine.shim.protocol import STDERR, STDOUT
from engine.shim.streams import BUFFER, Streams


def test_timers_run_in_order_and_can_be_cancelled() -> None:
    loop, seen = Loop(), []
    loop.later(0.02, lambda: seen.append("b"))
    loop.later(0.01, lambda: seen.append("a"))
    loop.later(0.015, lambda: seen.append("never")).cancel()
    loop.later(0.03, loop.stop)
    loop.run()
    assert seen == ["a", "b"]


def test_a_forgotten_descriptor_is_silent() -> None:
    loop, seen = Loop(), []
    reader, writer = os.pipe()
    loop.watch(reader, READ, lambda _events: seen.append(os.read(reader, 10)))
    os.write(writer, b"x")
    loop.later(0.01, lambda: (loop.forget(reader), os.write(writer, b"y"), loop.later(0.01, loop.stop))[0])
    loop.run()
    assert seen == [b"x"]
    os.close(reader)
    os.close(writer)


def make() -> tuple[Loop, Streams, int, int]:
    loop = Loop()
    streams = Streams(loop, tty=False, once=True, log=None, on_over=loop.stop)
    out, write_out = os.pipe()
    err, write_err = os.pipe()
    streams.open(-1, {out: STDOUT, err: STDERR})
    return loop, streams, write_out, write_err


def test_an_attachment_that_takes_nothing_holds_reading_back_and_memory_down() -> None:
    loop, streams, write_out, write_err = make()
    ours, theirs = socket.socketpair()
    attachment = streams.attach(theirs, frozenset((STDOUT,)), False)
    os.set_blocking(write_out, False)
    written = 0

    def fill() -> None:
        nonlocal written
        try:
            while True:
                written += os.write(write_out, b"x" * 65536)
        except BlockingIOError:
            pass

    for turn in range(100):
        loop.later(0.001 * turn, fill)
    loop.later(0.2, loop.stop)
    loop.run()
    assert attachment.full
    assert BUFFER < written < 3 * BUFFER
    ours.close()
    os.close(write_err)
    os.close(write_out)
    loop._running = True
    loop.run()  # the client has hung up: the rest is read, to the end
    assert streams.over and streams.attachments == []


def test_an_attachment_after_the_end_is_closed_at_once() -> None:
    loop, streams, write_out, write_err = make()
    os.close(write_out)
    os.close(write_err)
    loop.run()
    ours, theirs = socket.socketpair()
    streams.attach(theirs, frozenset((STDOUT,)), False)
    assert ours.recv(10) == b""
    ours.close()
