# ruff: noqa: E501 - cases stand on one line each
import pytest

from compose.errors import ConfigurationNotFound, FileInvalid, NoSuchService
from compose.loader.discovery import Options, normalize_name
from compose.loader.light import light_project_name
from compose.loader.load import Loading, load_project


@pytest.fixture
def write(tmp_path):
    """Write files below a project directory; the directory."""
    root = tmp_path / "My.Shop"
    root.mkdir()

    def make(**files: str):
        for name, text in files.items():
            path = root / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    return make


def load(root, *, env=None, named=(), **options):
    return load_project(Options(cwd=root, environ=env or {}, **options), Loading(named=named))


BASE = "services: {web: {image: a}}"


def test_discovery_prefers_compose_yaml_and_takes_its_override(write):
    root = write(
        compose_DOT_yaml=BASE,
        docker_DOT_compose="",
        compose_DOT_override_DOT_yml="services: {web: {tty: true}}",
    )
    project = load(root)
    assert project.services["web"]["tty"] is True
    assert [f.rpartition("/")[2] for f in project.files] == ["compose.yaml", "compose.override.yml"]


def test_discovery_walks_up(write):
    root = write(compose_DOT_yaml=BASE, a__b__c="")
    assert load(root / "a" / "b").directory == root


def test_no_file_is_not_found_with_code_14(write):
    with pytest.raises(ConfigurationNotFound, match="no configuration file provided: not found") as caught:
        load(write(x=""))
    assert caught.value.exit_code == 14


def test_named_files_merge_and_the_first_gives_the_directory(write):
    root = write(a__one_DOT_yaml="services: {web: {build: ./ctx}}", two_DOT_yaml="services: {db: {image: x}}")
    project = load(root, files=("a/one.yaml", "two.yaml"))
    assert project.directory == root / "a"
    assert project.services["web"]["build"]["context"] == str(root / "a" / "ctx")
    assert list(project.services) == ["web", "db"]
    assert list(load(root, env={"COMPOSE_FILE": "a/one.yaml:two.yaml"}).services) == ["web", "db"]


@pytest.mark.parametrize(
    ("options", "env", "declared", "name"),
    [
        ({}, {}, "", "myshop"),
        ({}, {}, "name: declared\n", "declared"),
        ({}, {"COMPOSE_PROJECT_NAME": "env"}, "name: declared\n", "env"),
        ({"project_name": "flag"}, {"COMPOSE_PROJECT_NAME": "env"}, "name: declared\n", "flag"),
        ({}, {"WHO": "me"}, "name: of-${WHO}\n", "of-me"),
    ],
)
def test_project_name(write, options, env, declared, name):
    root = write(compose_DOT_yaml=declared + BASE)
    assert load(root, env=env, **options).name == name
    assert light_project_name(Options(cwd=root, environ=env, **options)) == name


def test_a_bad_project_name_is_refused(write):
    with pytest.raises(FileInvalid, match='invalid project name "No Way"'):
        load(write(compose_DOT_yaml=BASE), project_name="No Way")
    assert normalize_name("_-My.Shop") == "myshop"


def test_variables_come_from_the_environment_then_env_files(write):
    root = write(
        compose_DOT_yaml="services: {web: {image: '$A-$B-$C'}}",
        _DOT_env="A=dot\nB=dot\nC=dot",
        one_DOT_env="B=one\nC=one",
        two_DOT_env="C=two",
    )
    assert load(root, env={"A": "os"}).services["web"]["image"] == "os-dot-dot"
    chosen = load(root, env={"A": "os"}, env_files=("one.env", "two.env"))
    assert chosen.services["web"]["image"] == "os-one-two"
    assert load(root, env={"COMPOSE_DISABLE_ENV_FILE": "1"}).services["web"]["image"] == "--"


