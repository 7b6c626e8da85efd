# ruff: noqa: E501 - messages stand as users see them
import copy

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose.errors import FileInvalid
from compose.loader.schema import SCHEMA
from compose.loader.validate import accepts, validate


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"services": {"web": {"ports": "80"}}}, "services.web.ports must be a list"),
        ({"services": {"web": {"imag": "x"}}}, "services.web additional properties 'imag' not allowed (did you mean 'image'?)"),
        ({"services": {"web": []}}, "services.web must be a mapping"),
        ({"services": {"web": None}}, "services.web must be a mapping"),
        ({"services": []}, "services must be a mapping"),
        ({"service": {}}, "service is not a top-level attribute (did you mean 'services'?)"),
        ({"services": {"a b": {}}}, "services.a b is an invalid name: expected letters, digits, '.', '_' and '-'"),
        ({"services": {"web": {"ports": [{"x": 1}]}}}, "services.web.ports[0] additional properties 'x' not allowed"),
        ({"services": {"web": {"environment": 3}}}, "services.web.environment must be a mapping or a list"),
        ({"services": {"web": {"image": 3}}}, "services.web.image must be a string"),
        ({"services": {"web": {"build": {"contxt": "."}}}}, "services.web.build additional properties 'contxt' not allowed (did you mean 'context'?)"),
        (
            {"services": {"web": {"depends_on": {"db": {"condition": "x"}}}}},
            "services.web.depends_on.db.condition must be one of service_started, service_healthy, service_completed_successfully",
        ),
        ({"services": {"web": {"volumes": [{"target": "/x"}]}}}, "services.web.volumes[0] is missing the required attribute 'type'"),
        ({"volumes": {"a": "b"}}, "volumes.a must be a mapping"),
    ],
)  # fmt: skip
def test_messages(tree, message):
    with pytest.raises(FileInvalid) as caught:
        validate(tree)
    assert str(caught.value) == message


VALID = {
    "version": 3.8,
    "services": {
        "web": {
            "image": "a", "build": {"context": ".", "args": ["A=1"]}, "ports": [80, "81:81", {"target": 80}],
            "volumes": ["a:/b", {"type": "bind", "source": "/a", "target": "/b"}], "environment": {"A": None},
            "depends_on": ["db"], "healthcheck": {"test": "x", "retries": 3}, "deploy": {"replicas": "3"},
            "networks": {"a": None}, "x-own": {"any": ["thing"]}, "privileged": "${FLAG}", "ulimits": {"nofile": 1},
        }
    },
    "volumes": {"a": None},
    "networks": {"a": {"external": True}},
    "x-top": 3,
}  # fmt: skip


def test_a_valid_document_passes_both():
    validate(VALID)
    jsonschema.Draft202012Validator(SCHEMA).validate(VALID)


JUNK = st.sampled_from([None, 3, 1.5, True, "text", [], {}, ["a"], {"a": 1}, [{"a": None}], [3]])


@st.composite
def damaged(draw):
    """The valid document with one value replaced or one key added, somewhere."""
    tree = copy.deepcopy(VALID)
    node = tree
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if isinstance(node[key], (dict, list)) and draw(st.booleans()):
            node = node[key]
            continue
        node[key] = draw(JUNK)
        break
    if isinstance(node, dict) and draw(st.booleans()):
        node["added"] = draw(JUNK)
    return tree


@given(damaged())
def test_the_fast_check_agrees_with_jsonschema(tree):
    assert accepts(SCHEMA, tree) == jsonschema.Draft202012Validator(SCHEMA).is_valid(tree)


@given(damaged())
def test_every_refusal_can_be_explained(tree):
    try:
        validate(tree)
    except FileInvalid as error:
        assert error.problem
