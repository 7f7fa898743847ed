"""What comes next, by verdict: the one place. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollback_gate.model import Verdict

_AFTER = {
    Verdict.GO: (
        "Investigate the root cause; `invoke actions` lists what has to be done, and by when",
        "Fix it, and test the fix with sample documents",
        "Re-deploy when the actions before re-deployment are done and approved: the CI job's gate reads this record",
    ),
    Verdict.NO_GO: (
        "The rollback has not taken effect, or the service does not work: read the check that failed, below",
        "Mend what it names, then `invoke verify` again",
        "Do not deploy until a record says GO",
    ),
    Verdict.INCONCLUSIVE: (
        "Nothing is proven, neither way: read what could not be measured, below",
        "Mend that, then `invoke verify` again: it changes nothing",
        "Do not deploy until a record says GO",
    ),
}


def of_verdict(verdict: Verdict) -> tuple[str, ...]:
    return _AFTER[verdict]


def of_record(record: Mapping[str, Any]) -> list[str]:
    """A run that failed says its own next step first. Raises ValueError for a verdict that there is not."""
    own = str(record.get("next_step") or "")
    if "state_of_service" not in record:
        return list(_AFTER[Verdict(record["verdict"])])
    first = own or "read the step that failed below, mend its cause, and roll back again"
    return [*first.splitlines(), "`invoke rollback.status` shows what runs now", "Do not deploy until a record says GO"]