def test_unset_variables_warn_once(write):
    project = load(write(compose_DOT_yaml="services: {web: {image: 'a$NOPE', user: $NOPE}}"))
    assert project.warnings == ['The "NOPE" variable is not set. Defaulting to a blank string.']


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("services:\n  web:\n    image: a\n    ports: 80\n", 4, "services.web.ports must be a list"),
        ("services:\n  web:\n    image: ${X:?set X}\n", 3, "required variable X is missing a value: set X"),
        ("services:\n  web:\n    image: a\n    networks: [n]\n", 4, "refers to undefined network n"),
        ("services:\n  web:\n    image: a\n    volumes: ['v:/x']\n", 4, "refers to undefined volume v"),
        ("services:\n  web:\n    tty: true\n", 2, "has neither an image nor a build context"),
        ("services:\n  web:\n    image: a\n    depends_on: [db]\n", 4, 'depends on undefined service "db"'),
        ("services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n", 2, "dependency cycle detected: a -> b -> a"),
        ("services:\n  a:\n    image: x\n    network_mode: host\n    networks: [d]\n", 2, "mutually exclusive"),
        ("services:\n  a:\n    image: x\n    secrets: [s]\n", 4, "refers to undefined secret s"),
        ("services:\n  a:\n    image: x\n    healthcheck:\n      interval: soon\n", 5, "invalid duration"),
        ("services:\n  a:\n    extends: b\n", 3, 'names the service "b", which is not in'),
        ("services:\n  a: {extends: b}\n  b: {extends: a}\n", 2, "circular reference"),
        ("services:\n  a:\n    image: x\n    container_name: c\n    scale: 2\n", 4, "can't be scaled to 2"),
        ("services:\n\tweb: 3\n", 2, "yaml: "),
    ],
)  # fmt: skip
def test_errors_name_file_line_and_path(write, text, line, message):
    root = write(compose_DOT_yaml=text)
    with pytest.raises(FileInvalid) as caught:
        load(root)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{root}/compose.yaml:{line}: ")
    assert caught.value.exit_code == 1


def test_the_line_is_that_of_the_file_that_said_it(write):
    root = write(one_DOT_yaml=BASE, two_DOT_yaml="\n\nservices:\n  web:\n    networks: [nope]\n")
    with pytest.raises(FileInvalid, match=r"two\.yaml:5: services\.web\.networks\.nope refers to undefined"):
        load(root, files=("one.yaml", "two.yaml"))


def test_reset_and_override_across_files(write):
    root = write(
        one_DOT_yaml="services: {web: {image: a, ports: ['80:80'], environment: {A: 1}, dns: [x]}}",
        two_DOT_yaml="services: {web: {ports: !override ['81:81'], environment: !reset {}, dns: !reset null}}",
    )
    web = load(root, files=("one.yaml", "two.yaml")).services["web"]
    assert [p["published"] for p in web["ports"]] == ["81"]
    assert "environment" not in web
    assert "dns" not in web


def test_extends_over_files_resolves_paths_there(write):
    root = write(
        compose_DOT_yaml="services: {web: {extends: {file: base/common.yaml, service: app}, environment: [B=2]}}",
        base__common_DOT_yaml=(
            "services:\n  root: {image: x, volumes: ['./data:/data'], environment: [A=1, B=1]}\n"
            "  app: {extends: root, build: ."
            ", labels: {l: '1'}}\n"
        ),
    )
    web = load(root).services["web"]
    assert web["build"]["context"] == str(root / "base")
    assert web["volumes"][0]["source"] == str(root / "base" / "data")
    assert web["environment"] == {"A": "1", "B": "2"}
    assert web["labels"] == {"l": "1"}
    assert "extends" not in web


def test_include_brings_services_with_their_own_directory_and_env(write):
    root = write(
        compose_DOT_yaml="include: [sub/compose.yaml]\nservices: {web: {image: w, depends_on: [db]}}",
        sub__compose_DOT_yaml="services: {db: {image: 'db:$TAG', build: .}}\nvolumes: {data: {}}",
        sub___DOT_env="TAG=9",
    )
    project = load(root)
    assert project.services["db"]["image"] == "db:9"
    assert project.services["db"]["build"]["context"] == str(root / "sub")
    assert project.volumes["data"]["name"] == "myshop_data"
    assert load(root, env={"TAG": "1"}).services["db"]["image"] == "db:1"


