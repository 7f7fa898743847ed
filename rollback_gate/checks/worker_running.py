"""Check 2: the worker is running (runbook, Verify, Check 2: Worker Is Running)."""

from __future__ import annotations

from rollback_gate.deployment.replica import Replica
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import CodeReading, DependentReading, Readings, ReplicaReading
from rollback_gate.instant import Instant
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed
from rollback_gate.profile.schema import Profile


def expected_number(readings: Readings) -> Claim:
    """As many replicas as are normal, all of them running."""
    expected = readings.expected_replicas
    states = [r.before for r in readings.replicas]
    found = [state for state in states if isinstance(state, Replica)]
    if nothing_exists(readings):
        return inconclusive("worker", "no container of the worker or a dependent exists here: is it the right engine, "
                            "and the right deployment.compose_project?")  # fmt: skip
    running = [state for state in found if state.is_running]
    details = [f"{state.name}: {state.condition}" for state in found]
    unread = [state for state in states if isinstance(state, Unmeasured)]
    if len(running) < expected <= len(running) + len(unread):
        return inconclusive("worker", unread[0], *details)
    if len(running) < expected:
        return failed("worker", f"{len(running)} of {expected} replicas run", Evidence.PROCESS, *details)
    if len(found) > expected:
        return inconclusive("worker", f"{len(found)} replicas exist, {expected} are expected: if that is right, "
                            f"set deployment.replicas={len(found)}", *details)  # fmt: skip
    return passed("worker", f"{len(running)} of {expected} replicas run", Evidence.PROCESS, *details)


def nothing_exists(readings: Readings) -> bool:
    """Not one container of the whole project is here: that is no statement on a rollback (DESIGN: zero replicas)."""
    return readings.project_exists is False


def same_replicas(readings: Readings) -> Claim:
    """The containers at the end are those of the beginning: a scaled or recreated service was not judged whole."""
    after = readings.ids_after
    if isinstance(after, Unmeasured):
        return inconclusive("worker", after)
    before = {r.before.id: r.before.name for r in readings.replicas if isinstance(r.before, Replica)}
    came = sorted(name for name, container_id in after.items() if container_id not in before)
    went = sorted(name for container_id, name in before.items() if container_id not in after.values())
    if came or went:
        says = [f"new: {', '.join(came)}" if came else "", f"gone: {', '.join(went)}" if went else ""]
        return inconclusive("worker", f"containers changed while the checks ran ({'; '.join(filter(None, says))}): "
                            "verify again")  # fmt: skip
    return passed("worker", f"the same {len(before)} containers from beginning to end", Evidence.PROCESS)


def _running(readings: Readings) -> int:
    return sum(isinstance(r.before, Replica) and r.before.is_running for r in readings.replicas)


def state(readings: Readings, replica: ReplicaReading) -> Claim:
    """Running, not restarting or paused; healthy where there is a health check."""
    now = replica.before
    if isinstance(now, Unmeasured):
        return inconclusive(replica.label, now)
    if now is None and nothing_exists(readings):
        return inconclusive(replica.label, "does not exist, nor does anything else of this deployment")
    if now is None:
        return failed(replica.label, "does not exist", Evidence.PROCESS)
    if not now.is_running and _running(readings) >= readings.expected_replicas:
        return inconclusive(replica.label, f"is {now.condition}, beside as many running replicas as are expected: "
                            "remove it if nobody needs it")  # fmt: skip
    if not now.is_running:
        return failed(replica.label, f"is {now.condition}", Evidence.PROCESS)
    latest = replica.after if isinstance(replica.after, Replica) else now
    return _health(replica.label, latest.health)


def _health(subject: str, health: str) -> Claim:
    if health == "unhealthy":
        return failed(subject, "is running and unhealthy", Evidence.PROCESS)
    if health == "starting":
        return inconclusive(subject, "its health check has not spoken within limits.health_s")
    says = "is running and healthy" if health == "healthy" else "is running (it has no health check)"
    return passed(subject, says, Evidence.PROCESS)


def stays_up(readings: Readings, replica: ReplicaReading) -> Claim:
    """The same process over the soak window. Restarting is a failure; being replaced by someone is not our doing."""
    before, after = replica.before, replica.after
    for reading in (before, after):
        if isinstance(reading, Unmeasured):
            return inconclusive(replica.label, reading)
    if not isinstance(before, Replica):
        return inconclusive(replica.label, "does not exist, so nothing could be watched")
    if after is None:
        return inconclusive(replica.label, "was removed while the checks ran: verify again")
    assert isinstance(after, Replica)
    window = f"over {readings.soak_s:.0f} s"
    if after.restart_count > before.restart_count:
        return failed(replica.label, f"restarted {after.restart_count - before.restart_count} times {window}",
                      Evidence.PROCESS)  # fmt: skip
    if not before.is_running:
        return inconclusive(replica.label, f"is {before.condition}, so nothing could be watched")
    if not after.is_running:
        return failed(replica.label, f"was {before.condition} and is now {after.condition}", Evidence.PROCESS)
    if after.started_at != before.started_at:
        return inconclusive(replica.label, "was restarted by someone while the checks ran: verify again")
    if replica.by_run and after.started_at and after.started_at > replica.by_run.started_at and after.restart_count:
        return failed(replica.label, f"restarted by itself since the rollback ({after.restart_count} times)",
                      Evidence.PROCESS)  # fmt: skip
    return passed(replica.label, f"same container, same process, no restart {window}", Evidence.PROCESS)


