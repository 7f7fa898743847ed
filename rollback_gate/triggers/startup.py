"""Triggers on startup: whether the worker runs at all, and whether it runs the change."""

from __future__ import annotations

from rollback_gate.change.content import Content
from rollback_gate.evidence.symptoms import LogHistory, Symptoms, WorkerReading
from rollback_gate.model import Decision, Unmeasured
from rollback_gate.profile.schema import Profile
from rollback_gate.triggers.rule import Answer, fires, quiet, unmeasured

# Exit 0, SIGINT, SIGKILL (a stop of a worker that ignores SIGTERM), SIGTERM.
_STOPPED = frozenset({0, 128 + 2, 128 + 9, 128 + 15})


def nothing_to_roll_back(symptoms: Symptoms, _: Profile) -> Answer:
    """Not in the runbook: with old code in every replica there is nothing to roll back."""
    if isinstance(symptoms.workers, Unmeasured):
        return unmeasured(symptoms.workers)
    unread = [w.content for w in symptoms.workers if isinstance(w.content, Unmeasured)]
    known = [w.content for w in symptoms.workers if not isinstance(w.content, Unmeasured)]
    if any(set(content) != {Content.OLD} for content in known):
        return quiet("the files in place are not old code")
    if unread or not known:
        return unmeasured(unread[0] if unread else "the worker has no container to look into")
    return fires(
        Decision.INVESTIGATE,
        "the files in every replica are old code already: a rollback would find "
        "nothing to restore; invoke verify shows whether it also runs",
    )


def import_error(symptoms: Symptoms, profile: Profile) -> Answer:
    """Import errors / Module not found (Immediate Rollback 1)."""
    if isinstance(symptoms.workers, Unmeasured):
        return unmeasured(symptoms.workers)
    if not symptoms.workers:
        return unmeasured(_nothing_there(symptoms, profile))
    seen = [w for w in symptoms.workers if isinstance(w.log, LogHistory) and w.log.import_error]
    current = [w for w in seen if _is_current(w)]
    if current:
        names = ", ".join(w.replica.place for w in current)
        lines = tuple(dict.fromkeys(w.log.import_error for w in current if isinstance(w.log, LogHistory)))
        return fires(Decision.ROLL_BACK, f"{names}: {lines[0]}", *lines[1:])
    if symptoms.unread:
        return unmeasured(symptoms.unread)
    if seen:
        return quiet("there were import errors, and every replica has started since")
    return quiet("none in the log since the deployment")


def _is_current(worker: WorkerReading) -> bool:
    """True if an import error has no later successful start."""
    log = worker.log
    if not isinstance(log, LogHistory) or log.import_error_at is None:
        return False
    return log.consuming_at is None or log.import_error_at > log.consuming_at


def crash_on_start(symptoms: Symptoms, profile: Profile) -> Answer:
    """Worker won't start: crashes on startup (Immediate Rollback 2)."""
    if isinstance(symptoms.workers, Unmeasured):
        return unmeasured(symptoms.workers)
    if not symptoms.workers:
        return unmeasured(_nothing_there(symptoms, profile))
    states = [(w, _start_of(w, symptoms, profile)) for w in symptoms.workers]
    crashed = [f"{w.replica.place} {why}" for w, why in states if isinstance(why, str) and why]
    if crashed:
        return fires(
            Decision.ROLL_BACK,
            f"{len(crashed)} of {symptoms.expected_replicas} do not start or stay up: {'; '.join(crashed)}",
            *_last_errors(symptoms),
        )
    open_ = [why for _, why in states if isinstance(why, Unmeasured)]
    if open_:
        return unmeasured(open_[0])
    return quiet(f"{sum(w.replica.is_running for w in symptoms.workers)} of {symptoms.expected_replicas} run")


def _start_of(worker: WorkerReading, symptoms: Symptoms, profile: Profile) -> str | Unmeasured:
    """Why it does not start or stay up; "" if it does, or if it was stopped by hand."""
    replica = worker.replica
    if replica.restarting or replica.status in ("restarting", "dead"):
        return f"is {replica.condition}, exit status {replica.exit_code}"
    if not replica.is_running:
        by_hand = replica.paused or replica.status == "paused" or replica.exit_code in _STOPPED
        return "" if by_hand and not replica.oom_killed else f"is {replica.condition}"
    if worker.consumes is not False:
        return worker.consumes if isinstance(worker.consumes, Unmeasured) else ""
    up_s = symptoms.now.seconds_since(replica.started_at) if replica.started_at else 0.0
    if up_s > profile.limits.start_s:
        return f"runs for {up_s:.0f} s and does not consume"
    if replica.restarts:
        return f"was restarted {replica.restarts} times and does not consume"
    return Unmeasured(f"whether {replica.place} starts", f"it has run for {up_s:.0f} s and does not consume yet")


def _last_errors(symptoms: Symptoms) -> tuple[str, ...]:
    return tuple(count.sample for count in symptoms.errors[:3])


def _nothing_there(symptoms: Symptoms, profile: Profile) -> str:
    deployment = profile.deployment
    if not symptoms.project_exists:
        return (
            f"no container of project {deployment.project} exists on this engine: check "
            "deployment.project, and which engine DOCKER_HOST or the context names"
        )
    return f"service {profile.consumer} has no container"


def stopped(symptoms: Symptoms, profile: Profile) -> Answer:
    """Not in the runbook: replicas that were stopped, paused or removed by hand."""
    if isinstance(symptoms.workers, Unmeasured):
        return unmeasured(symptoms.workers)
    if not symptoms.project_exists:
        return unmeasured(_nothing_there(symptoms, profile))
    down = [w.replica for w in symptoms.workers if not w.replica.is_running and not w.replica.restarting]
    missing = symptoms.expected_replicas - len(symptoms.workers)
    parts = [f"{replica.place} is {replica.condition}" for replica in down]
    if missing > 0:
        parts.append(f"{missing} of {symptoms.expected_replicas} replicas have no container")
    if parts:
        return fires(Decision.INVESTIGATE, "; ".join(parts))
    return quiet("no replica was stopped by hand")
