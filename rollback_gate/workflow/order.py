"""What the operator asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollback_gate.change.goal import How, Mode
from rollback_gate.change.sources import Choice


@dataclass(frozen=True)
class Order:
    """What the operator asked for. `anew`: begin a new run although an earlier one has not completed.

    `assessment`: the one that is the reason, once it is settled (workflow.why).
    """

    reason: str = ""
    mode: Mode = Mode()
    choice: Choice = Choice()
    how: How = How()
    dry_run: bool = False
    step_by_step: bool = False
    anew: bool = False
    despite_assessment: bool = False
    assessment: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Outcome:
    """`run_id` is "" if there was nothing to do."""

    run_id: str
    says: str