def test_include_conflicts_are_errors(write):
    root = write(
        compose_DOT_yaml="include: [other.yaml]\nservices: {web: {image: w}}",
        other_DOT_yaml="services: {web: {image: other}}",
    )
    with pytest.raises(FileInvalid, match=r"services\.web conflicts with the resource imported from"):
        load(root)


PROFILES = """
services:
  web: {image: a}
  debug: {image: a, profiles: [debug], depends_on: [web]}
  tool: {image: a, profiles: [tools]}
  needy: {image: a, profiles: [needy], depends_on: {debug: {condition: service_started, required: false}}}
"""


@pytest.mark.parametrize(
    ("profiles", "named", "enabled"),
    [
        ((), (), ["web"]),
        (("debug",), (), ["web", "debug"]),
        (("*",), (), ["web", "debug", "tool", "needy"]),
        ((), ("debug",), ["web", "debug"]),
        (("needy",), (), ["web", "needy"]),
    ],
)
def test_profiles(write, profiles, named, enabled):
    project = load(write(compose_DOT_yaml=PROFILES), profiles=profiles, named=named)
    assert list(project.services) == enabled
    assert set(project.services) | set(project.disabled) == {"web", "debug", "tool", "needy"}


def test_a_disabled_dependency_is_an_error(write):
    root = write(compose_DOT_yaml=PROFILES.replace(", required: false", ""))
    with pytest.raises(FileInvalid, match='depends on "debug", which is disabled'):
        load(root, profiles=("needy",))


def test_an_unknown_service_is_named(write):
    with pytest.raises(NoSuchService, match="no such service: nope"):
        load(write(compose_DOT_yaml=BASE), named=("nope",))


def test_container_environment_precedence(write):
    root = write(
        compose_DOT_yaml=(
            "services:\n  web:\n    image: a\n    env_file: [one.env, {path: none.env, required: false}]\n"
            "    environment: {A: env, INHERITED: null, FROM_FILE: null, UNSET: null}\n"
        ),
        one_DOT_env="A=file\nB=file\nFROM_FILE=f",
    )
    web = load(root, env={"INHERITED": "os"}).services["web"]
    assert web["environment"] == {"A": "env", "B": "file", "FROM_FILE": "f", "INHERITED": "os"}


def test_a_missing_env_file_is_an_error(write):
    with pytest.raises(FileInvalid, match=r"env file .*none\.env not found"):
        load(write(compose_DOT_yaml="services: {web: {image: a, env_file: none.env}}"))


def test_names_on_the_engine(write):
    root = write(
        compose_DOT_yaml="""
name: p
services: {web: {image: a, networks: [default, own, ext], volumes: ["v:/v", "w:/w"]}}
networks: {own: {name: mine}, ext: {external: true}, unused: {}}
volumes: {v: {}, w: {external: {name: old}}}
"""
    )
    project = load(root)
    assert {k: n["name"] for k, n in project.networks.items()} == {
        "own": "mine", "ext": "ext", "unused": "p_unused", "default": "p_default",
    }  # fmt: skip
    assert {k: v["name"] for k, v in project.volumes.items()} == {"v": "p_v", "w": "old"}


def test_links_and_namespaces_are_dependencies(write):
    root = write(
        compose_DOT_yaml="""
services:
  a: {image: x}
  b: {image: x, links: ["a:alias"]}
  c: {image: x, network_mode: "service:a"}
  d: {image: x, volumes_from: ["b:ro", "container:other"]}
"""
    )
    services = load(root).services
    assert list(services["b"]["depends_on"]) == ["a"]
    assert services["c"]["depends_on"]["a"]["restart"] is True
    assert "networks" not in services["c"]
    assert list(services["d"]["depends_on"]) == ["b"]


def test_files_of_version_1_and_3_load(write):
    assert "web" in load(write(compose_DOT_yaml="web:\n  image: a\n")).services
    project = load(write(compose_DOT_yaml="version: '3.8'\n" + BASE))
    assert "web" in project.services
    assert "obsolete" in project.warnings[0]
