import sys

import pytest

from scheduler import plugins
from scheduler.errors import Unplaceable
from scheduler.index import Index
from scheduler.models import NodeFacts, Request
from scheduler.scheduler import Scheduler

MODULE = """
from scheduler.filters import Selection
from scheduler.strategies.ranking import Ranked

class Quiet:
    name = "quiet"
    def conditions(self, request):
        return ["node is quiet"]
    def select(self, request, index, soft):
        return [Selection("node is quiet", excluded=index.nodes_with_label("noisy").get("true", frozenset()))]

class ByName(Ranked):
    name = "byname"
    def key(self, node, nano_cpus, memory):
        return (ord(node.name[0]),)
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A third party's package with a filter and a strategy, as pip leaves it."""
    (tmp_path / "third_party_swarm.py").write_text(MODULE)
    info = tmp_path / "third_party_swarm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-swarm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[dockyard.filter]\nquiet = third_party_swarm:Quiet\nhealth = third_party_swarm:Quiet\n"
        "[dockyard.strategy]\nbyname = third_party_swarm:ByName\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("third_party_swarm", None)


def test_filters_and_strategies_of_others_are_found_by_name(installed):
    assert "quiet" in plugins.names("filter")
    assert "byname" in plugins.names("strategy")
    index = Index()
    for name in "cab":
        index.put_node(NodeFacts(name, name, labels={"noisy": str(name == "a").lower()}))
    scheduler = Scheduler(index, plugins.filters(["health", "quiet"]), plugins.strategy("byname"))
    assert scheduler.place(Request()).node_name == "b"
    for name in "bc":
        index.put_node(NodeFacts(name, name, labels={"noisy": "true"}))
    with pytest.raises(Unplaceable, match=r"quiet \(node is quiet\) turned down 3 nodes: a, b, c"):
        scheduler.place(Request())


def test_a_builtin_wins_a_clash_of_names(installed):
    assert plugins.filters(["health"])[0].name == "health"
    assert plugins.names("filter").count("health") == 1
