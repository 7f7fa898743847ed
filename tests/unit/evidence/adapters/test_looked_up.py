"""What servers tell of themselves for a proposed profile; one that cannot be asked is no server without names."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from rollback_gate.evidence.adapters import looked_up, recognised_postgresql
from rollback_gate.evidence.adapters.known import Found, Known
from rollback_gate.evidence.readings import Consumer
from rollback_gate.model import Unmeasured
from tests.unit.evidence.adapters import servers
from tests.unit.evidence.adapters.test_documents import NOW, InMongodb

CHANNEL = {"channel_name": "worker", "clients": [{"hostname": "a1", "remote_address": "172.18.0.5:4711"}]}
STATS = {"topics": [{"topic_name": "enrichment", "channels": [CHANNEL, {"channel_name": "archive", "clients": None}]}]}


def answering(body: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


REFUSED = answering(json.dumps(STATS)).replace(b"200 OK", b"503 No")


@pytest.mark.parametrize("tree", [STATS, {"data": STATS}], ids=["as now", "before nsqd 1.0"])
def test_channels_with_who_reads_them(tree: object) -> None:
    with servers.saying(answering(json.dumps(tree))) as address:
        assert looked_up.channels_of(address, 5) == [
            looked_up.Channel("enrichment", "worker", (Consumer("a1", "172.18.0.5:4711"),)),
            looked_up.Channel("enrichment", "archive", ()),
        ]


@pytest.mark.parametrize("answer", [answering("{}"), answering("no JSON"), b"HTTP/1.1 500 No\r\n\r\n", REFUSED])
def test_another_answer_is_no_list_of_channels(answer: bytes) -> None:
    with servers.saying(answer) as address:
        assert isinstance(looked_up.channels_of(address, 2), Unmeasured)


def test_who_does_not_answer_has_not_been_asked() -> None:
    known = {"name": "shop", "user": "root"}
    with servers.closed() as address:
        assert isinstance(looked_up.channels_of(address, 1), Unmeasured)
        assert isinstance(looked_up.samples_of(address, known, SecretStr("x"), NOW, 1), Unmeasured)
    found = looked_up.samples_of("127.0.0.1:1", {}, SecretStr("x"), NOW, 1)
    assert isinstance(found, Unmeasured)
    assert "the database's name is not known" in found.reason


def test_documents_on_both_sides_of_a_moment(mongod: str) -> None:
    """The nearest ones; views and what the server keeps for itself are no collections; a wrong password shows none."""
    store = InMongodb(mongod, "looked_up")
    for number in range(120):
        store.insert(f"{number}.jpg", 60 - number, {})
    store.database.create_collection("seen", viewOn="documents", pipeline=[{"$unset": "_id"}])
    known = {"name": "looked_up", "user": "gate"}
    found = looked_up.samples_of(mongod, known, SecretStr("secret"), NOW, 5)
    assert not isinstance(found, Unmeasured)
    (sample,) = found
    assert sample.collection == "documents"
    assert [one["_id"] for one in sample.before] == [f"{number}.jpg" for number in range(59, 9, -1)]
    assert [one["_id"] for one in sample.since] == [f"{number}.jpg" for number in range(60, 110)]
    assert isinstance(looked_up.samples_of(mongod, known, SecretStr("wrong"), NOW, 5), Unmeasured)
    store.close()


LEASES = """
    create table leases (lease_ref text primary key, quality numeric, percent numeric, details jsonb,
        changed timestamptz, extracted_at timestamptz)
"""
ROWS = """
    insert into leases select 'L' || n, 0.5 + n / 1000.0, 50 + n, case when n < 60 then '{"pages": 1}'::jsonb
        else '{"pages": 1, "clauses": 2}'::jsonb end, now(), timestamptz '%s' + (n - 60) * interval '1 second'
        from generate_series(0, 119) n
"""


def lease(address: str, password: str, columns: tuple[str, ...], table: str = "leases") -> Found:
    around = known(
        table=table,
        columns=columns,
        connection={"name": "postgres", "user": "gate"},
        password=SecretStr(password) if password else None,
    )
    return recognised_postgresql.section_of(address, around)


def test_rows_show_their_time_their_score_and_what_the_change_added(postgresql: str) -> None:
    """A stranger's table had another column for its time, a percentage, and the mark inside a JSON column."""
    servers.in_postgresql(postgresql, LEASES, ROWS % NOW.to_datetime())
    columns = ("lease_ref", "percent", "details")
    found = lease(postgresql, "secret", columns)
    chosen = {key: found.values[key] for key in ("id", "created_at", "score", "new_mark")}
    assert chosen == {
        "id": "lease_ref",
        "created_at": "extracted_at",
        "score": "quality",
        "new_mark": "details.clauses",
    }
    servers.in_postgresql(postgresql, "alter table leases rename quality to sharpness")
    assert lease(postgresql, "secret", columns).values["score"] == "sharpness", "the only one that can be"
    plain = lease(postgresql, "secret", ("lease_ref", "percent"))
    assert "is it the score?" in plain.why["score"]
    servers.in_postgresql(postgresql, "update leases set details = '{\"pages\": 1}'")
    unmarked = lease(postgresql, "secret", ("lease_ref", "quality", "lease_ref"))
    assert unmarked.values["new_mark"] is None
    assert "nearly all rows have lease_ref" in unmarked.look_for["new_mark"]
    servers.in_postgresql(postgresql, "alter table leases drop column sharpness")
    without = lease(postgresql, "secret", columns)
    assert without.values["score"] is None
    assert "no column has shares of 1 (percent holds no share but int)" in without.look_for["score"]


@pytest.mark.parametrize(
    ("password", "table", "words"),
    [
        ("", "leases", "set ROLLBACK_GATE_DATABASE_PASSWORD"),
        ("wrong", "leases", "does not answer"),
        ("secret", "nowhere", "nowhere"),
        ("secret", "timeless", "no column with a time"),
    ],
)
def test_a_table_that_cannot_be_read_leaves_the_guesses(postgresql: str, password: str, table: str, words: str) -> None:
    servers.in_postgresql(postgresql, "create table if not exists timeless (id text)")
    found = lease(postgresql, password, ("id", "quality", "passes"), table)
    assert (found.values["score"], found.values["new_mark"]) == ("quality", "passes")
    assert words in found.look_for["score"]


def known(**changes: Any) -> Known:
    plain = Known(
        queue_of=lambda _: "",
        group="",
        table="",
        columns=(),
        connection={},
        pops_left=False,
        variables=(),
        others=(),
        replicas=(),
        password=None,
        changed_at=NOW,
        limit_s=5,
    )
    return replace(plain, **changes)
