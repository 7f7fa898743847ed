"""A task, and what Swarm's words for its state come to: one table. Pure."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollback_gate.instant import Instant


class Condition(enum.StrEnum):
    """What a task is in, as messages say it."""

    RUNS = "runs"
    COMES = "is on its way"
    WAITS = "waits for a node that fits"
    GOES = "is being stopped"
    REFUSED = "was refused by its node"
    FAILED = "failed"
    ENDED = "has ended"
    ORPHANED = "belongs to a node that was removed"
    UNKNOWN = "is in a state that is not known"


_ON_THEIR_WAY = ("new", "allocated", "assigned", "accepted", "preparing", "ready", "starting")
_BY_STATE = {
    **dict.fromkeys(_ON_THEIR_WAY, Condition.COMES),
    "pending": Condition.WAITS,
    "running": Condition.RUNS,
    "complete": Condition.ENDED,
    "shutdown": Condition.ENDED,
    "remove": Condition.ENDED,
    "failed": Condition.FAILED,
    "rejected": Condition.REFUSED,
    "orphaned": Condition.ORPHANED,
}
_OVER = frozenset((Condition.REFUSED, Condition.FAILED, Condition.ENDED))
_NOT_OF_A_TASK = frozenset(("Runtime", "Placement"))
_WANTED = frozenset(("running", "ready"))  # `ready`: held back until its predecessor has stopped


@dataclass(frozen=True)
class Task:
    """One task. `slot`: 0 in a global service. `node`: id of its node, "" before it is scheduled.

    `container`: its container's id, "" before there is one. `template`: what it was made from, as JSON. `error`: in
    Swarm's own words.
    """

    id: str
    service: str
    slot: int
    node: str
    state: str
    desired: str
    container: str
    template: str
    at: Instant
    error: str = ""

    @property
    def is_wanted(self) -> bool:
        return self.desired in _WANTED

    @property
    def condition(self) -> Condition:
        """A running task that is not wanted any more is being stopped, or its node cannot be reached."""
        found = _BY_STATE.get(self.state, Condition.UNKNOWN)
        if found is Condition.RUNS and not self.is_wanted:
            return Condition.GOES
        return Condition.COMES if found is Condition.WAITS and self.node else found

    @property
    def place(self) -> tuple[int, str]:
        """Its slot; in a global service, its node."""
        return self.slot, "" if self.slot else self.node

    @property
    def has_failed(self) -> bool:
        """True if its process ended by itself, or was killed on its node: the manager did not stop it."""
        return self.state in ("failed", "complete")

    @property
    def may_run(self) -> bool:
        """True if its container may run: on a node that is down or was removed it goes on.

        Also of a task that was on its way when its node was last heard of: it counts as running only once it is
        healthy.
        """
        return bool(self.node) and self.condition not in _OVER

    @property
    def says(self) -> str:
        return f"{self.condition}: {self.error}" if self.error else str(self.condition)


def parse(row: Mapping[str, Any]) -> Task:
    """One task as the manager lists it. Raises KeyError, ValueError, TypeError for any other form."""
    status = row["Status"]
    return Task(
        id=str(row["ID"]),
        service=str(row["ServiceID"]),
        slot=int(row.get("Slot") or 0),
        node=str(row.get("NodeID") or ""),
        state=str(status["State"]),
        desired=str(row["DesiredState"]),
        container=str((status.get("ContainerStatus") or {}).get("ContainerID") or ""),
        template=template_of(row["Spec"]),
        at=Instant.parse(status["Timestamp"]),
        error=str(status.get("Err") or ""),
    )


def template_of(spec: Mapping[str, Any]) -> str:
    """What a task is made from, in a form that can be compared: a task lacks the service's word for its runtime.

    Where it may run is none of it: while its node still fits, Swarm leaves a task as it is.
    """
    return json.dumps({key: value for key, value in spec.items() if key not in _NOT_OF_A_TASK}, sort_keys=True)