def clean_start(replica: ReplicaReading) -> Claim:
    """It reported that it consumes and is connected, with no error before that (runbook: no startup errors)."""
    log = replica.log
    if isinstance(log, Unmeasured):
        if replica.in_queue is True:
            return passed(replica.label, f"is a consumer of the queue; its start was not seen ({log.reason})",
                          Evidence.PROCESS)  # fmt: skip
        return inconclusive(replica.label, log)
    if not log.lines:
        return inconclusive(replica.label, "has logged nothing that could be read since the boundary")
    if log.startup_errors and (log.consuming_at or replica.in_queue is not True):
        return failed(replica.label, "had errors at its start", Evidence.LOG, *log.startup_errors)
    if replica.in_queue is True and log.consuming_at:
        return passed(
            replica.label, f"started without errors, consuming since {log.consuming_at.short}", Evidence.PROCESS
        )
    if replica.in_queue is True:
        return passed(replica.label, "is a consumer of the queue; the lines of its start are not in the log since the"
                      " boundary", Evidence.PROCESS, *log.startup_errors)  # fmt: skip
    return _without_queue(replica, log)


def _without_queue(replica: ReplicaReading, log: LogSummary) -> Claim:
    if replica.in_queue is False and _was_started_anew(replica):
        return inconclusive(replica.label, "was restarted by someone while the checks ran, and had not connected "
                            "to the queue again: verify again")  # fmt: skip
    if replica.in_queue is False:
        return failed(
            replica.label, "is not connected to the queue: it is no consumer of the channel", Evidence.PROCESS
        )
    if log.consuming_at and log.connected_at:
        return passed(replica.label, f"logged that it is connected, {log.connected_at.short}", Evidence.LOG)
    return inconclusive(replica.label, f"has not logged that it consumes, and {replica.in_queue}")


def _was_started_anew(replica: ReplicaReading) -> bool:
    """By whom stays_up tells; a process that is seconds old need not be a consumer yet."""
    before, after = replica.before, replica.after
    return isinstance(before, Replica) and isinstance(after, Replica) and after.started_at != before.started_at


def few_errors(replica: ReplicaReading, profile: Profile) -> Claim:
    """Error lines since the boundary, known noise of the old code not counted (runbook, Production, Step 4)."""
    log = replica.log
    if isinstance(log, Unmeasured):
        return inconclusive(replica.label, log)
    if not log.lines or log.unreadable_lines:
        return inconclusive(replica.label, f"{log.unreadable_lines} unreadable lines and {log.lines} readable ones: "
                            "its errors cannot be counted")  # fmt: skip
    noise = [f"known noise, not counted: {s.count} × {s.name}" for s in log.noise]
    limit = profile.limits.errors
    if log.errors > limit:
        return failed(replica.label, f"{log.errors} error lines since the boundary, more than {limit}",
                      Evidence.LOG, *log.error_samples, *noise)  # fmt: skip
    if log.without_level:
        noise.append(f"{log.without_level} lines have no level: of them only errors with a traceback can be seen")
    return passed(replica.label, f"{log.errors} error lines since the boundary (limit {limit})", Evidence.LOG,
                  *log.error_samples, *noise)  # fmt: skip


def image_and_configuration(replica: ReplicaReading) -> Claim:
    """Started from the image and the configuration that the run intended; without a run, from the tag's image."""
    now = replica.before
    if not isinstance(now, Replica):
        return inconclusive(replica.label, "does not exist, so its image could not be compared")
    if isinstance(replica.image_of_tag, Unmeasured):
        return inconclusive(replica.label, replica.image_of_tag)
    details = (f"image {now.image_id[:19]}", f"configuration {now.config_hash[:12]}")
    run = replica.by_run
    if run and (run.image_id, run.config_hash) != (now.image_id, now.config_hash):
        return failed(replica.label, "is not the container configuration that the rollback started", Evidence.PROCESS,
                      *details)  # fmt: skip
    if run and replica.image_of_tag != now.image_id:
        says = f"runs what the rollback started, but {now.image_name} means another image now"
        return inconclusive(replica.label, f"{says}: the next recreate would start that", *details)
    if run:
        return passed(
            replica.label, "runs the image and configuration that the rollback started", Evidence.PROCESS, *details
        )
    if replica.image_of_tag is None:
        return inconclusive(replica.label, f"there is no image {now.image_name} any more to compare with", *details)
    if replica.image_of_tag != now.image_id:
        return failed(replica.label, f"does not run the image that {now.image_name} names now", Evidence.PROCESS,
                      *details, f"{now.image_name} is {replica.image_of_tag[:19]}")  # fmt: skip
    return passed(replica.label, f"runs {now.image_name} as intended", Evidence.PROCESS, *details)


