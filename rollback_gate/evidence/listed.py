"""Which replicas a queue lists as its consumers, and what it lists besides."""

from __future__ import annotations

from collections.abc import Iterable

from rollback_gate.evidence import consumers
from rollback_gate.evidence.readings import QueueReading
from rollback_gate.evidence.services import Slots
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica

_BOOTS = 2  # a worker has to start before it connects: so many times the time after which it is listed


def of_nobody(readings: Iterable[QueueReading | Unmeasured], slots: Slots, most: int) -> tuple[str, ...] | Unmeasured:
    """Consumers, in any of these readings, that are none of the replicas; containers of other services count too."""
    found: list[str] = []
    for reading in readings:
        if isinstance(reading, Unmeasured):
            return reading
        others = consumers.strangers(reading, slots.consuming.values(), most)
        if isinstance(others, Unmeasured):
            return others
        found += others
    return tuple(dict.fromkeys(found))


def is_young(replica: Replica, now: Instant | Unmeasured, lists_within_s: float) -> bool:
    """Whether its queue may not list it yet."""
    started = replica.started_at
    if not replica.is_running or started is None or isinstance(now, Unmeasured):
        return False
    return now.seconds_since(started) < _BOOTS * lists_within_s


def by_slot(reading: QueueReading | Unmeasured, slots: Slots) -> dict[str, bool | Unmeasured | None]:
    """Whether the queue lists each consuming replica, by slot; None if it cannot tell which client the replica is."""
    rows = {slot: replica for slot, replica in slots.replicas.items() if slots.consumes(slot)}
    if isinstance(reading, Unmeasured):
        return dict.fromkeys(rows, reading)
    untold = {replica.id for replica in consumers.untold(reading, slots.consuming.values())}
    return {
        slot: replica if isinstance(replica, Unmeasured) else _is_listed(replica, reading, untold)
        for slot, replica in rows.items()
    }


def _is_listed(replica: Replica | None, reading: QueueReading, untold: Iterable[str]) -> bool | None:
    if replica is None:
        return False
    return None if replica.id in untold else consumers.has(reading, replica)
