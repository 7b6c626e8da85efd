"""Each case: a base, an override, and what they make, as three pieces of YAML."""

import pytest

from compose.errors import FileInvalid
from compose.loader.canonical import canonical
from compose.loader.merge import delete, merge, unicity
from compose.loader.parse import parse
from compose.loader.validate import validate

CASES = {
    "scalars are replaced": (
        "services: {web: {image: a, tty: true}}",
        "services: {web: {image: b}}",
        "services: {web: {image: b, tty: true}}",
    ),
    "services are added": (
        "services: {a: {image: a}}",
        "services: {b: {image: b}}",
        "services: {a: {image: a}, b: {image: b}}",
    ),
    "a command is replaced": (
        "services: {web: {command: [a, b]}}",
        "services: {web: {command: c d}}",
        "services: {web: {command: [c, d]}}",
    ),
    "environment by key, in either form": (
        "services: {web: {environment: [A=1, B=2]}}",
        "services: {web: {environment: {B: 3, C: null}}}",
        "services: {web: {environment: {A: 1, B: 3, C: null}}}",
    ),
    "a name without value overrides": (
        "services: {web: {environment: [A=1]}}",
        "services: {web: {environment: [A]}}",
        "services: {web: {environment: [A]}}",
    ),
    "labels by key": (
        "services: {web: {labels: [a=1, b=2]}}",
        "services: {web: {labels: {b: x}}}",
        "services: {web: {labels: {a: 1, b: x}}}",
    ),
    "build context alone, then arguments": (
        "services: {web: {build: ./dir}}",
        "services: {web: {build: {args: [A=1]}}}",
        "services: {web: {build: {context: ./dir, args: {A: 1}}}}",
    ),
    "ports are appended, equal ones are one": (
        'services: {web: {ports: ["80:80", "81:81"]}}',
        'services: {web: {ports: ["81:81", "82:82"]}}',
        'services: {web: {ports: ["80:80", "81:81", "82:82"]}}',
    ),
    "a port of another address is another port": (
        'services: {web: {ports: ["80:80"]}}',
        'services: {web: {ports: ["127.0.0.1:80:80", "80:80/udp"]}}',
        'services: {web: {ports: ["80:80", "127.0.0.1:80:80", "80:80/udp"]}}',
    ),
    "volumes by target": (
        "services: {web: {volumes: [a:/x, b:/y]}}",
        "services: {web: {volumes: [c:/y, d:/z]}}",
        "services: {web: {volumes: [a:/x, c:/y, d:/z]}}",
    ),
    "depends_on, list and mapping": (
        "services: {web: {depends_on: [a]}}",
        "services: {web: {depends_on: {a: {condition: service_healthy}, b: {condition: service_started}}}}",
        "services: {web: {depends_on: {a: {condition: service_healthy}, b: {condition: service_started}}}}",
    ),
    "networks, list and mapping": (
        "services: {web: {networks: [a]}}",
        "services: {web: {networks: {a: {aliases: [x]}, b: null}}}",
        "services: {web: {networks: {a: {aliases: [x]}, b: null}}}",
    ),
    "aliases are appended without repetition": (
        "services: {web: {networks: {a: {aliases: [x, y]}}}}",
        "services: {web: {networks: {a: {aliases: [y, z]}}}}",
        "services: {web: {networks: {a: {aliases: [x, y, z]}}}}",
    ),
    "dns is one or several": (
        "services: {web: {dns: 1.1.1.1}}",
        "services: {web: {dns: [8.8.8.8, 1.1.1.1]}}",
        "services: {web: {dns: [1.1.1.1, 8.8.8.8]}}",
    ),
    "ulimits are replaced": (
        "services: {web: {ulimits: {nofile: {soft: 1, hard: 2}, nproc: 3}}}",
        "services: {web: {ulimits: {nofile: 5}}}",
        "services: {web: {ulimits: {nofile: 5, nproc: 3}}}",
    ),
    "logging options of the same driver merge": (
        "services: {web: {logging: {driver: json-file, options: {a: 1}}}}",
        "services: {web: {logging: {options: {b: 2}}}}",
        "services: {web: {logging: {driver: json-file, options: {a: 1, b: 2}}}}",
    ),
    "logging of another driver replaces": (
        "services: {web: {logging: {driver: json-file, options: {a: 1}}}}",
        "services: {web: {logging: {driver: local, options: {b: 2}}}}",
        "services: {web: {logging: {driver: local, options: {b: 2}}}}",
    ),
    "pools are the same by subnet": (
        "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.0.1}]}}}",
        "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, ip_range: 10.0.0.0/25}, "
        "{subnet: 10.1.0.0/24}]}}}",
        "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/24, gateway: 10.0.0.1, ip_range: 10.0.0.0/25}, "
        "{subnet: 10.1.0.0/24}]}}}",
    ),
    "healthcheck: the test is replaced, the rest stays": (
        "services: {web: {healthcheck: {test: [CMD, a], interval: 1s}}}",
        "services: {web: {healthcheck: {test: b}}}",
        "services: {web: {healthcheck: {test: b, interval: 1s}}}",
    ),
    "env files by path": (
        "services: {web: {env_file: a.env}}",
        "services: {web: {env_file: [b.env, {path: a.env, required: false}]}}",
        "services: {web: {env_file: [{path: a.env, required: false}, b.env]}}",
    ),
    "other lists are appended": (
        "services: {web: {post_start: [{command: a}]}}",
        "services: {web: {post_start: [{command: b}]}}",
        "services: {web: {post_start: [{command: a}, {command: b}]}}",
    ),
    "a null leaves the value": (
        "services: {web: {command: [a]}}",
        "services: {web: {command: null}}",
        "services: {web: {command: [a]}}",
    ),
    "extensions merge": ("x-a: {b: 1}", "x-a: {c: 2}", "x-a: {b: 1, c: 2}"),
    "capabilities without repetition": (
        "services: {web: {cap_add: [A, B]}}",
        "services: {web: {cap_add: [B, C]}}",
        "services: {web: {cap_add: [A, B, C]}}",
    ),
    "secrets by target": (
        "services: {web: {secrets: [a, b]}}",
        "services: {web: {secrets: [{source: c, target: b}]}}",
        "services: {web: {secrets: [a, b, {source: c, target: b}]}}",
    ),
}


