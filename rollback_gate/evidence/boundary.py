"""The instant after which only old behaviour may be seen (DESIGN: the words). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rollback_gate.evidence.readings import Started
from rollback_gate.instant import Instant
from rollback_gate.platform.replica import Replica


def of_replica(replica: Replica, started: Mapping[str, Started], since: Instant | None) -> Instant | None:
    """A replica's boundary: `since` if the operator gave it, else the start that the run journaled, else its own start.

    A given `since` is never earlier than the process's start: older lines are from another process. None if the
    container has never been started.
    """
    if since is not None:
        return max(since, replica.started_at) if replica.started_at else since
    by_run = started_by_run(replica, started)
    return by_run.started_at if by_run else replica.started_at


def of_log(replica: Replica, since: Instant) -> Instant:
    """The time from which log lines belong to the replica's process, for its boundary `since`."""
    return replica.logs_since or since if since == replica.started_at else since


def started_by_run(replica: Replica, started: Mapping[str, Started]) -> Started | None:
    """The run's start of this container; None if it was not started by the run, or restarted by hand since.

    An automatic restart increases the restart count; a restart by hand resets it to 0.
    """
    by_run = started.get(replica.id)
    if by_run is None or replica.started_at is None:
        return by_run
    by_hand = replica.started_at > by_run.started_at and replica.restart_count == 0
    return None if by_hand else by_run


def ordered_at(replica: Replica, started: Mapping[str, Started]) -> Instant | None:
    """When the run had its first task of this one's definition; None under Compose, or if the run has ordered another.

    Swarm makes a new task in the place of one that has ended: it is not the container that the run has started.
    """
    its = [one.started_at for one in started.values() if one.config_hash == replica.config_hash]
    return min(its, default=None) if replica.node else None


def of_documents(boundaries: Iterable[Instant | None]) -> Instant | None:
    """The latest boundary of all replicas; None if no replica has one."""
    known = [boundary for boundary in boundaries if boundary is not None]
    return max(known, default=None)
