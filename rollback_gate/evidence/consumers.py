"""Which of a queue's consumers are replicas of this deployment. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rollback_gate.evidence.readings import Consumer, QueueReading
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica


def finished_by(replica: Replica, before: QueueReading | Unmeasured, after: QueueReading | Unmeasured) -> int | None:
    """Messages that a replica finished between the readings; None if not a consumer in both, or if it reconnected."""
    if isinstance(before, Unmeasured) or isinstance(after, Unmeasured):
        return None
    counts = [[c.finished for c in reading.listed if is_consumer(c, replica)] for reading in (before, after)]
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

    For example through a published port: the client has the replica's host name, but the bridge's address. All of
    them, if the queue lists no consumers.
    """
    known = [replica for replica in replicas if replica.is_running and not has(reading, replica)]
    names = {consumer.hostname for consumer in _unknown(reading, replicas)}
    lists_none = isinstance(reading.consumers, Unmeasured)
    return [r for r in known if lists_none or not has_identity(r) or r.hostname in names]


def has(reading: QueueReading, replica: Replica) -> bool:
    """True if the queue lists the replica as one of its consumers."""
    return any(is_consumer(consumer, replica) for consumer in reading.listed)


def strangers(reading: QueueReading, replicas: Iterable[Replica], most: int = 1) -> tuple[str, ...] | Unmeasured:
    """Consumers that are none of these replicas. For each unidentified replica, one client of its name is excluded.

    A replica has `most` connections, or none while it is busy; a further one is from another process inside it.
    """
    if isinstance(reading.consumers, Unmeasured):
        return reading.consumers
    known = list(replicas)
    second = [c for replica in known for c in [c for c in reading.listed if is_consumer(c, replica)][most:]]
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
    return [c for c in reading.listed if not any(is_consumer(c, replica) for replica in known)]