def dependents(readings: Readings) -> Claim:
    """Every dependent runs, stays up, is healthy and was restarted too (runbook, Quick Reference)."""
    if nothing_exists(readings):
        return inconclusive("dependents", "nothing of this deployment exists on this engine")
    problems: list[Claim] = []
    written, touched = _restored_at(readings)
    run_at = min((r.by_run.started_at for r in readings.replicas if r.by_run), default=None)
    for reading in readings.dependents:
        problems += [claim for claim in _dependent(reading, written, touched, run_at) if not claim.passed]
    names = ", ".join(reading.service for reading in readings.dependents) or "none"
    for claim in sorted(problems, key=lambda c: c.outcome.value):  # "failed" sorts before "inconclusive"
        return Claim(claim.outcome, "dependents", f"{claim.subject} {claim.says}", claim.stands_on, claim.details)
    return passed("dependents", f"running, staying up, younger than the restored files: {names}", Evidence.PROCESS)


def _restored_at(readings: Readings) -> tuple[Instant | None, Instant | None]:
    """When the newest restored file was written, and when one was last touched at all, as the replicas see it."""
    found = [file for r in readings.replicas if isinstance(r.code, CodeReading) for file in r.code.files]
    written = max((file.modified_at for file in found if file.modified_at), default=None)
    return written, max((file.changed_at for file in found if file.changed_at), default=None)


def _dependent(
    reading: DependentReading, written: Instant | None, touched: Instant | None, run_at: Instant | None
) -> list[Claim]:  # fmt: skip
    """`run_at`: when the judged run started the first replica."""
    for side in (reading.before, reading.after):
        if isinstance(side, Unmeasured):
            return [inconclusive(reading.service, side)]
    if not reading.before:
        return [failed(reading.service, "has no container", Evidence.PROCESS)]
    claims: list[Claim] = []
    came = {r.name for r in _replicas(reading.after) if r.id not in {b.id for b in _replicas(reading.before)}}
    if came:
        says = f"has containers that came while the checks ran ({', '.join(sorted(came))}): verify again"
        claims.append(inconclusive(reading.service, says))
    for before in _replicas(reading.before):
        after = next((r for r in _replicas(reading.after) if r.id == before.id), None)
        claims += [_dependent_container(before, after, run_at), _dependent_code(reading, before, written, touched)]
    return claims


def _replicas(side: tuple[Replica, ...] | Unmeasured) -> tuple[Replica, ...]:
    return () if isinstance(side, Unmeasured) else side


def _dependent_container(before: Replica, after: Replica | None, run_at: Instant | None) -> Claim:
    if after is None:
        return inconclusive(before.name, "was removed while the checks ran: verify again")
    for replica in (before, after):
        if not replica.is_running:
            return failed(before.name, f"is {replica.condition}", Evidence.PROCESS)
    if after.restart_count > before.restart_count:
        return failed(before.name, "restarted while the checks ran", Evidence.PROCESS)
    if after.started_at != before.started_at:
        return inconclusive(before.name, "was restarted by someone while the checks ran: verify again")
    if run_at and after.restart_count and after.started_at and after.started_at > run_at:
        return failed(before.name, f"restarted by itself since the rollback ({after.restart_count} times)",
                      Evidence.PROCESS)  # fmt: skip
    return _health(before.name, after.health)


def _dependent_code(reading: DependentReading, now: Replica, written: Instant | None, touched: Instant | None) -> Claim:
    """It shares the worker's code: an older process has the change in memory, another image may hold it."""
    if written and now.started_at and now.started_at < written:
        return failed(now.name, f"process of {now.started_at.short} is older than the restored file of {written.short}:"
                      " it still runs the change's code", Evidence.PROCESS)  # fmt: skip
    if touched and now.started_at and now.started_at < touched:
        return inconclusive(now.name, f"process of {now.started_at.short} is older than the last touch of a restored "
                            f"file, {touched.short}: restart it to be sure")  # fmt: skip
    image = reading.images.get(now.image_name)
    if isinstance(image, Unmeasured):
        return inconclusive(now.name, image)
    if image != now.image_id:
        return inconclusive(now.name, f"does not run the image that {now.image_name} names now: recreate it to be sure")
    if written is None and touched is None:
        return inconclusive(
            now.name, "no replica can tell when its files were restored, so its start cannot be compared"
        )
    return passed(now.name, "runs its image, younger than the restored files", Evidence.PROCESS)
