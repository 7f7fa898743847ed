"""The instant after which only old behaviour may be seen (DESIGN: the words). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rollback_gate.deployment.replica import Replica
from rollback_gate.evidence.readings import Started
from rollback_gate.instant import Instant


def of_replica(replica: Replica, started: Mapping[str, Started], since: Instant | None) -> Instant | None:
    """Of one replica: `since` where given by hand; the start that the run itself made and journaled; else its own.

    None for a container that has never been started.
    """
    if since is not None:
        return since
    by_run = started.get(replica.id)
    return by_run.started_at if by_run else replica.started_at


def of_documents(boundaries: Iterable[Instant | None]) -> Instant | None:
    """The latest of all replicas'; None when no replica has one."""
    known = [boundary for boundary in boundaries if boundary is not None]
    return max(known, default=None)
