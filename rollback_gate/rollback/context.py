"""What the steps of a run work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.keeping import RunnerFor
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import Runner
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engines import Engines
from rollback_gate.redaction import Redactor
from rollback_gate.rollback.situation import Situation
from rollback_gate.rollback.store import Run


@dataclass
class Context:
    """What steps work with. `not_consuming_since`, `consuming_at`, `stopped`, `died_at`: by container id.

    `up`: containers of services that do not consume, once a step has waited for them. `runner_for`: a runner with the
    variables of what must stay.
    """

    situation: Situation
    engines: Engines
    runner: Runner
    run: Run
    redactor: Redactor
    documents: Documents | Unmeasured
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    runner_for: RunnerFor
    not_consuming_since: dict[str, Instant] = field(default_factory=dict)
    consuming_at: dict[str, Instant] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    up: set[str] = field(default_factory=set)
    died_at: dict[str, Instant] = field(default_factory=dict)
    journaled: set[str] = field(default_factory=set)

    def unseen(self, service: str) -> int:
        """How many of its containers may run where nobody could be asked."""
        return len(self.engines.unseen(self.situation.profile.deployment.project, service))

    @property
    def deployed(self) -> Deployed:
        return Deployed(self.situation.profile, self.engines)
