"""What comes next, by verdict: the one place. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollback_gate.launcher import DEFAULT, as_called
from rollback_gate.model import Verdict

RECORDED = "recorded"  # the kind of a demonstration's record
_STAY = "Do not deploy until a record says GO"
_AGAIN = "`invoke verify` judges again; it restarts and reverts nothing"
_AFTER = {
    Verdict.GO: (
        "`invoke actions` lists what has to be done after the rollback, and by when",
        "Do not re-deploy the change yet: only when its root cause is fixed and the re-deployment is approved; "
        "the CI job's gate reads this record",
    ),
    Verdict.NO_GO: (_STAY,),
    Verdict.INCONCLUSIVE: ("Read what could not be measured, below", f"Fix that; then {_AGAIN}", _STAY),
}
_OF_RECORDED = (
    "This is a demonstration on recorded readings: it says nothing about what runs now",
    "`invoke verify` judges what runs now",
)
# Failures that a rollback takes away: of the code in a replica, and of the process that has loaded it.
_REVERTED = (
    "test_restored_files_are_the_old_code",
    "test_removed_modules_are_gone",
    "test_settings_and_images_are_the_old_ones",
    "test_process_started_after_the_restore",
    "test_next_start_is_what_was_judged",
)


def resume(run_id: str) -> str:
    """A run that was killed, or failed, comes before anything else."""
    how = "`invoke rollback.resume` completes it; or `invoke rollback.undo` restores the change"
    return f"Run {run_id} did not complete: {how}"


def what_failed(record: Mapping[str, Any]) -> str:
    """Which of the two a NO-GO has shown: that the change is still there, or that the service does not work."""
    outcomes = {finding["check"]: str(finding["outcome"]) for finding in record.get("findings", ())}
    outcome = outcomes.get("new_behaviour", "")
    if outcome == "failed":
        return "The rollback did not take effect" if record.get("run") else "The change is still there"
    if outcome == "passed":
        return "The old code runs, but the service does not work as it did"
    return "The service does not work as it did, and whether the old code runs could not be measured"


def of_record(record: Mapping[str, Any]) -> list[str]:
    """A run that failed, or did not end, says its own next step first. Raises ValueError for an unknown verdict."""
    return [as_called(step, str(record.get("launcher") or DEFAULT)) for step in _steps(record)]


def _steps(record: Mapping[str, Any]) -> list[str]:
    if record.get("kind") == RECORDED:
        return list(_OF_RECORDED)
    if "state_of_service" in record:
        own = str(record.get("next_step") or "read the step that failed below, fix its cause, and roll back again")
        return [*own.splitlines(), "`invoke rollback.status` shows what runs now", _STAY]
    verdict = Verdict(record["verdict"])
    unended = record.get("unended_run")
    steps = [resume(str(unended))] if unended else []
    if verdict is Verdict.NO_GO:
        steps += _revert(record) if _is_reverted_by_a_rollback(record) and not unended else _fix()
    return [*steps, *_AFTER[verdict]]


def _revert(record: Mapping[str, Any]) -> list[str]:
    """By a run of the same mode: of a partial one the new modules stay."""
    mode = str((record.get("run") or {}).get("mode", "quick"))
    command = "rollback" if mode == "quick" else f"rollback.{mode}"
    return [
        f"`invoke {command} verify` reverts what is left of the change, restarts what still runs it, and judges again",
        f"Or do that by hand; then {_AGAIN}",
    ]


def _fix() -> list[str]:
    return [f"Fix what the failed check names; then {_AGAIN}"]


def _is_reverted_by_a_rollback(record: Mapping[str, Any]) -> bool:
    failed = {
        test for test, row in record.get("tests", {}).items() if (row.get("claim") or {}).get("outcome") == "failed"
    }
    return any(test.partition("[")[0].rpartition("::")[2] in _REVERTED for test in failed)
