from __future__ import annotations

from engine.network.coexist import changes

LISTING = """\
table ip filter { # handle 1
\tchain FORWARD { # handle 2
\t\ttype filter hook forward priority filter; policy %s;
\t\tiifname "br0" accept comment "ours" # handle 4
\t\tiifname "br9" accept comment "theirs" # handle 5
\t\toifname "gone" counter packets 5 bytes 300 accept comment "ours" # handle 6
\t\tiifname "eth0" accept # handle 7
\t}
}
"""


def test_missing_rules_are_put_in_front_and_stale_ones_deleted() -> None:
    assert changes(LISTING % "drop", "ours", ["br0"]).splitlines() == [
        "delete rule ip filter FORWARD handle 6",
        'insert rule ip filter FORWARD oifname "br0" accept comment "ours"',
    ]


def test_nothing_is_needed_where_nothing_is_dropped() -> None:
    assert changes(LISTING % "accept", "ours", ["br0"]).splitlines() == [
        "delete rule ip filter FORWARD handle 4",
        "delete rule ip filter FORWARD handle 6",
    ]


def test_what_is_there_is_not_changed() -> None:
    listing = LISTING.replace("gone", "br0") % "drop"
    assert changes(listing, "ours", ["br0"]) == ""
