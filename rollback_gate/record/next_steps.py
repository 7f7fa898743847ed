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
        "Read the check that failed, below",
        "Fix what it names, then `invoke verify` again",
        "Do not deploy until a record says GO",
    ),
    Verdict.INCONCLUSIVE: (
        "Nothing is proven, neither way: read what could not be measured, below",
        "Mend that, then `invoke verify` again: it changes nothing",
        "Do not deploy until a record says GO",
    ),
}


def resume(run_id: str) -> str:
    """A run that was killed, or failed, comes before anything else."""
    return f"Run {run_id} did not complete: `invoke rollback.resume` completes it, `invoke rollback.undo` reverts it"


def what_failed(record: Mapping[str, Any]) -> str:
    """Which of the two a NO-GO has shown: that the rollback did not take effect, or that the service does not work."""
    outcomes = {finding["check"]: finding["outcome"] for finding in record.get("findings", ())}
    if outcomes.get("new_behaviour") == "failed":
        return "The rollback has not taken effect: the change is still there"
    if outcomes.get("new_behaviour") == "passed":
        return "The rollback took effect, and the service does not work as it did"
    return "The service does not work as it did; whether the rollback took effect could not be told"


def of_record(record: Mapping[str, Any]) -> list[str]:
    """A run that failed, or did not end, says its own next step first. Raises ValueError for an unknown verdict."""
    if "state_of_service" in record:
        own = str(record.get("next_step") or "read the step that failed below, fix its cause, and roll back again")
        return [
            *own.splitlines(),
            "`invoke rollback.status` shows what runs now",
            "Do not deploy until a record says GO",
        ]
    verdict = Verdict(record["verdict"])
    unended = record.get("unended_run")
    first = [resume(str(unended))] if unended else []
    return [*first, *([what_failed(record)] if verdict is Verdict.NO_GO else []), *_AFTER[verdict]]
