"""nsqd's HTTP interface: publishing, and depth, messages in flight and consumers of the worker's channel."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import requests

from rollback_gate.errors import Unreachable
from rollback_gate.evidence.readings import Consumer, QueueReading
from rollback_gate.model import Unmeasured
from rollback_gate.platform import web
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile

_MOST_BYTES = 16 << 20
_ERROR = 400


def publish(profile: Profile, tasks: Iterable[Mapping[str, Any]]) -> None:
    """Publishes all tasks in one request, so that each ready consumer gets one. Raises Unreachable."""
    body = "\n".join(json.dumps(task) for task in tasks)  # one message per line: this JSON contains no line ends
    _ask(profile, "/mpub", {"topic": profile.queue.topic}, "POST", body.encode())


def read(profile: Profile) -> QueueReading | Unmeasured:
    what = f"the queue's channel {profile.queue.channel}"
    try:
        answer = _ask(profile, "/stats", {"format": "json"})
        return parse(json.loads(answer), profile.queue.topic, profile.queue.channel)
    except Unreachable as error:
        return Unmeasured(what, error.message)
    except (ValueError, KeyError, TypeError) as error:
        return Unmeasured(what, f"nsqd answered something else than its statistics ({error!r})")


def parse(stats: Mapping[str, Any], topic: str, channel: str) -> QueueReading:
    """Parses nsqd's /stats. A topic or channel that was never used is empty. Raises KeyError, TypeError."""
    tree = stats.get("data") or stats  # nsqd before 1.0 wrapped its answer
    topics = [t for t in tree["topics"] if t["topic_name"] == topic]
    waiting = sum(t["depth"] for t in topics)
    channels = [c for t in topics for c in t["channels"] if c["channel_name"] == channel]
    clients = [client for c in channels for client in c["clients"] or ()]
    return QueueReading(
        depth=waiting + sum(c["depth"] for c in channels),
        in_flight=sum(c["in_flight_count"] for c in channels),
        deferred=sum(int(c.get("deferred_count", 0)) for c in channels),
        consumers=tuple(_consumer(c) for c in clients),
        finished=sum(int(c.get("finish_count", 0)) for c in clients),
        other_channels=tuple(
            c["channel_name"] for t in topics for c in t["channels"] if c["channel_name"] != channel and c["clients"]
        ),
        paused=any(row.get("paused", False) for row in (*topics, *channels)),
    )


def _consumer(client: Mapping[str, Any]) -> Consumer:
    return Consumer(client.get("hostname", ""), client.get("remote_address", ""), int(client.get("finish_count", 0)))


def finished_by(replica: Replica, before: QueueReading | Unmeasured, after: QueueReading | Unmeasured) -> int | None:
    """Messages that a replica finished between the readings; None if not a consumer in both, or if it reconnected."""
    if isinstance(before, Unmeasured) or isinstance(after, Unmeasured):
        return None
    counts = [[c.finished for c in reading.consumers if is_consumer(c, replica)] for reading in (before, after)]
    if not all(counts):
        return None
    more = sum(counts[1]) - sum(counts[0])
    return more if more >= 0 else None


def is_consumer(consumer: Consumer, replica: Replica) -> bool:
    """True if the address matches, or the host name is the container's short id: other names may be shared."""
    is_own_name = consumer.hostname == replica.hostname == replica.short_id
    return consumer.address.rpartition(":")[0].strip("[]") in replica.addresses or is_own_name


def has_identity(replica: Replica) -> bool:
    """True if it has its own address or host name; with the network of the host or another container it has neither."""
    return bool(replica.addresses) or replica.hostname == replica.short_id


def untold(reading: QueueReading, replicas: Iterable[Replica]) -> list[Replica]:
    """Running replicas that may be an unidentified client: without an identity, or seen under another address.

    For example through a published port: the client has the replica's host name, but the bridge's address.
    """
    known = [replica for replica in replicas if replica.is_running and not has(reading, replica)]
    names = {consumer.hostname for consumer in _unknown(reading, replicas)}
    return [replica for replica in known if not has_identity(replica) or replica.hostname in names]


def has(reading: QueueReading, replica: Replica) -> bool:
    """True if the replica is one of the channel's consumers."""
    return any(is_consumer(consumer, replica) for consumer in reading.consumers)


def strangers(reading: QueueReading, replicas: Iterable[Replica]) -> tuple[str, ...]:
    """Consumers that are none of these replicas. For each unidentified replica, one client of its name is excluded.

    A replica has one connection, or none while it is busy; a second one is from another process inside it.
    """
    known = list(replicas)
    second = [c for replica in known for c in [c for c in reading.consumers if is_consumer(c, replica)][1:]]
    unknown = _unknown(reading, known)
    for replica in untold(reading, known):
        alike = next((consumer for consumer in unknown if consumer.hostname == replica.hostname), None)
        unknown = [consumer for consumer in unknown if consumer is not alike]
    return tuple(
        [f"{consumer.hostname or '?'} at {consumer.address}" for consumer in unknown]
        + [f"a second process in {consumer.hostname or '?'}, at {consumer.address}" for consumer in second]
    )


def _unknown(reading: QueueReading, replicas: Iterable[Replica]) -> list[Consumer]:
    known = list(replicas)
    return [c for c in reading.consumers if not any(is_consumer(c, replica) for replica in known)]


def _ask(
    profile: Profile, path: str, query: Mapping[str, str], method: str = "GET", body: bytes | None = None
) -> bytes:
    """Sends a request, never through a proxy: the address is internal, and a task contains a document."""
    address, limit_s = profile.queue.address, profile.limits.answer_s
    question = web.Question(f"http://{address}{path}", limit_s, _MOST_BYTES, False, method, query, body)
    remedy = "check queue.address and that nsqd runs"
    try:
        answer = web.ask(question)
    except (requests.RequestException, OSError) as error:
        why = str(error) if isinstance(error, web.NotWhole) else type(error).__name__
        raise Unreachable(f"the queue at {address} does not answer: {why}", remedy) from error
    if answer.status >= _ERROR:
        raise Unreachable(f"the queue at {address} answers {answer.status} {answer.reason}", remedy)
    return answer.content
