"""Check 2: every service is running (runbook, Verify, Check 2: Worker Is Running)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rollback_gate.change.reading import CodeReading
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import Readings, ReplicaReading
from rollback_gate.instant import Instant
from rollback_gate.model import Claim, Evidence, Outcome, Unmeasured, failed, inconclusive, passed
from rollback_gate.platform.configured import SAME_PARTS
from rollback_gate.platform.replica import Replica
from rollback_gate.redaction import cut

_LONGEST = 200
_MAIN = "1"
_CHECKS_MISSED, _CHECK_SLACK_S = 2, 60
_ONCE_MORE = 2  # failures of a slot: one may have been its start beside a database that was late
_ORDER = (Outcome.FAILED, Outcome.INCONCLUSIVE)


def expected_number(readings: Readings) -> Claim:
    """Each service has the expected number of replicas, all running."""
    if nothing_exists(readings):
        return inconclusive(
            "services",
            "no container of any service exists here: is it the right engine, and the right deployment.project?",
        )
    claims = [_expected_of(readings, service) for service in readings.services]
    return _all_of("services", claims, Evidence.PROCESS)


def _expected_of(readings: Readings, service: str) -> Claim:
    expected = readings.expected[service]
    replicas = readings.of(service)
    states = [r.before for r in replicas]
    found = [state for state in states if isinstance(state, Replica)]
    counted = [state for state in found if not state.unwanted]
    running = [state for state in counted if state.is_running]
    details = [f"{state.name}: {state.condition}" for state in found] + _lacking(readings, service)
    unread = [state for state in states if isinstance(state, Unmeasured)]
    if len(running) < expected <= len(running) + len(unread):
        return inconclusive(service, unread[0], *details)
    if len(running) < expected <= _running_at_the_end(readings, service):
        return inconclusive(
            service,
            f"{len(running)} of {expected} replicas ran at first, all of them at the end: verify again",
            *details,
        )
    if len(running) < expected:
        why = "".join(f"; {says}" for says in _lacking(readings, service)[:1])
        return failed(service, f"{len(running)} of {expected} replicas run{why}", Evidence.PROCESS, *details)
    if strays := [state for state in found if state.unwanted]:
        says = "; ".join(f"{state.place} runs beside them, and {state.unwanted}" for state in strays)
        return inconclusive(service, f"{says}: end it there, or wait until it has ended, then verify again", *details)
    if len(found) > expected:
        return inconclusive(
            service,
            f"{len(found)} replicas exist, {expected} are expected: if that is right, "
            f"set services.{service}.replicas={len(found)}",
            *details,
        )
    return passed(service, f"{len(running)} of {expected} replicas run", Evidence.PROCESS, *details)


def _lacking(readings: Readings, service: str) -> list[str]:
    """What a Swarm's manager says of replicas that have no container."""
    stands = readings.stands
    return [] if stands is None or isinstance(stands, Unmeasured) else list(stands.lacking.get(service, ()))


def _all_of(subject: str, claims: Iterable[Claim], on: Evidence) -> Claim:
    """One claim for all services: the first that failed, else the first inconclusive one, with others like it."""
    rows = list(claims)
    for outcome in _ORDER:
        if same := [claim for claim in rows if claim.outcome is outcome]:
            likes = (f"{claim.subject}: {claim.says}" for claim in same[1:])
            return replace(same[0], details=(*same[0].details, *likes))
    says = "; ".join(f"{claim.subject}: {claim.says}" for claim in rows)
    return passed(subject, says, on, *(detail for claim in rows for detail in claim.details))


def _running_at_the_end(readings: Readings, service: str) -> int:
    """Number running at the end: replicas of the first look, plus containers that came since."""
    replicas = readings.of(service)
    known = [r.after for r in replicas if isinstance(r.after, Replica) and not (r.after.unwanted or _crashes(r))]
    return sum(replica.is_running for replica in known) + readings.came.get(service, 0)


def _crashes(reading: ReplicaReading) -> bool:
    """True if its process had exited and the engine was about to restart it, however long the next process runs.
    False if it was restarted by hand since, which resets the restart count to 0.
    """
    before, after = reading.before, reading.after
    if isinstance(before, Replica) and before.node:  # Swarm makes a new task each time
        return before.restarts >= _ONCE_MORE and not before.is_running
    if not isinstance(before, Replica) or not before.restarting:
        return False
    return not isinstance(after, Replica) or after.restart_count >= before.restart_count


def nothing_exists(readings: Readings) -> bool:
    """True if the project has no container here: this says nothing about a rollback (DESIGN: zero replicas)."""
    return readings.project_exists is False


def same_replicas(readings: Readings) -> Claim:
    """The containers at the end are those of the beginning; otherwise a scaled or recreated service is half judged."""
    claims = [_same_of(readings, service) for service in readings.services]
    return _all_of("services", claims, Evidence.PROCESS)


