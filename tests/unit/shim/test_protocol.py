"""Frames, and failures in docker's words."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api import stdcopy
from engine.shim import protocol
from engine.shim.failure import SetupError, describe, step
from engine.shim.protocol import FrameDecoder, encode

MESSAGES = st.lists(
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=20), max_size=4), max_size=5
)


@given(MESSAGES, st.integers(1, 50))
def test_frames_survive_any_chunks(messages: list[dict[str, object]], size: int) -> None:
    data = b"".join(encode(message) for message in messages)
    decoder = FrameDecoder()
    found = []
    for start in range(0, len(data), size):
        found.extend(decoder.feed(data[start : start + size]))
    assert found == messages
    assert decoder.rest() == b""


def test_what_follows_the_last_frame_is_kept() -> None:
    decoder = FrameDecoder()
    iterator = decoder.feed(encode({"op": "attach"}) + b"raw input")
    assert next(iterator) == {"op": "attach"}
    assert decoder.rest() == b"raw input"


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\0\0\0\x02[]", b"\0\0\0\x01x"])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"frame|Expecting"):
        list(FrameDecoder().feed(data))


def test_stdcopy_is_the_apis() -> None:
    assert protocol.STDCOPY_HEADER.pack(protocol.STDERR, 5) == stdcopy.HEADER.pack(stdcopy.STDERR, 5)
    assert (protocol.STDIN, protocol.STDOUT, protocol.STDERR, protocol.SYSTEM) == (
        stdcopy.STDIN,
        stdcopy.STDOUT,
        stdcopy.STDERR,
        stdcopy.SYSTEM,
    )


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (
            SetupError("lookup", errno.ENOENT, "x", "executable file not found in $PATH"),
            'exec: "x": executable file not found in $PATH',
            127,
        ),
        (SetupError("lookup", errno.ENOENT, "/x"), 'exec: "/x": stat /x: no such file or directory', 127),
        (SetupError("lookup", errno.EACCES, "/x"), 'exec: "/x": permission denied', 126),
        (SetupError("lookup", errno.EISDIR, "/"), 'exec: "/": is a directory', 126),
        (SetupError("exec", errno.ENOEXEC, "/x"), "exec /x: exec format error", 126),
        (SetupError("exec", errno.ENOENT, "/x"), "exec /x: no such file or directory", 127),
        (
            SetupError("chdir", errno.ENOENT, "/n"),
            'chdir to cwd ("/n") set in config.json failed: no such file or directory',
            126,
        ),
        (SetupError("chdir", errno.EACCES, "/n"), "set in config.json failed: permission denied", 126),
        (
            SetupError("mount", errno.ENOENT, "/src", "/dst"),
            'error mounting "/src" to rootfs at "/dst": mount /src:/dst: no such file or directory',
            128,
        ),
        (
            SetupError("mount", errno.ENOTDIR, "/src", "/dst"),
            "Are you trying to mount a directory onto a file",
            127,
        ),
        (SetupError("set user", errno.EPERM, "5:5"), "set user: 5:5: operation not permitted", 128),
    ],
)
def test_failures_in_dockers_words(error: SetupError, message: str, code: int) -> None:
    text, exit_code = describe(error.to_dict())
    assert message in text
    assert exit_code == code


def test_a_step_names_the_failure_and_lets_others_pass() -> None:
    with pytest.raises(SetupError) as caught, step("mkdir", "/x"):
        raise OSError(errno.EROFS, "read-only", "/elsewhere")
    assert caught.value.to_dict() == {"operation": "mkdir", "errno": errno.EROFS, "path": "/x", "message": ""}
    with pytest.raises(KeyError), step("mkdir", "/x"):
        raise KeyError("x")
