from __future__ import annotations

import pytest
from dnslib import RCODE, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from engine.network.dns import answer, refusal


class Table:
    def lookup(self, container_id: str, name: str) -> list[str] | None:
        return {"web": ["10.0.0.2", "10.0.0.3"], "db.app": ["10.0.0.4"]}.get(name)

    def reverse(self, container_id: str, address: str) -> str | None:
        return "web.app" if address == "10.0.0.2" else None


def ask(name: str, kind: str = "A") -> DNSRecord | None:
    query = DNSRecord.question(name, kind)
    reply = answer(query.pack(), "c", Table())
    if reply is None:
        return None
    record = DNSRecord.parse(reply)
    assert record.header.id == query.header.id
    assert record.header.qr == 1
    return record


@pytest.mark.parametrize("name", ["web", "web.", "WEB"])
def test_all_addresses_of_a_name(name: str) -> None:
    reply = ask(name)
    assert reply is not None
    assert sorted(str(record.rdata) for record in reply.rr) == ["10.0.0.2", "10.0.0.3"]


def test_a_known_name_has_no_ipv6_address() -> None:
    reply = ask("db.app", "AAAA")
    assert reply is not None
    assert reply.header.rcode == RCODE.NOERROR
    assert reply.rr == []


def test_an_address_has_a_name() -> None:
    reply = ask("2.0.0.10.in-addr.arpa", "PTR")
    assert reply is not None
    assert str(reply.rr[0].rdata) == "web.app."
    assert ask("9.0.0.10.in-addr.arpa", "PTR") is None


def test_unknown_names_are_for_upstream() -> None:
    assert ask("example.org") is None


def test_a_refusal_answers_the_question() -> None:
    query = DNSRecord.question("example.org")
    found = refusal(query.pack())
    assert found is not None
    reply = DNSRecord.parse(found)
    assert (reply.header.id, reply.header.rcode) == (query.header.id, RCODE.SERVFAIL)


def test_an_answer_is_not_answered() -> None:
    reply = DNSRecord.question("web").reply()
    assert answer(reply.pack(), "c", Table()) is None


@given(st.binary(max_size=200))
def test_garbage_is_no_query(data: bytes) -> None:
    answer(data, "c", Table())
    refusal(data)
