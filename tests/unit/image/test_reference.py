import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errdefs import InvalidParameter
from engine.image.reference import Reference, is_image_id, parse

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        ("library/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("me/app", "docker.io/me/app", "me/app"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("localhost/app", "localhost/app", "localhost/app"),
        ("localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"),
        ("LOCAL/app", "LOCAL/app", "LOCAL/app"),
        ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c"),
        ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
        ("quay.io/x/y@" + DIGEST, "quay.io/x/y@" + DIGEST, "quay.io/x/y@" + DIGEST),
        ("x:t@" + DIGEST, "docker.io/library/x:t@" + DIGEST, "x:t@" + DIGEST),
        ("a__b/c-d.e_f", "docker.io/a__b/c-d.e_f", "a__b/c-d.e_f"),
        ("a--b", "docker.io/library/a--b", "a--b"),
    ],
)
def test_short_forms(text: str, full: str, familiar: str) -> None:
    ref = parse(text)
    assert str(ref) == full
    assert ref.familiar == familiar
    assert parse(full) == ref


@pytest.mark.parametrize(
    "text",
    ["", ":tag", "a:", "a@", "a b", "-a", "a-", "a..b", "a___b", "a//b", "/a", "a/", "a:b:c", "a@sha256:12",
     "a@md5:" + "0" * 32, "a@sha512:" + "0" * 128, "a:" + "t" * 129, "a:.t", "a\n", "ü", "a:\u0661", "http://a/b"],
)  # fmt: skip
def test_malformed_references(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid reference format"):
        parse(text)


def test_messages_that_say_more() -> None:
    with pytest.raises(InvalidParameter, match=r"repository name \(library/Busybox\) must be lowercase"):
        parse("Busybox")
    with pytest.raises(InvalidParameter, match="cannot specify 64-byte hexadecimal strings"):
        parse("a" * 64)
    with pytest.raises(InvalidParameter, match="more than 255 characters"):
        parse("a/" * 130 + "b")


def test_canonical_form_has_a_tag_or_a_digest_never_both() -> None:
    assert str(parse("x").canonical()) == "docker.io/library/x:latest"
    assert str(parse("x:1").canonical()) == "docker.io/library/x:1"
    assert str(parse(f"x:1@{DIGEST}").canonical()) == f"docker.io/library/x@{DIGEST}"


def test_tags_are_checked_when_they_are_given_apart() -> None:
    assert parse("x").with_tag("v1").familiar == "x:v1"
    with pytest.raises(InvalidParameter):
        parse("x").with_tag("a:b")


def test_image_ids() -> None:
    assert is_image_id("a" * 64) and is_image_id(DIGEST)
    assert not is_image_id("a" * 63) and not is_image_id("g" * 64)


component = st.from_regex(r"[a-z0-9]{1,6}([._-][a-z0-9]{1,6}){0,2}", fullmatch=True)
hosts = st.from_regex(r"[a-z0-9]{1,8}\.[a-z]{2,5}(:[0-9]{1,5})?|localhost(:[0-9]{2,5})?", fullmatch=True)
references = st.builds(
    Reference,
    domain=hosts,
    path=st.lists(component, min_size=1, max_size=4).map("/".join),
    tag=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}|", fullmatch=True),
    digest=st.sampled_from(["", DIGEST]),
)


@given(references)
def test_what_is_written_is_read_back(ref: Reference) -> None:
    assert parse(str(ref)) == ref
    assert parse(ref.familiar) == ref


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_invalid(text: str) -> None:
    try:
        ref = parse(text)
    except InvalidParameter:
        return
    assert parse(str(ref)) == ref
    assert parse(ref.familiar) == ref
