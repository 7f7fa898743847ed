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
        "Fix what the failed check names, then run `invoke verify` again: it changes nothing",
        "Do not deploy until a record says GO",
    ),
    Verdict.INCONCLUSIVE: (
        "Read what could not be measured, below",
        "Fix that, then run `invoke verify` again: it changes nothing",
        "Do not deploy until a record says GO",
    ),
}
_REVERT = "`invoke rollback verify` reverts what is left of the change, restarts what still runs it, and judges again"


def resume(run_id: str) -> str:
    """A run that was killed, or failed, comes before anything else."""
    return f"Run {run_id} did not complete: `invoke rollback.resume` completes it, `invoke rollback.undo` reverts it"


def what_failed(record: Mapping[str, Any]) -> str:
    """Which of the two a NO-GO has shown: that the change is still there, or that the service does not work."""
    outcome = _of_the_code(record)
    if outcome == "failed":
        return "The rollback did not take effect" if record.get("run") else "The change is still there"
    if outcome == "passed":
        return "The old code runs, but the service does not work as it did"
    return "The service does not work as it did, and whether the old code runs could not be measured"


def _of_the_code(record: Mapping[str, Any]) -> str:
    """What check 1 came to."""
    return {finding["check"]: str(finding["outcome"]) for finding in record.get("findings", ())}.get(
        "new_behaviour", ""
    )


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
    is_there = verdict is Verdict.NO_GO and _of_the_code(record) == "failed"
    return [*first, *([_REVERT] if is_there and not unended else []), *_AFTER[verdict]]
