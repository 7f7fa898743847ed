"""Verify the verifier: run the checks once on the misbehaving service, before the rollback.

A check that also passed before the rollback does not show that anything changed; the record reports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollback_gate.change.goal import ModeName
from rollback_gate.checks.manifest import Scope
from rollback_gate.checks.verdict import effective_claim
from rollback_gate.errors import Refused, RollbackGateError
from rollback_gate.evidence.judged import Judged
from rollback_gate.model import Unmeasured
from rollback_gate.record import build, write
from rollback_gate.rollback.situation import Situation
from rollback_gate.rollback.stopping import ending_as_an_error
from rollback_gate.rollback.store import Run
from rollback_gate.suite import own
from rollback_gate.suite import run as suite
from rollback_gate.suite.request import GateRequest, slots_of
from rollback_gate.workflow.call import heading_of, probe_memories
from rollback_gate.workflow.session import Session

FOLDER = "before"


def judge_before(session: Session, situation: Situation, run: Run) -> str:
    """Runs the checks and returns the outcome in words; kept with the run. Takes at most limits.before_s; 0 skips them.

    Sends nothing, waits for nothing, changes nothing. Raises Refused for Ctrl-C, SystemExit for a signal.
    """
    limit_s = session.profile.limits.before_s
    if not limit_s:
        return "not asked (limits.before_s is 0)"
    folder = run.folder / FOLDER
    try:
        folder.mkdir(mode=0o700)
        with ending_as_an_error():
            return _asked(session, situation, folder, limit_s)
    except KeyboardInterrupt as error:
        raise Refused("stopped by Ctrl-C; nothing was touched", "run invoke rollback again") from error
    except (RollbackGateError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"not asked: {error}"


def _asked(session: Session, situation: Situation, folder: Path, limit_s: float) -> str:
    with suite.started(session.call.root, session.profile, session.engines.environment) as running:
        left = running.judge(_request(session, situation), limit_s)
    clean = session.call.terminal.redactor
    write.write_beside(folder / write.LOG_NAME, left.log, clean)
    if left.trouble:
        return left.trouble
    checks = _checks(write.write_json(folder / write.JSON_NAME, left.judged, clean, None))
    return _in_words(checks, session.profile.titles.model_dump())


def _request(session: Session, situation: Situation) -> GateRequest:
    heading = heading_of(session.call, session.settings, "before", session.engines, None)
    digests = {source.path: source.digest for source in situation.goal.sources}
    judged = Judged(None, digests, {}, partial=situation.goal.mode.name is ModeName.PARTIAL, invasive=False)
    with_database = not isinstance(session.documents, Unmeasured)
    slots = slots_of(session.profile, situation.everyone)
    memories = probe_memories(session.call, session.settings, session.engines)
    checks = own.folder_of(session.call.profile_path)
    return GateRequest(session.profile, slots, judged, with_database, heading, memories, own=checks)


def before_of(folder: Path) -> dict[str, Any] | None:
    """What the checks came to before the run of this folder; None if they did not run or did not finish."""
    try:
        record = write.read_json(folder / FOLDER)
        return {"at": record["began"], "checks": _checks(record)} if "ended" in record else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _checks(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Per check: its outcome, how many assertions held, and how many were asked."""
    judgement = build.verdict_of(record)
    ran = build.tests_of(record)
    scope = Scope.parse(record["scope"])
    required, rows = scope.ids(record["slots"]), {}
    for check in scope.checks:
        asked = [test for test, name in required.items() if name == check]
        held = sum(effective_claim(test, ran.get(test)).passed for test in asked)
        outcome = next(finding.outcome.value for finding in judgement.findings if finding.check == check)
        rows[check] = {"outcome": outcome, "held": held, "asked": len(asked)}
    return rows


def _in_words(checks: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> str:
    rows = ((titles.get(check, check), row) for check, row in checks.items())
    return "; ".join(
        f"{title}: {row['outcome']}, {row['held']} of {row['asked']} assertions held" for title, row in rows
    )