def _same_of(readings: Readings, service: str) -> Claim:
    after = readings.ids_after.get(service, Unmeasured(f"containers of {service}", "there was no second look"))
    if isinstance(after, Unmeasured):
        return inconclusive(service, after)
    before = {r.before.id: r.before.name for r in readings.of(service) if isinstance(r.before, Replica)}
    came = sorted(name for name, container_id in after.items() if container_id not in before)
    went = sorted(name for container_id, name in before.items() if container_id not in after.values())
    if came or went:
        says = [f"new: {', '.join(came)}" if came else "", f"gone: {', '.join(went)}" if went else ""]
        return inconclusive(
            service, f"containers changed while the checks ran ({'; '.join(filter(None, says))}): verify again"
        )
    return passed(service, f"the same {len(before)} containers from beginning to end", Evidence.PROCESS)


def _running(readings: Readings, service: str) -> int:
    return sum(isinstance(r.before, Replica) and r.before.is_running for r in readings.of(service))


def state(readings: Readings, replica: ReplicaReading) -> Claim:
    """The replica is running, not restarting or paused, and healthy if it has a health check."""
    now = replica.before
    if isinstance(now, Unmeasured):
        return inconclusive(replica.label, now)
    if now is None and nothing_exists(readings):
        return inconclusive(replica.label, "does not exist, nor does anything else of this deployment")
    if now is None and _running_at_the_end(readings, replica.service) >= readings.expected[replica.service]:
        return inconclusive(replica.label, "did not exist at first, and all replicas run at the end: verify again")
    if now is None:
        return failed(replica.label, "does not exist", Evidence.PROCESS)
    if not now.is_running and _running(readings, replica.service) >= readings.expected[replica.service]:
        return inconclusive(
            replica.label,
            f"is {now.condition}, beside as many running replicas as are expected: remove it if it is not needed",
        )
    # Of one that has ended meanwhile, `stays_up` tells: its health check says "unhealthy" from then on.
    latest = replica.after if isinstance(replica.after, Replica) and replica.after.is_running else now
    if not now.is_running and latest.is_running and not _crashes(replica):
        return inconclusive(replica.label, f"was {now.condition} at first, and runs now: verify again")
    if not now.is_running:
        return failed(replica.label, f"is {now.condition}", Evidence.PROCESS)
    if isinstance(replica.code, CodeReading) and _MAIN in replica.code.stopped:
        return failed(replica.label, "is running, but its process is stopped (SIGSTOP)", Evidence.PROCESS)
    if forgotten := _is_checked_no_more(latest, _now(readings)):
        return inconclusive(replica.label, forgotten)
    health = _health(replica.label, latest, readings.ill_before, _now(readings))
    if health.passed and isinstance(replica.code, CodeReading) and replica.code.stopped:
        names = ", ".join(replica.code.stopped)
        return inconclusive(replica.label, f"is running, but process {names} in it is stopped (SIGSTOP)")
    return health


def _now(readings: Readings) -> Instant | None:
    """The time at the end of the checks, by the engine's clock; None if no log could be read."""
    logs = (replica.log for replica in readings.replicas)
    return max((log.read_at for log in logs if isinstance(log, LogSummary) and log.read_at), default=None)


def _is_checked_no_more(replica: Replica, now: Instant | None) -> str:
    """Why the health check's result is outdated: a restarted engine may no longer run it; "" if nothing shows that."""
    if now is None or replica.check_at is None or replica.health not in ("healthy", "unhealthy"):
        return ""
    silent_s = now.seconds_since(replica.check_at)
    if silent_s <= _CHECKS_MISSED * replica.check_every_s + _CHECK_SLACK_S:
        return ""
    says = (
        f"is {replica.health}, but its health check last ran {silent_s / 60:.0f} min ago, at {replica.check_at.short}"
    )
    return f"{says}: restart it, so that the engine goes on with it"


