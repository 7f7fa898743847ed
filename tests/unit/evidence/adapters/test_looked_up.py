"""What servers tell of themselves for a proposed profile; one that cannot be asked is no server without names."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from rollback_gate.evidence.adapters import looked_up
from rollback_gate.evidence.readings import Consumer
from rollback_gate.model import Unmeasured
from tests.unit.evidence.adapters import servers
from tests.unit.evidence.adapters.test_documents import InMongodb

CHANNEL = {"channel_name": "worker", "clients": [{"hostname": "a1", "remote_address": "172.18.0.5:4711"}]}
STATS = {"topics": [{"topic_name": "enrichment", "channels": [CHANNEL, {"channel_name": "archive", "clients": None}]}]}


def answering(body: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize("tree", [STATS, {"data": STATS}], ids=["as now", "before nsqd 1.0"])
def test_channels_with_who_reads_them(tree: object) -> None:
    with servers.saying(answering(json.dumps(tree))) as address:
        assert looked_up.channels_of(address, 5) == [
            looked_up.Channel("enrichment", "worker", (Consumer("a1", "172.18.0.5:4711"),)),
            looked_up.Channel("enrichment", "archive", ()),
        ]


@pytest.mark.parametrize("answer", [answering("{}"), answering("no JSON"), b"HTTP/1.1 500 No\r\n\r\n"])
def test_another_answer_is_no_list_of_channels(answer: bytes) -> None:
    with servers.saying(answer) as address:
        assert isinstance(looked_up.channels_of(address, 2), Unmeasured)


def test_who_does_not_answer_has_not_been_asked() -> None:
    known = {"name": "shop", "user": "gate"}
    with servers.closed() as address:
        assert isinstance(looked_up.channels_of(address, 1), Unmeasured)
        assert isinstance(looked_up.samples_of(address, known, SecretStr("x"), 1), Unmeasured)
    assert isinstance(looked_up.samples_of("127.0.0.1:1", {}, SecretStr("x"), 1), Unmeasured), "nobody's name is known"


def test_documents_in_the_order_of_storing(mongod: str) -> None:
    """Of a small collection each once; and a wrong password shows none."""
    store = InMongodb(mongod, "looked_up")
    for number in range(3):
        store.insert(f"{number}.jpg", 10, {})
    found = looked_up.samples_of(mongod, {"name": "looked_up", "user": "gate"}, SecretStr("secret"), 5)
    assert not isinstance(found, Unmeasured)
    assert [[one["_id"] for one in sample.documents] for sample in found] == [["0.jpg", "1.jpg", "2.jpg"]]
    wrong = looked_up.samples_of(mongod, {"name": "looked_up", "user": "gate"}, SecretStr("wrong"), 5)
    assert isinstance(wrong, Unmeasured)
    store.close()
