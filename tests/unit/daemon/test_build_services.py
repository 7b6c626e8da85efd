import base64

from engine.daemon.build_services import credentials


def test_credentials_are_chosen_by_registry() -> None:
    hub = {"username": "me", "password": "one"}
    own = {"auth": base64.b64encode(b"you:two").decode()}
    auth = {"https://index.docker.io/v1/": hub, "registry.example:5000": own}
    assert credentials(auth, "docker.io").username == "me"
    assert credentials(auth, "registry.example:5000").password == "two"
    assert not credentials(auth, "other.example")
