"""Check 2, for replicas that read the queue: started cleanly, are consumers, and log few errors."""

from __future__ import annotations

from dataclasses import replace

from rollback_gate.checks.cut import cut_off
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import ReplicaReading
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.live import Hang
from rollback_gate.profile.schema import Profile

_SLACK = 1.2


def clean_start(replica: ReplicaReading, profile: Profile) -> Claim:
    """The replica started without errors and consumes (runbook: no startup errors).

    The queue drops a consumer that is busy for longer than two heartbeats (FACTS). An unlisted replica is alive if its
    log shows a document in work. It failed if it never connected, and its log reaches back far enough to show that.
    """
    log = replica.log
    if isinstance(replica.in_queue, Unmeasured):
        return inconclusive(replica.label, replica.in_queue)
    if isinstance(log, Unmeasured):
        if replica.in_queue:
            return passed(
                replica.label, f"is a consumer of the queue; its start was not seen ({log.reason})", Evidence.PROCESS
            )
        return inconclusive(replica.label, log)
    if not log.lines:
        return inconclusive(replica.label, "has logged nothing that could be read since the boundary")
    if replica.in_queue is None:
        return _by_its_log(replica, log, profile)
    has_consumed = replica.in_queue or replica.in_queue_before is True
    if log.startup_errors and (log.consuming_at or not has_consumed):
        return failed(replica.label, "had errors at its start", Evidence.LOG, *log.startup_errors)
    if not replica.in_queue:
        return _not_listed(replica, log, profile)
    if log.consuming_at:
        return passed(
            replica.label, f"started without errors, consuming since {log.consuming_at.short}", Evidence.PROCESS
        )
    if gone := cut_off(replica, profile):
        return inconclusive(
            replica.label, f"is a consumer of the queue; whether it started cleanly is not known: {gone}"
        )
    return passed(
        replica.label,
        "is a consumer of the queue; the lines of its start are not in the log since the boundary",
        Evidence.PROCESS,
        *log.startup_errors,
    )


def _by_its_log(replica: ReplicaReading, log: LogSummary, profile: Profile) -> Claim:
    """Judged by its log: it shares an address (host network, for example), so the queue cannot identify it."""
    if log.startup_errors and log.consuming_at:  # else the start is not in the log, and the errors may be from any time
        return failed(replica.label, "had errors at its start", Evidence.LOG, *log.startup_errors)
    if log.finished and (log.connected_at or profile.logs.connected is None):
        says = "has connected and finished documents, by its log; the queue cannot tell which of its clients it is"
        return passed(replica.label, says, Evidence.LOG)
    says = "has no address of its own by which the queue could tell it, and its log does not show that it works"
    return inconclusive(replica.label, says)


def _not_listed(replica: ReplicaReading, log: LogSummary, profile: Profile) -> Claim:
    """The claim on a replica that the queue does not list at the end of the checks."""
    if _was_started_anew(replica):
        return inconclusive(
            replica.label,
            "was restarted by someone while the checks ran, and had not connected to the queue again: verify again",
        )
    if log.unfinished and _works_by_its_log(log, profile):
        busy_with = ", ".join(list(log.unfinished)[-3:])
        says = f"is busy with {busy_with}; meanwhile the queue does not list it"
        return passed(replica.label, says, Evidence.LOG)
    never = not log.connected_at and not log.picked_up and not log.finished and not replica.in_queue_before
    if never and log.consuming_at and profile.logs.connected:  # its log reaches back to the start, and would show it
        return failed(
            replica.label, "is not connected to the queue: it has never connected, and finished nothing", Evidence.LOG
        )
    return inconclusive(
        replica.label, "is not listed by the queue, and its log does not say that it is busy: verify again"
    )


def _works_by_its_log(log: LogSummary, profile: Profile) -> bool:
    """True if its last pick-up or line of known noise is not older than the longest time for one document."""
    if log.read_at is None or log.last_at is None:
        return False
    hang = profile.known.hang
    longest_s = max(hang.limit_s if hang else 0, profile.limits.probe_s)
    return log.read_at.seconds_since(log.last_at) <= longest_s * _SLACK


def _was_started_anew(replica: ReplicaReading) -> bool:
    """True if it was restarted during the checks: a new process need not be a consumer yet. stays_up judges why."""
    before, after = replica.before, replica.after
    return isinstance(before, Replica) and isinstance(after, Replica) and after.started_at != before.started_at


def few_errors(replica: ReplicaReading, profile: Profile) -> Claim:
    """Error lines since the boundary, without known noise of old code (runbook, Production, Step 4).

    The usual number is known for the consuming service only; too many errors in any other one are inconclusive.
    """
    log = replica.log
    if isinstance(log, Unmeasured):
        return inconclusive(replica.label, log)
    if broken := [text for text in log.error_samples if profile.triggers.import_error.search(text)]:
        return failed(replica.label, "cannot import what it needs", Evidence.LOG, *broken)
    if not replica.consumes and not log.lines and not log.unreadable_lines:
        return passed(replica.label, "has logged nothing since the boundary, so no error either", Evidence.LOG)
    if not log.lines or log.unreadable_lines:
        return inconclusive(
            replica.label,
            f"{log.unreadable_lines} unreadable lines and {log.lines} readable ones: its errors cannot be counted",
        )
    noise, beyond = _noise(log, _in_hand(log, replica, profile), profile)
    limit, count = profile.limits.errors, log.errors + beyond
    says = f"{count} error lines since the boundary, more than {limit}"
    if count > limit and not replica.consumes:
        says += ": whether this service had as many before is unknown"
        return inconclusive(replica.label, says, *log.error_samples, *noise)
    if count > limit:
        return failed(replica.label, says, Evidence.LOG, *log.error_samples, *noise)
    if gone := cut_off(replica, profile):
        return inconclusive(replica.label, f"{gone}, so its errors cannot be counted", *log.error_samples, *noise)
    if count + log.without_level > limit and log.without_level:
        says = f"{log.without_level} lines have no level, or one that does not show: errors cannot be counted"
        return inconclusive(replica.label, says, *log.error_samples, *noise)
    says = f"{count} error lines since the boundary (limit {limit})"
    claim = passed(replica.label, says, Evidence.LOG, *log.error_samples, *noise)
    now = replica.before
    if isinstance(now, Replica) and 0 < now.log_buffer_bytes <= log.size_bytes:  # a smaller log cannot overflow it
        return replace(claim, note=f"the log of {now.name} may lack lines (mode: non-blocking)")
    return claim


def _in_hand(log: LogSummary, replica: ReplicaReading, profile: Profile) -> int:
    """Number of documents by the log; if the log does not show them, by the queue's count, at least 1."""
    if log.could_show_documents:
        return documents_in_hand(log, profile.known.hang)
    return max(1, replica.finished_in_queue or 0)


def _noise(log: LogSummary, in_hand: int, profile: Profile) -> tuple[list[str], int]:
    """Each form of known noise in words, and the number of lines above what old code prints for its documents."""
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
    """Pick-ups, plus documents that the worker gave up behind a hanging one without picking them up."""
    if hang is None or log.first_picked_up_at is None or log.last_at is None or not log.unfinished:
        return log.picked_up
    return log.picked_up + int(log.last_at.seconds_since(log.first_picked_up_at) // hang.limit_s)
