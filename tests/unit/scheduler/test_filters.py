import pytest

from scheduler import plugins
from scheduler.errors import InvalidExpression, NoHealthyNode, Unplaceable
from scheduler.filters import DEFAULT
from scheduler.index import Index
from scheduler.models import Container, NodeFacts, Port, PortRequest, Request
from scheduler.scheduler import Scheduler

NODES = {
    "a": {"zone": "eu-west", "ssd": "true", "operatingsystem": "Debian"},
    "b": {"zone": "eu-east", "operatingsystem": "Debian"},
    "c": {"zone": "us", "operatingsystem": "Alpine"},
}


@pytest.fixture
def index():
    made = Index()
    for name, labels in NODES.items():
        made.put_node(NodeFacts(f"id-{name}", name, 4_000_000_000, 1 << 30, labels))
    return made


def fits(index, **request):
    """The names of all nodes that take the request, found by asking again without those already named."""
    found = set()
    scheduler = Scheduler(index, plugins.filters(DEFAULT), plugins.strategy("spread"))
    while True:
        try:
            placement = scheduler.place(Request(avoid=frozenset(f"id-{n}" for n in found), **request))
        except Unplaceable:
            return "".join(sorted(found))
        found.add(placement.node_name)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (["node==a"], "a"),
        (["node==id-b"], "b"),
        (["node!=a"], "bc"),
        (["zone==eu*"], "ab"),
        (["zone!=eu*"], "c"),
        (["zone==/e/", "operatingsystem==Debian"], "ab"),
        (["ssd==true"], "a"),
        (["ssd!=true"], "bc"),
        (["ssd==*"], "abc"),
        (["missing==x"], ""),
        (["missing!=x"], "abc"),
        (["zone==eu*", "node!=/[ac]/"], "b"),
    ],
)
def test_constraints(index, terms, expected):
    assert fits(index, constraints=tuple(terms)) == expected


def test_soft_terms_are_wished_for_and_given_up(index):
    scheduler = Scheduler(index, plugins.filters(DEFAULT), plugins.strategy("spread"))
    assert {scheduler.place(Request(constraints=("zone==~us",))).node_name for _ in range(9)} == {"c"}
    assert scheduler.place(Request(constraints=("zone==~mars", "node==b"))).node_name == "b"


def test_soft_terms_are_given_up_when_only_resources_lack(index):
    index.put_container("id-c", Container("x", "x", memory=1 << 30))
    scheduler = Scheduler(index, plugins.filters(DEFAULT), plugins.strategy("spread"))
    placed = scheduler.place(Request(constraints=("zone==~us",), memory=1 << 29))
    assert placed.node_name in "ab"


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (["container==web1"], "a"),
        (["container==cid-1"], "a"),
        (["container==web*"], "ab"),
        (["container!=web*"], "c"),
        (["image==redis"], "c"),
        (["image==redis:7"], "c"),
        (["image==sha256:*"], "c"),
        (["image!=redis"], "ab"),
        (["tier==front"], "a"),
        (["tier!=front"], "bc"),
        (["tier==*"], "ab"),
    ],
)
def test_affinities(index, terms, expected):
    index.put_container("id-a", Container("cid-1", "web1", labels={"tier": "front"}))
    index.put_container("id-b", Container("cid-2", "web2", labels={"tier": "back"}))
    facts = index.nodes["id-c"].facts
    images = frozenset({"redis", "redis:7", "sha256:11"})
    index.put_node(NodeFacts(facts.id, facts.name, facts.nano_cpus, facts.memory, facts.labels, images))
    assert fits(index, affinities=tuple(terms)) == expected


def test_a_removed_container_attracts_nobody(index):
    index.put_container("id-a", Container("cid-1", "web1", labels={"tier": "front"}))
    index.remove_container("cid-1")
    assert fits(index, affinities=("container==web1",)) == ""
    assert fits(index, affinities=("tier!=front",)) == "abc"


