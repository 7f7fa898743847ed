from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.evidence import queue
from rollback_gate.evidence.readings import Consumer, QueueReading
from rollback_gate.model import Unmeasured
from tests.unit.builders import phase1, replica

# From nsqd 1.2.1, cut to what is read.
STATS: dict[str, Any] = json.loads("""
{"version": "1.2.1", "health": "OK", "topics": [
  {"topic_name": "other", "depth": 9, "channels": []},
  {"topic_name": "enrichment", "depth": 1, "channels": [
    {"channel_name": "enrichment_worker", "depth": 4, "in_flight_count": 2, "clients": [
      {"client_id": "a", "hostname": "cccccccccccc", "remote_address": "172.18.0.9:4711", "finish_count": 7},
      {"client_id": "b", "hostname": "laptop", "remote_address": "10.1.2.3:50000", "finish_count": 1}]},
    {"channel_name": "audit", "depth": 100, "in_flight_count": 0, "clients": null}]}]}
""")


def test_the_workers_channel_only() -> None:
    reading = queue.parse(STATS, "enrichment", "enrichment_worker")
    assert (reading.depth, reading.in_flight, reading.finished) == (5, 2, 8)


@pytest.mark.parametrize("what", ["topic", "channel", ""])
def test_a_paused_channel_or_topic_is_seen(what: str) -> None:
    """Nothing of it is delivered to anybody; older servers do not say."""
    stats = copy.deepcopy(STATS)
    topic = stats["topics"][1]
    stats["topics"][0]["paused"] = True
    topic["paused"], topic["channels"][0]["paused"] = what == "topic", what == "channel"
    assert queue.parse(stats, "enrichment", "enrichment_worker").paused is bool(what)
    assert not queue.parse(STATS, "enrichment", "enrichment_worker").paused


def test_a_stranger_is_neither_by_address_nor_by_host_name_ours() -> None:
    reading = queue.parse(STATS, "enrichment", "enrichment_worker")
    assert queue.strangers(reading, [replica()]) == ("laptop at 10.1.2.3:50000",)
    by_address = replica(hostname="custom", addresses=("172.18.0.9",))
    assert queue.strangers(reading, [by_address]) == ("laptop at 10.1.2.3:50000",)


def test_a_second_connection_of_a_replica_is_a_stranger() -> None:
    """`docker exec` starts a consumer of any code in our own container, under its name and address."""
    own = replica()
    one = Consumer(own.hostname, f"{own.addresses[0]}:1", 0)
    reading = QueueReading(0, 0, (one,), 0)
    assert queue.strangers(reading, [own]) == ()
    twice = replace(reading, consumers=(one, replace(one, address=f"{own.addresses[0]}:2")))
    assert queue.strangers(twice, [own]) == (f"a second process in {own.hostname}, at {own.addresses[0]}:2",)


def test_a_replica_without_an_address_of_its_own_is_no_stranger() -> None:
    """In the host's network it has the machine's name: one client of that name may be it, and no other one."""
    reading = queue.parse(STATS, "enrichment", "enrichment_worker")
    hosted = replica(id="d" * 64, hostname="laptop", addresses=())
    assert queue.untold(reading, [replica(), hosted]) == [hosted]
    assert queue.strangers(reading, [replica(), hosted]) == ()
    assert len(queue.strangers(reading, [hosted])) == 1
    elsewhere = replica(id="d" * 64, hostname="server", addresses=())
    assert queue.strangers(reading, [replica(), elsewhere]) == ("laptop at 10.1.2.3:50000",)


def test_other_channels_with_consumers_are_seen() -> None:
    """Of the same topic only: each gets a copy of each task."""
    own = {"channel_name": "w", "depth": 0, "in_flight_count": 0, "clients": []}
    other, idle = {**own, "channel_name": "audit", "clients": [{}]}, {**own, "channel_name": "idle"}
    topics = [{"topic_name": "t", "depth": 0, "channels": [own, other, idle]}]
    topics.append({"topic_name": "u", "depth": 0, "channels": [{**other, "channel_name": "elsewhere"}]})
    assert queue.parse({"topics": topics}, "t", "w").other_channels == ("audit",)


def test_a_topic_that_nobody_used_is_empty() -> None:
    assert queue.parse({"topics": []}, "enrichment", "c") == QueueReading(0, 0, (), 0)


def test_a_dead_port_is_unmeasured_not_empty() -> None:
    reading = queue.read(phase1("queue.address=127.0.0.1:1", "limits.answer_s=1"))
    assert isinstance(reading, Unmeasured)
    assert "127.0.0.1:1 does not answer" in reading.reason


@pytest.mark.parametrize("stats", [{}, {"topics": [{"topic_name": "enrichment"}]}])
def test_something_else_than_statistics(stats: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        queue.parse(stats, "enrichment", "enrichment_worker")


def test_what_a_replica_finished_by_the_queues_word() -> None:
    """Counted per connection: a new connection begins at 0 and proves nothing."""
    mine, other = Consumer("c" * 12, "172.18.0.5:1", 3), Consumer("d" * 12, "172.18.0.6:1", 9)
    before, after = QueueReading(0, 0, (mine, other), 12), QueueReading(0, 0, (replace(mine, finished=5), other), 14)
    assert queue.finished_by(replica(), before, after) == 2
    assert queue.finished_by(replica(), after, before) is None
    assert queue.finished_by(replica(), QueueReading(0, 0, (other,), 9), after) is None
    assert queue.finished_by(replica(), Unmeasured("the queue", "down"), after) is None


def test_a_replica_that_the_queue_sees_under_another_address_is_no_stranger() -> None:
    """Through a published port it has the bridge's address; with `hostname:` in the Compose file, a name that others have."""
    reading = QueueReading(0, 0, (Consumer("worker", "172.18.0.1:4000"), Consumer("worker", "172.18.0.1:4001")), 0)
    both = [replica(id=c * 64, hostname="worker", addresses=(f"10.0.0.{n}",)) for n, c in enumerate("ab", 1)]
    assert queue.untold(reading, both) == both
    assert queue.strangers(reading, both) == ()
    assert len(queue.strangers(reading, both[:1])) == 1
