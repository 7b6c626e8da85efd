# ruff: noqa: E501 - compose files stand on one line each
import pytest

from compose.convert.container import Surroundings, create_request
from compose.convert.mounts import anonymous_volumes
from tests.unit.compose.projects import project


def made(text: str, service: str = "web", **around):
    return create_request(project(text), service, 1, Surroundings(**around))


def host(service: str):
    return made(f"services: {{web: {{image: a, {service}}}}}").body["HostConfig"]


@pytest.mark.parametrize(
    ("service", "field", "value"),
    [
        ("mem_limit: 64m", "Memory", 64 << 20),
        ("cpus: 0.5", "NanoCpus", 500_000_000),
        ("deploy: {resources: {limits: {cpus: '1.5', memory: 1g, pids: 9}}}", "NanoCpus", 1_500_000_000),
        ("deploy: {resources: {limits: {pids: 9}}}", "PidsLimit", 9),
        ("restart: on-failure:3", "RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 3}),
        ("deploy: {restart_policy: {condition: none}}", "RestartPolicy", {"Name": "no"}),
        ("ulimits: {nofile: {soft: 1, hard: 2}}", "Ulimits", [{"Name": "nofile", "Soft": 1, "Hard": 2}]),
        ("tmpfs: '/run:size=1m'", "Tmpfs", {"/run": "size=1m"}),
        ("extra_hosts: {a: 1.1.1.1}", "ExtraHosts", ["a:1.1.1.1"]),
        ("logging: {driver: none}", "LogConfig", {"Type": "none", "Config": {}}),
        ("ports: ['127.0.0.1:8080:80/udp']", "PortBindings", {"80/udp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}),
        ("ports: ['80']", "PortBindings", {"80/tcp": [{"HostIp": "", "HostPort": ""}]}),
        ("privileged: true", "Privileged", True),
        ("network_mode: host", "NetworkMode", "host"),
        ("pid: host", "PidMode", "host"),
        ("volumes: ['/a:/b:ro']", "Binds", ["/a:/b:ro"]),
        ("devices: ['/dev/null:/dev/x:r']", "Devices", [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}]),
    ],
)  # fmt: skip
def test_host_configuration(service, field, value):
    assert host(service)[field] == value


def test_the_container_itself():
    body = made(
        """
services:
  web:
    image: a
    command: serve --port 80
    entrypoint: []
    environment: {A: 1, B: ""}
    user: "1:2"
    working_dir: /w
    stop_grace_period: 1500ms
    stop_signal: SIGINT
    expose: ["90-91/udp"]
    healthcheck: {test: check, interval: 2s, retries: 3}
    labels: {own: x}
"""
    ).body
    assert body["Cmd"] == ["serve", "--port", "80"]
    assert body["Entrypoint"] == [""]
    assert body["Env"] == ["A=1", "B="]
    assert (body["User"], body["WorkingDir"], body["StopTimeout"], body["StopSignal"]) == (
        "1:2",
        "/w",
        2,
        "SIGINT",
    )
    assert set(body["ExposedPorts"]) == {"90/udp", "91/udp"}
    assert body["Healthcheck"] == {"Test": ["CMD-SHELL", "check"], "Interval": 2_000_000_000, "Retries": 3}
    assert body["Labels"]["own"] == "x"


def test_a_disabled_healthcheck_and_an_image_without_command():
    body = made("services: {web: {image: a, healthcheck: {disable: true}}}").body
    assert body["Healthcheck"] == {"Test": ["NONE"]}
    assert "Cmd" not in body
    assert "Entrypoint" not in body


def test_labels_by_which_the_container_is_found_again():
    text = "services: {db: {image: d}, web: {build: ., depends_on: {db: {condition: service_healthy, restart: true}}}}"
    body = made(text, image_id="sha256:1").body
    found = {key.removeprefix("com.docker.compose."): value for key, value in body["Labels"].items()}
    assert len(found.pop("config-hash")) == 64
    found.pop("version")
    assert found == {
        "project": "p",
        "service": "web",
        "container-number": "1",
        "oneoff": "False",
        "image": "sha256:1",
        "depends_on": "db:service_healthy:true",
        "project.working_dir": "/project",
        "project.config_files": "/project/compose.yaml",
    }
    assert body["Image"] == "p-web"


def test_networks_by_priority_the_first_at_creation():
    request = made(
        """
services:
  web: {image: a, networks: {b: {aliases: [x]}, a: null, c: {priority: 5, ipv4_address: 10.0.0.9}}}
networks: {a: {}, b: {}, c: {name: own}}
"""
    )
    assert request.body["HostConfig"]["NetworkMode"] == "own"
    endpoints = request.body["NetworkingConfig"]["EndpointsConfig"]
    assert endpoints == {"own": {"Aliases": ["web"], "IPAMConfig": {"IPv4Address": "10.0.0.9"}}}
    assert request.connect == {"p_a": {"Aliases": ["web"]}, "p_b": {"Aliases": ["web", "x"]}}


def test_namespaces_links_and_volumes_of_other_services_name_their_containers():
    text = "services: {db: {image: d}, web: {image: a, network_mode: 'service:db', pid: 'service:db', volumes_from: ['db:ro']}}"
    config = made(text, containers={"db": ["id1"]}).body["HostConfig"]
    assert config["NetworkMode"] == config["PidMode"] == "container:id1"
    assert config["VolumesFrom"] == ["id1:ro"]
    request = made(
        "services: {db: {image: d}, web: {image: a, links: ['db:base']}}", containers={"db": ["id1"]}
    )
    assert request.body["NetworkingConfig"]["EndpointsConfig"]["p_default"]["Links"] == ["id1:base"]


VOLUMES = """
services:
  web:
    image: a
    volumes: ["data:/data", /anonymous, "./x:/x:ro,z", {type: tmpfs, target: /t, tmpfs: {size: 1m}}]
volumes: {data: {}}
"""


def test_volumes_anonymous_named_bound_and_tmpfs():
    body = made(VOLUMES.replace("./x", "/x")).body
    assert body["HostConfig"]["Binds"] == ["p_data:/data:rw", "/x:/x:ro,z"]
    assert body["Volumes"] == {"/anonymous": {}}
    assert body["HostConfig"]["Mounts"] == [
        {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1 << 20}}
    ]


def test_anonymous_volumes_pass_to_the_next_container():
    inherited = anonymous_volumes(
        [
            {"Type": "volume", "Name": "a" * 64, "Destination": "/anonymous"},
            {"Type": "volume", "Name": "b" * 64, "Destination": "/of-the-image"},
            {"Type": "volume", "Name": "p_data", "Destination": "/data"},
            {"Type": "bind", "Destination": "/x"},
        ]
    )
    body = made(VOLUMES.replace("./x", "/x"), inherited=inherited).body
    assert f"{'a' * 64}:/anonymous:rw" in body["HostConfig"]["Binds"]
    assert f"{'b' * 64}:/of-the-image" in body["HostConfig"]["Binds"]
    assert "Volumes" not in body


def test_secrets_are_mounted_where_the_engine_sees_files_and_copied_elsewhere():
    from compose.execute.files import copied_files

    text = """
services:
  web:
    image: a
    secrets: [key, {source: token, target: /t, mode: 0400, uid: "3"}]
    configs: [conf]
secrets: {key: {file: /key}, token: {environment: TOKEN}}
configs: {conf: {content: hello}}
"""
    shop = project(text)
    shop.environment["TOKEN"] = "s3"
    mounts = create_request(shop, "web", 1, Surroundings()).body["HostConfig"]["Mounts"]
    assert mounts == [{"Type": "bind", "Source": "/key", "Target": "/run/secrets/key", "ReadOnly": True}]

    import io
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(copied_files(shop, shop.services["web"], local=True))) as archive:
        entries = {e.name: (e.mode, e.uid, archive.extractfile(e).read()) for e in archive}
    assert entries == {"t": (0o400, 3, b"s3"), "conf": (0o444, 0, b"hello")}
    remote = create_request(shop, "web", 1, Surroundings(local=False))
    assert "Mounts" not in remote.body["HostConfig"]


def test_a_node_is_asked_for_by_constraint():
    assert made("services: {web: {image: a}}", node="n1").body["Env"] == ["constraint:node==n1"]
