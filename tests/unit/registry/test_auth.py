import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errdefs import InvalidParameter, NotFound
from engine.registry.auth import Credentials, parse_challenge, parse_header, token_of
from engine.registry.endpoints import Endpoint, RegistryOptions, endpoints, is_insecure
from engine.registry.errors import pull_error, refusal


def header(document: object, *, pad: bool = True) -> str:
    text = base64.urlsafe_b64encode(json.dumps(document).encode()).decode()
    return text if pad else text.rstrip("=")


def test_the_header_in_all_its_forms() -> None:
    document = {"username": "me", "password": "päss?>", "serveraddress": "r.io"}
    for pad in (True, False):
        assert parse_header(header(document, pad=pad)) == Credentials("me", "päss?>", server="r.io")
    packed = base64.b64encode(b"me:a:b").decode()
    assert parse_header(header({"auth": packed})) == Credentials("me", "a:b")
    assert parse_header(header({"identitytoken": "t"})).identity_token == "t"
    assert not parse_header("e30=") and not parse_header("") and not parse_header(None)


@pytest.mark.parametrize("value", ["e30", "%%%", "bm8=", header([1]), header({"auth": "/"})])
def test_a_malformed_header(value: str) -> None:
    if value == "e30":
        assert not parse_header(value)
        return
    with pytest.raises(InvalidParameter):
        parse_header(value)


def test_a_password_is_never_shown() -> None:
    assert "secret" not in repr(Credentials("me", "secret", "secret", "secret"))


def test_challenges() -> None:
    text = 'Bearer realm="https://a.x/token?a=b,c", service="x",scope="repository:a/b:pull,push" , error=no'
    found = parse_challenge(text)
    assert found is not None and found.scheme == "bearer"
    assert found.parameters == {
        "realm": "https://a.x/token?a=b,c", "service": "x",
        "scope": "repository:a/b:pull,push", "error": "no",
    }  # fmt: skip
    basic = parse_challenge(r'BASIC realm="say \"x\""')
    assert basic is not None and basic.scheme == "basic" and basic.parameters == {"realm": 'say "x"'}
    assert parse_challenge("") is None
    assert parse_challenge('Bearer realm="x') is None


@given(st.text(max_size=80))
def test_any_challenge_is_parsed_or_none(text: str) -> None:
    parse_challenge(text)


def test_tokens() -> None:
    assert token_of({"token": "a"}) == token_of({"access_token": "a"}) == "a"
    assert token_of({}) == token_of([]) == token_of({"token": 1}) == ""


def test_endpoints() -> None:
    options = RegistryOptions(("10.0.0.0/8", "reg.local:5000"), ("https://mirror.x/", "http://10.1.1.1:5000"))
    hub = Endpoint("https://registry-1.docker.io")
    assert endpoints("docker.io", options) == [
        Endpoint("https://mirror.x", mirror=True),
        Endpoint("http://10.1.1.1:5000", verify=False, mirror=True), hub,
    ]  # fmt: skip
    assert endpoints("docker.io", options, push=True) == [hub]
    assert endpoints("quay.io", options) == [Endpoint("https://quay.io")]
    assert endpoints("10.9.9.9", options) == [
        Endpoint("https://10.9.9.9", verify=False), Endpoint("http://10.9.9.9", verify=False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("host", "insecure"),
    [
        ("localhost", True), ("localhost:5000", True), ("127.0.0.1:5000", True), ("127.8.8.8", True),
        ("[::1]:5000", True), ("reg.local:5000", True), ("reg.local", False),
        ("11.0.0.1", False), ("quay.io", False),
    ],
)  # fmt: skip
def test_insecure_hosts(host: str, insecure: bool) -> None:
    assert is_insecure(host, RegistryOptions(("10.0.0.0/8", "reg.local:5000"))) is insecure


def body(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": {}}]}).encode()


def test_refusals_in_dockers_words() -> None:
    denied = refusal(401, body("DENIED", "requested access to the resource is denied"))
    found = pull_error(denied, "me/x", "me/x:1")
    assert isinstance(found, NotFound)
    assert str(found) == (
        "pull access denied for me/x, repository does not exist or may require 'docker login': "
        "denied: requested access to the resource is denied"
    )
    unknown = refusal(404, body("NAME_UNKNOWN", "repository name not known to registry"))
    assert str(pull_error(unknown, "me/x", "me/x:1")) == (
        "repository me/x not found: name unknown: repository name not known to registry"
    )
    assert str(refusal(500, b"<html>")) == "received unexpected HTTP status: 500"
    assert (
        str(refusal(500, b"[]"))
        == str(refusal(500, b'{"errors": 3}'))
        == "received unexpected HTTP status: 500"
    )
