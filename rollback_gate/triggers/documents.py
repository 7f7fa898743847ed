"""Triggers on documents: their success, and their processing time."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rollback_gate.evidence.readings import ProbeReading, UpstreamState
from rollback_gate.evidence.symptoms import Attempt, Symptoms
from rollback_gate.model import Decision, Unmeasured
from rollback_gate.profile.schema import Profile
from rollback_gate.triggers.rule import Answer, duration, fires, quiet, unmeasured, waits

RECENT = 20
_CONSISTENTLY = 3
_UNNOTICED_S = 10.0


def same_error(symptoms: Symptoms, profile: Profile) -> Answer:
    """All documents failing with the same error (Immediate Rollback 5)."""
    last, enough = _last(symptoms, profile), profile.triggers.documents
    errors = {attempt.error for attempt in last}
    if len(last) >= enough and all(a.failed for a in last) and len(errors) == 1 and errors != {""}:
        return _rollback_or_upstream(
            symptoms, f"the last {len(last)} documents all failed with the same error", last, last[-1].sample
        )
    if symptoms.unread:
        return unmeasured(symptoms.unread)
    failed = sum(attempt.failed for attempt in last)
    if failed and failed == len(last):
        return unmeasured(f"{failed} documents failed, none succeeded: {enough} are needed to say that all do")
    return quiet(f"{failed} of the last {len(last)} documents failed") if last else unmeasured(_none(symptoms))


def upstream(symptoms: Symptoms, _: Profile) -> Answer:
    """The upstream refuses or does not answer: old code would wait for the same one (tree: check the MCP server)."""
    if symptoms.upstream.state is UpstreamState.NOT_ASKED:
        return unmeasured(f"{symptoms.upstream.name} was not asked")
    if not symptoms.upstream.answers:
        return fires(Decision.FIX_UPSTREAM, symptoms.upstream.says)
    return quiet(symptoms.upstream.says)


def _none(symptoms: Symptoms) -> str:
    """Why no document can be judged."""
    open_ = len(symptoms.attempts)
    if open_:
        return f"{open_} documents are in work, none of them is finished or has failed by now"
    return "no document was picked up since the deployment: --probe sends one"


def no_test_document(symptoms: Symptoms, profile: Profile) -> Answer:
    """Cannot even run one test document successfully (Immediate Rollback 6). The probe takes precedence."""
    if symptoms.probe is not None:
        return _of_probe(symptoms, symptoms.probe, profile)
    last = _last(symptoms, profile)
    if len(last) >= profile.triggers.documents and all(attempt.failed for attempt in last):
        return _rollback_or_upstream(symptoms, f"not one of the last {len(last)} documents succeeded", last)
    if symptoms.unread:
        return unmeasured(symptoms.unread)
    finished = [attempt for attempt in _recent(symptoms) if attempt.finished]
    if finished:
        return quiet(f"{finished[-1].document} succeeded, in {finished[-1].seconds:.1f} s")
    return unmeasured("no document has succeeded yet: --probe sends one" if last else _none(symptoms))


def _of_probe(symptoms: Symptoms, probe: ProbeReading | Unmeasured, profile: Profile) -> Answer:
    if isinstance(probe, Unmeasured):
        return unmeasured(probe)
    if probe.document is not None and probe.document.score is not None:
        return quiet("the test document succeeded" + (f", in {probe.seconds:.1f} s" if probe.seconds else ""))
    if probe.document is not None:
        return fires(Decision.ROLL_BACK, "the test document was saved without quality metrics", *probe.log_lines)
    if probe.replica is None:
        waiting = "" if isinstance(symptoms.queue, Unmeasured) else f"; {symptoms.queue.depth} tasks wait in the queue"
        return unmeasured(f"no replica was seen to pick the test document up{waiting}", *probe.log_lines)
    limit = duration(profile.limits.probe_s)
    own = [a for log in symptoms.logs for a in log.attempts if a.document == probe.document_id]
    if own and all(_hangs_as_known(attempt, profile) for attempt in own):
        return unmeasured(
            "the test document was a further one of its process, on which old code hangs too: it tells "
            "nothing; restart the worker, or wait for documents",
            *probe.log_lines,
        )
    if not symptoms.upstream.answers:
        return fires(
            Decision.FIX_UPSTREAM,
            f"the test document was not finished within {limit}, and {symptoms.upstream.name} does "
            f"not answer: {symptoms.upstream.says}",
            *probe.log_lines,
        )
    return fires(
        Decision.ROLL_BACK, f"the test document was picked up and not finished within {limit}", *probe.log_lines
    )


def too_slow(symptoms: Symptoms, profile: Profile) -> Answer:
    """Processing time above 400 seconds, consistently; the upstream is checked first (Immediate Rollback 4; tree)."""
    limit = profile.triggers.slow_s
    recent = [a for a in _recent(symptoms, with_open=True) if not _hangs_as_known(a, profile)]
    # A failed one's time ends when the next document is picked up, which may be an idle hour later.
    slow = [attempt for attempt in recent if attempt.seconds > limit and (attempt.finished or not attempt.failed)]
    fast = [attempt for attempt in recent if attempt.finished and attempt.seconds <= limit]
    if len(slow) >= _CONSISTENTLY and len(slow) > len(fast):
        says = f"{len(slow)} of the last {len(slow) + len(fast)} documents took longer than {duration(limit)}"
        return _rollback_or_upstream(symptoms, says, slow)
    if symptoms.unread:
        return unmeasured(symptoms.unread)
    if len(fast) < _CONSISTENTLY:
        return unmeasured(f"{len(fast)} documents in time are too few to be calm: {_CONSISTENTLY} are needed")
    return quiet(f"{len(slow)} of the last {len(slow) + len(fast)} documents took longer than {duration(limit)}")


def slower(symptoms: Symptoms, profile: Profile) -> Answer:
    """Processing time slightly higher (Wait 3): may be normal during ramp-up only."""
    times = [attempt.seconds for attempt in _recent(symptoms) if attempt.finished]
    # An increase by half of a very short time would go unnoticed.
    limit = max(symptoms.normal_s * 1.5, _UNNOTICED_S) if symptoms.normal_s else profile.triggers.slower_s
    by = f"{duration(limit)}, {'half as much again as before' if symptoms.normal_s else 'by the profile'}"
    if times and (median := statistics.median(times)) > limit:
        says = f"half of the last {len(times)} documents took longer than {median:.0f} s (normal: up to {by})"
        if waits(symptoms, profile):
            return fires(Decision.WAIT, f"{says}: may be normal during ramp-up")
        return fires(Decision.INVESTIGATE, f"{says}, and ramp-up is over")
    if symptoms.unread:
        return unmeasured(symptoms.unread)
    if not times:
        return unmeasured("no document has succeeded yet" if _recent(symptoms) else _none(symptoms))
    return quiet(f"half of the last {len(times)} documents took at most {median:.1f} s (normal: up to {by})")


def mixed(symptoms: Symptoms, profile: Profile) -> Answer:
    """Mixed success and failures (Wait 4): expected during transition only."""
    recent = [attempt for attempt in _recent(symptoms) if not _hangs_as_known(attempt, profile)]
    failed = [attempt for attempt in recent if attempt.failed]
    if failed:
        says = f"{len(failed)} of the last {len(recent)} documents failed"
        samples = tuple(dict.fromkeys(a.sample for a in failed if a.sample))[:3]
        if waits(symptoms, profile):
            return fires(Decision.WAIT, f"{says}: expected during transition", *samples)
        return fires(Decision.INVESTIGATE, f"{says}, and the transition is over", *samples)
    if symptoms.unread:
        return unmeasured(symptoms.unread)
    return quiet(f"none of the last {len(recent)} documents failed") if recent else unmeasured(_none(symptoms))


def _recent(symptoms: Symptoms, with_open: bool = False) -> list[Attempt]:
    """The last documents that finished or failed; `with_open`: and those still in work."""
    return [a for a in symptoms.attempts if with_open or a.finished or a.failed][-RECENT:]


def _hangs_as_known(attempt: Attempt, profile: Profile) -> bool:
    """A further document of a process, without an error of its own: old code hangs on it too (known.hang)."""
    hang = profile.known.hang
    is_further = hang is not None and attempt.after >= hang.after
    return is_further and not (attempt.finished or attempt.again or attempt.error)


def _last(symptoms: Symptoms, profile: Profile) -> list[Attempt]:
    rows = [attempt for attempt in _recent(symptoms) if not _hangs_as_known(attempt, profile)]
    return rows[-profile.triggers.documents :]


def _rollback_or_upstream(symptoms: Symptoms, says: str, attempts: Sequence[Attempt], *evidence: str) -> Answer:
    """If the upstream is the cause, a rollback does not help: old code would wait for the same one."""
    if not symptoms.upstream.answers:
        says += f", and {symptoms.upstream.name} does not answer: {symptoms.upstream.says}"
        return fires(Decision.FIX_UPSTREAM, says, *evidence)
    in_trouble = sum(attempt.upstream > 0 for attempt in attempts)
    if in_trouble > len(attempts) / 2:
        return fires(
            Decision.FIX_UPSTREAM,
            f"{says}, and for {in_trouble} of them the log says that {symptoms.upstream.name} did not "
            "answer in time, was away or overloaded",
            *evidence,
        )
    if symptoms.upstream.state is UpstreamState.NONE:
        return fires(Decision.ROLL_BACK, says, *evidence)
    return fires(Decision.ROLL_BACK, f"{says}; {symptoms.upstream.name} answers ({symptoms.upstream.says})", *evidence)