@pytest.mark.parametrize(
    ("taken", "wanted", "expected"),
    [
        (Port("tcp", 80), PortRequest("tcp", 80, 80), "bc"),
        (Port("tcp", 80, "0.0.0.0"), PortRequest("tcp", 80, 80, "10.0.0.1"), "bc"),
        (Port("tcp", 80, "10.0.0.1"), PortRequest("tcp", 80, 80), "bc"),
        (Port("tcp", 80, "10.0.0.1"), PortRequest("tcp", 80, 80, "10.0.0.1"), "bc"),
        (Port("tcp", 80, "10.0.0.1"), PortRequest("tcp", 80, 80, "10.0.0.2"), "abc"),
        (Port("tcp", 53), PortRequest("udp", 53, 53), "abc"),
        (Port("tcp", 80, host_network=True), PortRequest("tcp", 80, 80), "abc"),
        (Port("tcp", 80, host_network=True), PortRequest("tcp", 80, 80, host_network=True), "bc"),
        (Port("tcp", 80), PortRequest("tcp", 80, 81), "abc"),
    ],
)
def test_ports(index, taken, wanted, expected):
    index.put_container("id-a", Container("cid-1", "one", ports=(taken,)))
    assert fits(index, ports=(wanted,)) == expected


def test_a_range_needs_one_free_port(index):
    index.put_container("id-a", Container("cid-1", "one", ports=(Port("tcp", 80), Port("tcp", 81))))
    assert fits(index, ports=(PortRequest("tcp", 80, 81),)) == "bc"
    assert fits(index, ports=(PortRequest("tcp", 80, 82),)) == "abc"


def test_slots(index):
    facts = index.nodes["id-a"].facts
    for label, count, expected in (("1", 1, "bc"), ("2", 1, "abc"), ("many", 9, "abc"), ("0", 0, "bc")):
        for number in range(count):
            index.put_container("id-a", Container(f"cid-{number}", f"c{number}"))
        index.put_node(NodeFacts("id-a", "a", facts.nano_cpus, facts.memory, {"containerslots": label}))
        assert fits(index) == expected, label
        for number in range(count):
            index.remove_container(f"cid-{number}")


def test_dependencies_must_all_be_on_the_node(index):
    index.put_container("id-a", Container("cid-1", "db"))
    index.put_container("id-a", Container("cid-2", "log"))
    index.put_container("id-b", Container("cid-3", "cache"))
    assert fits(index, depends_on=(("link", "db"), ("volumes-from", "cid-2"))) == "a"
    assert fits(index, depends_on=(("link", "db"), ("link", "cache"))) == ""
    assert fits(index, depends_on=(("net", "container:nobody"),)) == ""


def test_whitelists(index):
    assert fits(index, whitelists=("node==a|c",)) == "ac"
    assert fits(index, whitelists=("node!=a|c",)) == "b"
    assert fits(index, whitelists=("node==a|c", "node==c|b")) == "c"


def test_unhealthy_nodes_are_left_out_until_none_is_left(index):
    for name in "ab":
        index.put_node(NodeFacts(f"id-{name}", name, health=0))
    assert fits(index) == "c"
    index.put_node(NodeFacts("id-c", "c", health=0))
    with pytest.raises(NoHealthyNode, match="No healthy node available in the cluster"):
        Scheduler(index, plugins.filters(DEFAULT), plugins.strategy("spread")).place(Request())


def test_a_refusal_names_the_conditions_and_who_was_turned_down(index):
    index.put_container("id-c", Container("x", "x", ports=(Port("tcp", 80),)))
    request = Request(
        constraints=("zone==us", "ssd==~true"),
        ports=(PortRequest("tcp", 80, 80),),
        affinities=("container!=y",),
    )
    with pytest.raises(Unplaceable) as caught:
        Scheduler(index, plugins.filters(DEFAULT), plugins.strategy("spread")).place(request)
    assert str(caught.value).splitlines() == [
        "Unable to find a node that satisfies the following conditions",
        "[port 80/tcp (bridge mode)]",
        "[available container slots]",
        "[container!=y (soft=false)]",
        "[zone==us (soft=false) ssd==true (soft=true)]",
        "port (port 80/tcp (bridge mode)) turned down 1 node: c",
        "constraint (zone==us (soft=false)) turned down 2 nodes: a, b",
    ]


def test_a_malformed_term_is_no_refusal(index):
    with pytest.raises(InvalidExpression):
        Scheduler(index, plugins.filters(DEFAULT), plugins.strategy("spread")).place(
            Request(constraints=("x",))
        )
