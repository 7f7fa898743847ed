"""nsqd's statistics."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from rollback_gate.evidence import queue
from rollback_gate.evidence.adapters.queue_nsq import parse
from rollback_gate.evidence.readings import QueueReading
from rollback_gate.model import Unmeasured
from tests.unit.builders import phase1

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
    reading = parse(STATS, "enrichment", "enrichment_worker")
    assert (reading.depth, reading.in_flight, reading.finished) == (5, 2, 8)


@pytest.mark.parametrize("what", ["topic", "channel", ""])
def test_a_paused_channel_or_topic_is_seen(what: str) -> None:
    """Nothing of it is delivered to anybody; older servers do not say."""
    stats = copy.deepcopy(STATS)
    topic = stats["topics"][1]
    stats["topics"][0]["paused"] = True
    topic["paused"], topic["channels"][0]["paused"] = what == "topic", what == "channel"
    assert parse(stats, "enrichment", "enrichment_worker").paused is bool(what)
    assert not parse(STATS, "enrichment", "enrichment_worker").paused


def test_other_channels_with_consumers_are_seen() -> None:
    """Of the same topic only: each gets a copy of each task."""
    own = {"channel_name": "w", "depth": 0, "in_flight_count": 0, "clients": []}
    other, idle = {**own, "channel_name": "audit", "clients": [{}]}, {**own, "channel_name": "idle"}
    topics = [{"topic_name": "t", "depth": 0, "channels": [own, other, idle]}]
    topics.append({"topic_name": "u", "depth": 0, "channels": [{**other, "channel_name": "elsewhere"}]})
    assert parse({"topics": topics}, "t", "w").other_channels == ("audit",)


def test_a_topic_that_nobody_used_is_empty() -> None:
    assert parse({"topics": []}, "enrichment", "c") == QueueReading(0, 0, (), 0)


def test_a_dead_port_is_unmeasured_not_empty() -> None:
    reading = queue.of(phase1("queue.address=127.0.0.1:1", "limits.answer_s=1"), {}).read()
    assert isinstance(reading, Unmeasured)
    assert "127.0.0.1:1 does not answer" in reading.reason


@pytest.mark.parametrize("stats", [{}, {"topics": [{"topic_name": "enrichment"}]}])
def test_something_else_than_statistics(stats: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        parse(stats, "enrichment", "enrichment_worker")
