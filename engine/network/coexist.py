"""Getting along with an iptables whose chain FORWARD drops by default (Docker sets it so).

A packet must be accepted by every table. Ours decides what passes our bridges; in a foreign FORWARD
that drops the rest, two rules a bridge leave that decision to us. They carry our table's name as
comment (`iptables -S` shows them), are the only thing we touch there, and go with the bridge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

FORWARD = "ip filter FORWARD"
_HANDLE = re.compile(r"^\s*(.*?) comment \"([^\"]*)\" # handle (\d+)$")


def drops(listing: str) -> bool:
    """Whether the chain, as `nft -a list chain` prints it, drops what no rule accepts."""
    return "policy drop" in listing


def changes(listing: str, comment: str, bridges: Iterable[str]) -> str:
    """Commands that leave exactly the rules for `bridges` under `comment`; "" if they are there."""
    wanted = [f'{way} "{name}" accept' for name in bridges for way in ("iifname", "oifname")]
    if not drops(listing):
        wanted = []
    commands, present = [], set()
    for line in listing.splitlines():
        found = _HANDLE.match(line)
        if found is None or found[2] != comment:
            continue
        rule = re.sub(r"counter packets \d+ bytes \d+ ", "", found[1])
        if rule in wanted and rule not in present:
            present.add(rule)
        else:
            commands.append(f"delete rule {FORWARD} handle {found[3]}")
    commands.extend(
        f'insert rule {FORWARD} {rule} comment "{comment}"' for rule in wanted if rule not in present
    )
    return "\n".join(commands)
