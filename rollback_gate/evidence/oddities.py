"""What is written for a service and does not do what its author may have meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica

_TEMPLATE = re.compile(r"\{\{\s*\.[^{}]*\}\}")


def oddities(engines: Engines, replicas: Iterable[Replica], is_stack: bool) -> Iterator[str]:
    """In words, of the replicas of one service. Raises Unreachable."""
    rows = list(replicas)
    ill = [one for one in rows if one.health == "unhealthy" or (one.health == "starting" and one.check_results)]
    if ill:
        then = ": Swarm ends such a task and starts another one, so no update of it can end" if is_stack else ""
        yield f"its health check fails in {len(ill)} of {len(rows)} containers{then}"
    # Not the rest of the command: it may hold a password.
    words = [found for one in rows[:1] for word in _command(engines, one) for found in _TEMPLATE.findall(word)]
    if is_stack and words:
        yield (
            f"its command holds {' '.join(words)} as it stands here: Swarm fills in such templates in environment, "
            "hostname and mounts only, so every replica gets the same text"
        )


def _command(engines: Engines, replica: Replica) -> list[str]:
    config = engines.of(replica).raw(replica.id).get("Config") or {}
    return [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
