"""The instant after which only old behaviour may be seen (DESIGN: the words). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rollback_gate.evidence.readings import Started
from rollback_gate.instant import Instant
from rollback_gate.platform.replica import Replica


def of_replica(replica: Replica, started: Mapping[str, Started], since: Instant | None) -> Instant | None:
    """Of one replica: `since` where given by hand; the start that the run itself made and journaled; else its own.

    Never before the process's start where it is given by hand: older lines are another process's. None for a container
    that has never been started.
    """
    if since is not None:
        return max(since, replica.started_at) if replica.started_at else since
    by_run = started_by_run(replica, started)
    return by_run.started_at if by_run else replica.started_at


def of_log(replica: Replica, since: Instant) -> Instant:
    """From when on a line belongs to a replica's process, for a boundary of that replica."""
    return replica.logs_since or since if since == replica.started_at else since


def started_by_run(replica: Replica, started: Mapping[str, Started]) -> Started | None:
    """What the run made of this container, as long as nobody has restarted it since: only then is it the run's.

    An automatic restart counts up, a restart by hand sets the count to 0 and begins a process of its own.
    """
    by_run = started.get(replica.id)
    if by_run is None or replica.started_at is None:
        return by_run
    by_hand = replica.started_at > by_run.started_at and replica.restart_count == 0
    return None if by_hand else by_run


def of_documents(boundaries: Iterable[Instant | None]) -> Instant | None:
    """The latest of all replicas'; None when no replica has one."""
    known = [boundary for boundary in boundaries if boundary is not None]
    return max(known, default=None)