def load(text: str):
    tree = parse(text, "x")[0].tree
    validate(tree)
    return canonical(tree)


@pytest.mark.parametrize("case", CASES)
def test_merge(case):
    base, override, result = map(load, CASES[case])
    before = repr(base), repr(override)
    merged = merge(base, override)
    if case == "secrets by target":  # same target under another source
        merged["services"]["web"]["secrets"].sort(key=str)
        result["services"]["web"]["secrets"] = [{"source": "a"}, {"source": "c", "target": "b"}]
        merged["services"]["web"]["secrets"].sort(key=lambda s: s["source"])
    assert merged == result
    assert (repr(base), repr(override)) == before


def test_a_clash_of_types_is_an_error():
    with pytest.raises(FileInvalid, match=r"x-a\.b cannot override a mapping with a list"):
        merge({"x-a": {"b": {}}}, {"x-a": {"b": []}})


def test_repetitions_in_one_document_are_dropped():
    tree = unicity(load('services: {web: {ports: ["80:80", "80:80"], volumes: [a:/x, b:/x]}}'))
    assert len(tree["services"]["web"]["ports"]) == 1
    assert [v["source"] for v in tree["services"]["web"]["volumes"]] == ["b"]


def test_delete_removes_a_path_and_ignores_unknown_ones():
    tree = {"a": {"b": 1, "c": 2}}
    assert delete(tree, ("a", "b")) == {"a": {"c": 2}}
    assert delete(tree, ("a", "x", "y")) == tree
    assert tree == {"a": {"b": 1, "c": 2}}
