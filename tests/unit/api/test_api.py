"""Stream framing and version negotiation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api import stdcopy, versions
from engine.errdefs import InvalidParameter


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=50))), st.integers(1, 20))
def test_frames_survive_any_chunking(frames: list[tuple[int, bytes]], size: int) -> None:
    wire = b"".join(stdcopy.frame(stream, data) for stream, data in frames)
    decoder = stdcopy.Decoder()
    got = [f for i in range(0, len(wire), size) for f in decoder.feed(wire[i : i + size])]
    assert got == frames


def test_versions_between_the_bounds_are_answered_in() -> None:
    assert versions.negotiate(None) == versions.parse(versions.API_VERSION)
    assert versions.negotiate("1.24") == (1, 24)
    assert versions.negotiate("1.41") == (1, 41)


@pytest.mark.parametrize(("version", "words"), [("1.23", "too old"), ("1.99", "too new"), ("x", "invalid")])
def test_others_are_refused(version: str, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        versions.negotiate(version)
