"""docker-py, used as its documentation shows."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound

from tests.harness.engines import Docker, busybox_tar

pytestmark = pytest.mark.root


@pytest.fixture
def client(cli: Docker) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=cli.host)
    yield client
    for container in client.containers.list(all=True):
        container.remove(force=True, v=True)
    client.close()


def test_run_returns_the_output(client: docker.DockerClient) -> None:
    assert client.containers.run("busybox", ["echo", "hello"], remove=True) == b"hello\n"


def test_a_failing_container_raises_with_its_code(client: docker.DockerClient) -> None:
    with pytest.raises(ContainerError) as caught:
        client.containers.run("busybox", ["sh", "-c", "echo no >&2; exit 4"])
    assert caught.value.exit_status == 4
    assert caught.value.stderr == b"no\n"


def test_detached_containers_exec_logs_and_stop(client: docker.DockerClient) -> None:
    container = client.containers.run(
        "busybox", ["sh", "-c", "echo up; sleep 60"], detach=True, name="py", labels={"a": "b"},
        environment={"X": "y"}, volumes={"pyvol": {"bind": "/data", "mode": "rw"}}, mem_limit="64m",
    )  # fmt: skip
    assert container.status in {"created", "running"}
    code, output = container.exec_run(["sh", "-c", "echo $X; ls -d /data"])
    assert (code, output) == (0, b"y\n/data\n")
    out, err = container.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True).output
    assert (out, err) == (b"o\n", b"e\n")
    assert b"up" in container.logs()
    assert [c.name for c in client.containers.list(filters={"label": "a=b"})] == ["py"]
    assert container.stats(stream=False)["memory_stats"]["limit"] == 64 << 20
    assert container.top()["Titles"]
    container.stop(timeout=0)
    assert container.wait()["StatusCode"] == 137
    container.remove()
    client.volumes.get("pyvol").remove()
    with pytest.raises(NotFound):
        client.containers.get("py")


def test_the_log_stream_ends(client: docker.DockerClient) -> None:
    container = client.containers.run(
        "busybox", ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"], detach=True
    )
    assert b"".join(container.logs(stream=True, follow=True)) == b"1\n2\n3\n"


def test_an_attached_socket_talks_both_ways(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", "cat", stdin_open=True, tty=True)
    socket = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    container.start()
    socket._sock.sendall(b"ping\n")
    received = b""
    while b"ping\r\nping" not in received:
        received += socket._sock.recv(100)
    socket._sock.close()
    socket.close()


def test_archives_go_in_and_out(client: docker.DockerClient) -> None:
    container = client.containers.create("busybox", "true")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("f")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"data"))
    assert container.put_archive("/tmp", buffer.getvalue())
    chunks, stat = container.get_archive("/tmp/f")
    assert (stat["name"], stat["size"]) == ("f", 4)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        member = tar.extractfile("f")
        assert member is not None
        assert member.read() == b"data"


def test_images_are_built_tagged_and_removed(client: docker.DockerClient, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text('FROM busybox\nENV A=b\nRUN echo built > /f\nCMD ["cat", "/f"]\n')
    image, lines = client.images.build(path=str(tmp_path), tag="pybuilt:1")
    assert any("Successfully built" in line.get("stream", "") for line in lines)
    assert client.containers.run("pybuilt:1", remove=True) == b"built\n"
    assert image.tag("pybuilt", "2")
    assert {"pybuilt:1", "pybuilt:2"} <= set(client.images.get("pybuilt:2").tags)
    client.images.remove("pybuilt:1")
    client.images.remove("pybuilt:2")
    with pytest.raises(ImageNotFound):
        client.images.get("pybuilt:1")


def test_images_are_imported_from_data(client: docker.DockerClient) -> None:
    client.api.import_image_from_data(busybox_tar(), repository="pyimported", tag="x")
    assert client.images.get("pyimported:x")
    client.images.remove("pyimported:x")


def test_networks_and_volumes(client: docker.DockerClient) -> None:
    network = client.networks.create("pynet", driver="bridge", labels={"k": "v"})
    container = client.containers.run("busybox", "sleep 60", detach=True, network="pynet", name="pyc")
    network.reload()
    assert [c.name for c in network.containers] == ["pyc"]
    container.remove(force=True)
    network.remove()
    volume = client.volumes.create("pyv", labels={"k": "v"})
    assert [v.name for v in client.volumes.list(filters={"label": "k=v"})] == ["pyv"]
    volume.remove()


def test_errors_are_docker_pys_own(client: docker.DockerClient) -> None:
    with pytest.raises(ImageNotFound):
        client.containers.create("nosuch", "true")
    client.containers.create("busybox", "true", name="twice")
    with pytest.raises(APIError) as caught:
        client.containers.create("busybox", "true", name="twice")
    assert caught.value.status_code == 409


def test_events_and_system_calls(client: docker.DockerClient) -> None:
    assert client.ping()
    assert client.version()["ApiVersion"]
    assert client.info()["Containers"] >= 0
    assert "Images" in client.df()
    events = client.events(decode=True, filters={"type": "container"})
    client.containers.run("busybox", "true", remove=True)
    assert next(events)["Action"] == "create"
    events.close()
