"""Check 2: the worker is running (runbook, Verify, Check 2: Worker Is Running)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rollback_gate.deployment.replica import Replica
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import CodeReading, DependentReading, Readings, ReplicaReading
from rollback_gate.instant import Instant
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed
from rollback_gate.profile.schema import Hang, Profile

_SLACK = 1.2


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
    if len(running) < expected <= _running_at_the_end(readings):
        return inconclusive("worker", f"{len(running)} of {expected} replicas ran at first, all of them at the end: "
                            "verify again", *details)  # fmt: skip
    if len(running) < expected:
        return failed("worker", f"{len(running)} of {expected} replicas run", Evidence.PROCESS, *details)
    if len(found) > expected:
        return inconclusive("worker", f"{len(found)} replicas exist, {expected} are expected: if that is right, "
                            f"set deployment.replicas={len(found)}", *details)  # fmt: skip
    return passed("worker", f"{len(running)} of {expected} replicas run", Evidence.PROCESS, *details)


def _running_at_the_end(readings: Readings) -> int:
    """The second look: those of the first, and containers that came since."""
    known = [r.after for r in readings.replicas if isinstance(r.after, Replica) and not _crashes(r)]
    ids = set() if isinstance(readings.ids_after, Unmeasured) else set(readings.ids_after.values())
    came = ids - {r.before.id for r in readings.replicas if isinstance(r.before, Replica)}
    return sum(replica.is_running for replica in known) + len(came)


def _crashes(reading: ReplicaReading) -> bool:
    """Its process had ended by itself, and the engine was about to start it again: for how long the next one runs is
    not looked at. One that somebody has restarted since counts from zero again.
    """
    before, after = reading.before, reading.after
    if not isinstance(before, Replica) or not before.restarting:
        return False
    return not isinstance(after, Replica) or after.restart_count >= before.restart_count


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
    latest = replica.after if isinstance(replica.after, Replica) else now
    if not now.is_running and latest.is_running and not _crashes(replica):
        return inconclusive(replica.label, f"was {now.condition} at first, and runs now: verify again")
    if not now.is_running:
        return failed(replica.label, f"is {now.condition}", Evidence.PROCESS)
    return _health(replica.label, latest, readings.ill_before)


def _health(subject: str, replica: Replica, ill_before: Mapping[str, str]) -> Claim:
    """A check that cannot run says nothing. What failed before the change too is not the rollback's; what failed only
    before the rollback may be the change's damage.
    """
    health, since = replica.health, ill_before.get(replica.service, "")
    if health in ("unhealthy", "starting") and replica.check_cannot_run:
        says = "is running; its health check says nothing, as its program cannot be started"
        return passed(subject, says, Evidence.PROCESS, replica.check_cannot_run)
    if health == "unhealthy" and since == "the change":
        says = "is running and unhealthy, as it was before the change"
        return replace(passed(subject, says, Evidence.PROCESS, says), note=f"{replica.service} is unhealthy, as before")
    if health == "unhealthy" and since:
        return inconclusive(subject, f"is running and unhealthy, as it was before {since}: the change may have done it")
    if health == "unhealthy":
        return failed(subject, "is running and unhealthy", Evidence.PROCESS)
    if health == "starting":
        return inconclusive(subject, "its health check has not spoken yet")
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
    if readings.ended_early:
        return inconclusive(replica.label, f"was watched {window} only: {readings.ended_early}")
    return passed(replica.label, f"same container, same process, no restart {window}", Evidence.PROCESS)


def clean_start(replica: ReplicaReading, profile: Profile) -> Claim:
    """It started without errors and consumes (runbook: no startup errors).

    The queue drops a consumer that is busy for longer than two heartbeats (FACTS): one that it does not list is alive
    if its log says what it is busy with. It has failed where it never connected, and its log could have shown it.
    """
    log = replica.log
    if isinstance(replica.in_queue, Unmeasured):
        return inconclusive(replica.label, replica.in_queue)
    if isinstance(log, Unmeasured):
        if replica.in_queue:
            return passed(replica.label, f"is a consumer of the queue; its start was not seen ({log.reason})",
                          Evidence.PROCESS)  # fmt: skip
        return inconclusive(replica.label, log)
    if not log.lines:
        return inconclusive(replica.label, "has logged nothing that could be read since the boundary")
    has_consumed = replica.in_queue or replica.in_queue_before is True
    if log.startup_errors and (log.consuming_at or not has_consumed):
        return failed(replica.label, "had errors at its start", Evidence.LOG, *log.startup_errors)
    if not replica.in_queue:
        return _not_listed(replica, log, profile)
    if log.consuming_at:
        return passed(
            replica.label, f"started without errors, consuming since {log.consuming_at.short}", Evidence.PROCESS
        )
    return passed(replica.label, "is a consumer of the queue; the lines of its start are not in the log since the"
                  " boundary", Evidence.PROCESS, *log.startup_errors)  # fmt: skip


def _not_listed(replica: ReplicaReading, log: LogSummary, profile: Profile) -> Claim:
    """By the queue, at the end of the checks."""
    if _was_started_anew(replica):
        return inconclusive(replica.label, "was restarted by someone while the checks ran, and had not connected "
                            "to the queue again: verify again")  # fmt: skip
    if log.unfinished and _works_by_its_log(log, profile):
        busy_with = ", ".join(list(log.unfinished)[-3:])
        says = f"is busy with {busy_with}; meanwhile the queue does not list it"
        return passed(replica.label, says, Evidence.LOG)
    never = not log.connected_at and not log.picked_up and not log.finished and not replica.in_queue_before
    if never and log.consuming_at:  # its log reaches back to the start, and could have shown it
        return failed(replica.label, "is not connected to the queue: it has never connected, and finished nothing",
                      Evidence.LOG)  # fmt: skip
    return inconclusive(replica.label, "is not listed by the queue, and its log does not say that it is busy: verify "
                        "again")  # fmt: skip


def _works_by_its_log(log: LogSummary, profile: Profile) -> bool:
    """Its last pick-up, or line that old code prints over a document, is not older than the worker takes for one."""
    if log.read_at is None or log.last_at is None:
        return False
    hang = profile.known.hang
    longest_s = max(hang.limit_s if hang else 0, profile.limits.probe_s)
    return log.read_at.seconds_since(log.last_at) <= longest_s * _SLACK


def _was_started_anew(replica: ReplicaReading) -> bool:
    """By whom stays_up tells; a process that is seconds old need not be a consumer yet."""
    before, after = replica.before, replica.after
    return isinstance(before, Replica) and isinstance(after, Replica) and after.started_at != before.started_at


def few_errors(replica: ReplicaReading, profile: Profile) -> Claim:
    """Error lines since the boundary, without what old code prints too (runbook, Production, Step 4)."""
    log = replica.log
    if isinstance(log, Unmeasured):
        return inconclusive(replica.label, log)
    if not log.lines or log.unreadable_lines:
        return inconclusive(replica.label, f"{log.unreadable_lines} unreadable lines and {log.lines} readable ones: "
                            "its errors cannot be counted")  # fmt: skip
    noise, beyond = _noise(log, _in_hand(log, replica, profile), profile)
    limit, count = profile.limits.errors, log.errors + beyond
    if count > limit:
        return failed(replica.label, f"{count} error lines since the boundary, more than {limit}",
                      Evidence.LOG, *log.error_samples, *noise)  # fmt: skip
    if log.without_level:
        noise.append(f"{log.without_level} lines have no level: of them only errors with a traceback can be seen")
    return passed(replica.label, f"{count} error lines since the boundary (limit {limit})", Evidence.LOG,
                  *log.error_samples, *noise)  # fmt: skip


def _in_hand(log: LogSummary, replica: ReplicaReading, profile: Profile) -> int:
    """Documents; where the log does not show them, those that the queue says it has finished, and one at least."""
    if log.could_show_documents:
        return documents_in_hand(log, profile.known.hang)
    return max(1, replica.finished_in_queue or 0)


def _noise(log: LogSummary, in_hand: int, profile: Profile) -> tuple[list[str], int]:
    """Each form of known noise in words, and how many lines go beyond what old code prints for its documents."""
    forms = {form.name: form for form in profile.logs.noise}
    words, beyond = [], 0
    for seen in log.noise:
        form = forms.get(seen.name)
        allowed = seen.count if form is None or form.per_document is None else form.per_document * in_hand
        over = max(0, seen.count - allowed)
        beyond += over
        whose = "the fault of an invalid task" if form and form.of_input else "as old code prints them"
        words.append(
            f"{seen.count} × {seen.name}, {whose}" + (f"; {over} more than for {in_hand} documents" if over else "")
        )
    return words, beyond


def documents_in_hand(log: LogSummary, hang: Hang | None) -> int:
    """Pick-ups; and behind a document that hangs, each further one that the worker gave up without picking it up."""
    if hang is None or log.first_picked_up_at is None or log.last_at is None or not log.unfinished:
        return log.picked_up
    return log.picked_up + int(log.last_at.seconds_since(log.first_picked_up_at) // hang.limit_s)


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
    run_at = min((r.by_run.started_at for r in readings.replicas if r.by_run), default=None)
    claims = [claim for reading in readings.dependents for claim in _dependent(reading, run_at, readings.ill_before)]
    worst_of = _worst([*claims, *_codes_of_dependents(readings)])
    if worst_of:
        return worst_of
    names = ", ".join(reading.service for reading in readings.dependents) or "none"
    details = [f"{claim.subject} {claim.says}" for claim in claims if claim.details]
    says = f"running, staying up, younger than the restored files: {names}"
    note = next((claim.note for claim in claims if claim.note), "")
    return replace(passed("dependents", says, Evidence.PROCESS, *details), note=note)


def code_of_dependents(readings: Readings) -> Claim:
    """No dependent still has the change in memory: what no waiting can change."""
    return _worst(_codes_of_dependents(readings)) or passed("dependents", "have old code", Evidence.PROCESS)


def _worst(claims: Iterable[Claim]) -> Claim | None:
    """The first that failed, else the first that is inconclusive; None where all passed."""
    problems = sorted((claim for claim in claims if not claim.passed), key=lambda c: c.outcome.value)
    return next(
        (Claim(c.outcome, "dependents", f"{c.subject} {c.says}", c.stands_on, c.details) for c in problems), None
    )


def _codes_of_dependents(readings: Readings) -> Iterable[Claim]:
    written, touched = _restored_at(readings)
    for reading in readings.dependents:
        yield from (_dependent_code(reading, before, written, touched) for before in _replicas(reading.before))


def _restored_at(readings: Readings) -> tuple[Instant | None, Instant | None]:
    """When the newest restored file was written, and when one was last touched at all, as the replicas see it."""
    found = [file for r in readings.replicas if isinstance(r.code, CodeReading) for file in r.code.files]
    written = max((file.modified_at for file in found if file.modified_at), default=None)
    return written, max((file.changed_at for file in found if file.changed_at), default=None)


def _dependent(reading: DependentReading, run_at: Instant | None, ill_before: Mapping[str, str]) -> list[Claim]:
    """`run_at`: when the judged run started the first replica."""
    for side in (reading.before, reading.after):
        if isinstance(side, Unmeasured):
            return [inconclusive(reading.service, side)]
    if not reading.before and reading.after:
        return [inconclusive(reading.service, "had no container at first, and has one now: verify again")]
    if not reading.before:
        return [failed(reading.service, "has no container", Evidence.PROCESS)]
    claims: list[Claim] = []
    came = {r.name for r in _replicas(reading.after) if r.id not in {b.id for b in _replicas(reading.before)}}
    if came:
        says = f"has containers that came while the checks ran ({', '.join(sorted(came))}): verify again"
        claims.append(inconclusive(reading.service, says))
    for before in _replicas(reading.before):
        after = next((r for r in _replicas(reading.after) if r.id == before.id), None)
        claims.append(_dependent_container(before, after, run_at, ill_before))
    return claims


def _replicas(side: tuple[Replica, ...] | Unmeasured) -> tuple[Replica, ...]:
    return () if isinstance(side, Unmeasured) else side


def _dependent_container(
    before: Replica, after: Replica | None, run_at: Instant | None, ill_before: Mapping[str, str]
) -> Claim:  # fmt: skip
    if after is None:
        return inconclusive(before.name, "was removed while the checks ran: verify again")
    if not before.is_running and after.is_running:
        return inconclusive(before.name, f"was {before.condition} at first, and runs now: verify again")
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
    return _health(before.name, after, ill_before)


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