def _health(subject: str, replica: Replica, ill_before: Mapping[str, str], now: Instant | None) -> Claim:
    """A health check that cannot run is no evidence. One that failed before the change too is not the rollback's fault;
    one that failed only before the rollback may be damage by the change.
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
        return inconclusive(subject, f"its health check {_not_yet(replica, now)}")
    says = "is running and healthy" if health == "healthy" else "is running (it has no health check)"
    return passed(subject, says, Evidence.PROCESS)


def _not_yet(replica: Replica, now: Instant | None) -> str:
    """Why a health check has no result yet. The engine waits one interval before it runs the first one."""
    if replica.check_results:
        return "has not spoken yet"
    due = replica.started_at.plus(replica.check_every_s) if replica.started_at else None
    if due is not None and now is not None and due > now:
        return f"gives its first result by {due.short}: verify again then, or raise limits.health_s"
    return "has never run: does the engine run health checks?"


def stays_up(readings: Readings, replica: ReplicaReading) -> Claim:
    """The same process runs over the soak. A restart by the engine is a failure; one by hand is inconclusive."""
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
    if after.restarts > before.restarts:
        return failed(replica.label, f"restarted {after.restarts - before.restarts} times {window}", Evidence.PROCESS)
    if not before.is_running:
        return inconclusive(replica.label, f"is {before.condition}, so nothing could be watched")
    if not after.is_running and after.unwanted:
        return inconclusive(
            replica.label, f"{after.unwanted}: the Swarm was told to stop it while the checks ran; verify again"
        )
    if not after.is_running:
        return failed(replica.label, f"was {before.condition} and is now {after.condition}", Evidence.PROCESS)
    if after.started_at != before.started_at:
        return inconclusive(replica.label, "was restarted by someone while the checks ran: verify again")
    if count := _restarts_since_the_run(replica, after):
        return failed(replica.label, f"restarted by itself since the rollback ({count} times)", Evidence.PROCESS)
    if after.restarts and not (replica.by_run or replica.ordered_at):
        says = f"has been restarted {after.restarts} times by the engine since somebody started it: before the"
        how = "Make its tasks anew (`docker service update --force`)" if after.node else "Restart it once by hand"
        return inconclusive(replica.label, f"{says} rollback or after it, nothing tells. {how}, and verify again")
    if readings.ended_early:
        return inconclusive(replica.label, f"was watched {window} only: {readings.ended_early}")
    return passed(replica.label, f"same container, same process, no restart {window}", Evidence.PROCESS)


def _restarts_since_the_run(replica: ReplicaReading, after: Replica) -> int:
    """Of a Swarm's slot, by the definition that the run has ordered: each of its tasks is started once."""
    run = replica.by_run
    if replica.ordered_at is not None:
        return after.restarts_since(replica.ordered_at)
    if run is None or after.started_at is None or after.started_at <= run.started_at:
        return 0
    return after.restarts_since(run.started_at)


def image_and_configuration(replica: ReplicaReading) -> Claim:
    """Runs the image and the configuration that the run intended; without a run, the image that its name points to."""
    now = replica.before
    if not isinstance(now, Replica):
        return inconclusive(replica.label, "does not exist, so its image could not be compared")
    if isinstance(replica.image_of_tag, Unmeasured):
        return inconclusive(replica.label, replica.image_of_tag)
    details = (f"image {now.image_id[:19]}", f"configuration {now.config_hash[:12]}")
    run = replica.by_run
    if run and (run.image_id, run.config_hash) != (now.image_id, now.config_hash):
        return failed(
            replica.label, "is not the container configuration that the rollback started", Evidence.PROCESS, *details
        )
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
        return inconclusive(
            replica.label,
            f"does not run the image that {now.image_name} names now: the next recreate would start that",
            *details,
            f"{now.image_name} is {replica.image_of_tag[:19]}",
        )
    return passed(replica.label, f"runs {now.image_name} as intended", Evidence.PROCESS, *details)


def configurations(readings: Readings) -> Claim:
    """All replicas of a service have the same configuration, and a new one would get it too."""
    claims = [_configuration_of(readings, service) for service in readings.services]
    return _all_of("services", claims, Evidence.PROCESS)


def _configuration_of(readings: Readings, service: str) -> Claim:
    found = [r.before for r in readings.of(service) if isinstance(r.before, Replica)]
    have = {replica.config_hash for replica in found}
    now = readings.configured.get(service, Unmeasured(f"the configuration of {service}", "it was not asked"))
    if isinstance(now, Unmeasured):
        return inconclusive(service, now)
    if now == SAME_PARTS:
        says = f"a new container would get {now}; more than these cannot be compared here"
        return passed(service, says, Evidence.PROCESS)
    rewritten = readings.rewritten.get(service, ())
    if isinstance(rewritten, Unmeasured):
        return inconclusive(service, rewritten)
    if rewritten:
        says = f"would get another {', '.join(rewritten)} by the next deployment of the project's files"
        return inconclusive(service, f"{says}: write there what the service has now, then verify again")
    if readings.stands is not None and have != {now}:
        says = "has tasks of another definition than the service has now: its last update has not reached them all"
        return inconclusive(service, f"{says}, or went back; the next task would be another one")
    if len(have) > 1:
        return inconclusive(service, "has replicas of different configurations: recreate them all, then verify again")
    if have != {now}:
        says = "would get another configuration now: the Compose files have changed since, or variables that they use"
        return inconclusive(
            service,
            f"{says} are not known here (deployment.variables); the next `up` would start that",
            f"now: {cut(now, _LONGEST)}",
        )
    return passed(service, "a new container would get the same configuration", Evidence.PROCESS)
