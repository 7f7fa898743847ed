"""The engines' events of containers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rollback_gate.instant import Instant
from rollback_gate.platform.engine import Engine, answering
from rollback_gate.platform.engines import Engines


def first_deaths(engines: Engines, container_ids: Sequence[str], since: Instant) -> dict[str, Instant]:
    """When each container first exited since then, as far as the engines' events show. Raises Unreachable."""
    if not container_ids:
        return {}
    found = [death for engine in engines.everywhere() for death in _deaths(engine, container_ids, since)]
    first: dict[str, Instant] = {}
    for container_id, at in sorted(found, key=lambda row: row[1]):
        if at >= since:
            first.setdefault(container_id, at)
    return first


def _deaths(engine: Engine, container_ids: Sequence[str], since: Instant) -> list[tuple[str, Instant]]:
    until = engine.now()
    with answering("its events"):
        filters = {"event": "die", "container": list(container_ids)}
        # With fractions: the engine would block until a whole second that has not passed yet.
        between: dict[str, Any] = {"since": since.seconds_text, "until": until.seconds_text}
        stream = engine.client.api.events(**between, filters=filters, decode=True)
        return [(event["Actor"]["ID"], Instant(int(event["timeNano"]))) for event in stream]
