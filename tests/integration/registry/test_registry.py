"""Pull and push against the real docker-registry, with skopeo as the outside client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errdefs import DockyardError, NotFound, SystemFailure, Unauthorized
from engine.image.distribution import Distribution
from engine.image.login import inspect_remote, log_in
from engine.image.save import save
from engine.registry.auth import Credentials
from engine.registry.endpoints import RegistryOptions
from tests.integration.registry.conftest import Host, free_port, skopeo, three_layers

ME = Credentials("me", "secret")

Maker = Callable[..., Host]


def statuses(messages: list[dict[str, object]]) -> list[str]:
    return [str(m["status"]) for m in messages if "status" in m]


def test_what_we_push_another_host_pulls(registry: str, host: Host, make_host: Maker) -> None:
    name = f"{registry}/team/app:v1"
    image = three_layers(host, name)
    said = host.push(name)
    digest = said[-1]["aux"]["Digest"]
    assert statuses(said)[0] == f"The push refers to repository [{registry}/team/app]"
    assert statuses(said).count("Pushed") == 3
    assert statuses(said)[-1].startswith(f"v1: digest: {digest} size: ")
    assert host.store.repo_digests(image.id) == [f"{registry}/team/app@{digest}"]

    other = make_host()
    pulled, messages = other.pull(name)
    assert pulled.id == image.id
    assert other.store.repo_tags(image.id) == [name]
    assert other.store.repo_digests(image.id) == [f"{registry}/team/app@{digest}"]
    assert other.files(pulled) == host.files(image)
    assert "etc/old" not in other.files(pulled)

    texts = statuses(messages)
    assert messages[0] == {"status": "Pulling from team/app", "id": "v1"}
    assert texts[1:4] == ["Pulling fs layer"] * 3
    for status in ("Downloading", "Verifying Checksum", "Download complete", "Extracting", "Pull complete"):
        assert status in texts
    assert texts.count("Pull complete") == 3
    assert texts[-2:] == [f"Digest: {digest}", f"Status: Downloaded newer image for {name}"]


def test_a_second_pull_is_up_to_date_and_a_second_push_sends_nothing(registry: str, host: Host) -> None:
    name = f"{registry}/app:v1"
    three_layers(host, name)
    host.push(name)
    again = statuses(host.push(name))
    assert again.count("Layer already exists") == 3
    assert "Pushed" not in again
    _, messages = host.pull(name)
    assert statuses(messages)[-1] == f"Status: Image is up to date for {name}"


def test_layers_that_are_here_are_not_fetched_again(registry: str, host: Host, make_host: Maker) -> None:
    name = f"{registry}/app:v1"
    image = three_layers(host, name)
    host.store.tag(image.parent, f"{registry}/app:base")
    host.push(f"{registry}/app")
    other = make_host()
    other.pull(f"{registry}/app:base")
    pulled, messages = other.pull(name)
    assert pulled.id == image.id
    assert statuses(messages)[1:4] == ["Already exists", "Already exists", "Pulling fs layer"]


def test_what_we_push_skopeo_finds_complete(registry: str, host: Host, tmp_path: Path) -> None:
    name = f"{registry}/app:v1"
    image = three_layers(host, name)
    digest = host.push(name)[-1]["aux"]["Digest"]
    found = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{name}"))
    assert found["Digest"] == digest
    assert found["Env"] == ["A=1"]
    skopeo("copy", "--src-tls-verify=false", f"docker://{name}", f"dir:{tmp_path}/out")
    config = json.loads((tmp_path / "out/manifest.json").read_text())["config"]["digest"]
    assert config == image.id


@pytest.mark.parametrize(("format", "compression"), [("oci", "gzip"), ("oci", "zstd"), ("v2s2", "gzip")])
def test_what_skopeo_pushes_we_pull(
    registry: str, host: Host, make_host: Maker, tmp_path: Path, format: str, compression: str
) -> None:
    image = three_layers(host, "local:v1")
    with save(host.store, ["local:v1"]) as archive:
        (tmp_path / "image.tar").write_bytes(archive.read())
    target = f"{registry}/from/skopeo:x"
    skopeo(
        "copy", "--dest-tls-verify=false", f"--format={format}", f"--dest-compress-format={compression}",
        "--dest-compress", f"docker-archive:{tmp_path}/image.tar", f"docker://{target}",
    )  # fmt: skip
    other = make_host()
    pulled, _ = other.pull(target)
    assert pulled.diff_ids == image.diff_ids
    assert other.files(pulled) == host.files(image)


def test_a_pulled_image_is_pushed_on_with_the_same_digest(
    registry: str, host: Host, make_host: Maker, tmp_path: Path
) -> None:
    three_layers(host, "local:v1")
    with save(host.store, ["local:v1"]) as archive:
        (tmp_path / "image.tar").write_bytes(archive.read())
    skopeo(
        "copy",
        "--dest-tls-verify=false",
        "--format=oci",
        f"docker-archive:{tmp_path}/image.tar",
        f"docker://{registry}/a:1",
    )
    first = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{registry}/a:1"))["Digest"]
    other = make_host()
    pulled, _ = other.pull(f"{registry}/a:1")
    other.store.tag(pulled.id, f"{registry}/b/c:2")
    assert other.push(f"{registry}/b/c:2")[-1]["aux"]["Digest"] == first


def test_a_pull_by_digest(registry: str, host: Host, make_host: Maker) -> None:
    name = f"{registry}/app:v1"
    image = three_layers(host, name)
    digest = host.push(name)[-1]["aux"]["Digest"]
    other = make_host()
    pulled, messages = other.pull(f"{registry}/app@{digest}")
    assert pulled.id == image.id
    assert messages[0]["id"] == digest
    assert other.store.repo_tags(image.id) == []
    assert other.store.resolve(f"{registry}/app@{digest}").id == image.id


def test_a_restart_keeps_what_was_pulled_and_sweeps_what_was_not(
    registry: str, host: Host, make_host: Maker
) -> None:
    name = f"{registry}/app:v1"
    three_layers(host, name)
    host.push(name)
    other = make_host()
    pulled, _ = other.pull(name)
    stray = other.store.content.put(b"left by a crash")
    again = make_host(root=other.root)
    assert again.store.resolve(name).id == pulled.id
    assert not again.store.content.has(stray)
    again.store.delete(pulled.id)
    assert again.store.content.list() == []
    assert again.layers.layers() == []


def test_unknown_images(registry: str, host: Host) -> None:
    three_layers(host, f"{registry}/app:v1")
    host.push(f"{registry}/app:v1")
    for name in (f"{registry}/app:none", f"{registry}/nothing:latest"):
        with pytest.raises(NotFound) as caught:
            host.pull(name)
        assert str(caught.value) == f"manifest for {name} not found: manifest unknown: manifest unknown"
    with pytest.raises(NotFound, match="An image does not exist locally with the tag: "):
        host.push(f"{registry}/never:v1")


def test_a_dead_registry(host: Host) -> None:
    port = free_port()
    with pytest.raises(SystemFailure) as caught:
        host.pull(f"127.0.0.1:{port}/app")
    expected = f'Get "http://127.0.0.1:{port}/v2/": dial tcp 127.0.0.1:{port}: connect: connection refused'
    assert str(caught.value) == expected


def test_a_registry_whose_name_is_unknown(host: Host) -> None:
    with pytest.raises(SystemFailure) as caught:
        host.pull("registry.invalid/app")
    assert str(caught.value).startswith(
        'Get "https://registry.invalid/v2/": dial tcp: lookup registry.invalid'
    )


def test_a_private_registry_wants_credentials(private_registry: str, host: Host, make_host: Maker) -> None:
    name = f"{private_registry}/app:v1"
    image = three_layers(host, name)
    for wrong in (None, Credentials("me", "wrong")):
        with pytest.raises(
            DockyardError, match=r"no basic auth credentials|unauthorized: authentication required"
        ):
            host.push(name, wrong)
    host.push(name, ME)
    other = make_host()
    with pytest.raises(NotFound) as caught:
        other.pull(name, Credentials("me", "wrong"))
    assert str(caught.value) == (
        f"pull access denied for {private_registry}/app, repository does not exist or may require "
        "'docker login': unauthorized: authentication required"
    )
    assert other.store.list() == [] and other.layers.layers() == []
    pulled, _ = other.pull(name, ME)
    assert pulled.id == image.id


def test_login(private_registry: str, host: Host) -> None:
    def attempt(password: str) -> dict[str, str]:
        async def work() -> dict[str, str]:
            credentials = Credentials("me", password, server=private_registry)
            return await log_in(credentials, Distribution(host.store))

        return asyncio.run(work())

    assert attempt("secret")["Status"] == "Login Succeeded"
    with pytest.raises(Unauthorized):
        attempt("wrong")


def test_inspecting_without_pulling(registry: str, host: Host) -> None:
    name = f"{registry}/app:v1"
    three_layers(host, name)
    digest = host.push(name)[-1]["aux"]["Digest"]

    async def work() -> dict[str, object]:
        return await inspect_remote(name, None, Distribution(host.store))

    found = asyncio.run(work())
    assert found["Descriptor"]["digest"] == digest  # type: ignore[index]
    assert found["Platforms"] == [{"architecture": "amd64", "os": "linux"}]


def test_a_mirror_serves_the_hub(registry: str, host: Host, make_host: Maker) -> None:
    image = three_layers(host, f"{registry}/library/busybox:latest")
    host.push(f"{registry}/library/busybox:latest")
    other = make_host(RegistryOptions(mirrors=(f"http://{registry}",)))
    pulled, messages = other.pull("busybox")
    assert pulled.id == image.id
    assert other.store.repo_tags(image.id) == ["busybox:latest"]
    assert statuses(messages)[-1] == "Status: Downloaded newer image for busybox:latest"
