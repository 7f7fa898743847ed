"""The engine's events of containers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rollback_gate.instant import Instant
from rollback_gate.platform.engine import Engine, answering


def first_deaths(engine: Engine, container_ids: Sequence[str], since: Instant, until: Instant) -> dict[str, Instant]:
    """When each container first exited in this period, as far as the engine's events show. Raises Unreachable."""
    if not container_ids:
        return {}
    with answering("its events"):
        filters = {"event": "die", "container": list(container_ids)}
        # With fractions: the engine would block until a whole second that has not passed yet.
        between: dict[str, Any] = {"since": since.seconds_text, "until": until.seconds_text}
        stream = engine.client.api.events(**between, filters=filters, decode=True)
        found = [(event["Actor"]["ID"], Instant(int(event["timeNano"]))) for event in stream]
    first: dict[str, Instant] = {}
    for container_id, at in sorted(found, key=lambda row: row[1]):
        if at >= since:
            first.setdefault(container_id, at)
    return first
