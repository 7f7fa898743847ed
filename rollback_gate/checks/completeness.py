"""Check 4: completeness is back to normal (runbook, Verify, Check 4). Uses only documents since the boundary."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rollback_gate.change.reading import Baseline
from rollback_gate.checks import new_behaviour, processed, processing
from rollback_gate.confidence import half_width
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import DocumentReading, ProbesReading, Readings, UpstreamState
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed
from rollback_gate.profile.live import Completeness
from rollback_gate.profile.schema import Profile

_NEAR = 0.005


@dataclass(frozen=True)
class Sample:
    """Scores as shares 0..1. `low`, `high`: the confidence interval of the mean, within 0..1."""

    scores: tuple[float, ...]
    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"mean {self.mean:.1%} of {len(self.scores)} documents ({self.low:.1%} to {self.high:.1%})"


def sample_of(scores: Sequence[float], confidence: float) -> Sample:
    """The mean and its confidence interval (Student's t). Raises ValueError for fewer than two scores."""
    if len(scores) < 2:
        raise ValueError("an interval needs two scores at least")
    mean = statistics.fmean(scores)
    half = half_width(statistics.stdev(scores), len(scores), confidence)
    return Sample(tuple(scores), mean, max(0.0, mean - half), min(1.0, mean + half))


@dataclass(frozen=True)
class Scored:
    """Scores of documents finished since the boundary. `removed`: of probes that are no longer stored."""

    stored: tuple[float, ...]
    removed: tuple[float, ...]
    probes: int
    documents: tuple[DocumentReading, ...]

    @property
    def all(self) -> tuple[float, ...]:
        return (*self.stored, *self.removed)

    @property
    def in_words(self) -> str:
        organic = len(self.stored) - self.probes
        gone = f", {len(self.removed)} of them removed since" if self.removed else ""
        return f"{organic} organic documents, {self.probes + len(self.removed)} test documents{gone}"


def scored(readings: Readings, profile: Profile) -> Scored | Unmeasured:
    """Scores of documents stored since the boundary, and of removed probes whose score is in a log."""
    documents = readings.documents
    if isinstance(documents, Unmeasured):
        return documents
    stored = tuple(d.score for d in documents.documents if d.score is not None)
    removed = {
        proof.document_id: proof.score for proof in processed.proofs_of(readings, profile) if not proof.is_stored
    }
    probes = sum(d.is_probe for d in documents.documents if d.score is not None)
    return Scored(stored, tuple(removed.values()), probes, documents.documents)


def readable_scores(readings: Readings, profile: Profile) -> Claim:
    """Every document has a score, and every score is a share between 0 and 1."""
    found = scored(readings, profile)
    if isinstance(found, Unmeasured):
        return inconclusive("scores", found)
    rows = found.documents
    missing = [d.id for d in rows if d.score is None]
    outside = [f"{d.id}: {d.score}" for d in rows if d.score is not None and not 0 <= d.score <= 1]
    count = len(rows) + len(found.removed)
    if outside:
        return inconclusive("scores", f"{len(outside)} of {count} are not between 0 and 1", *outside[:5])
    if missing:
        return inconclusive("scores", f"{len(missing)} of {count} documents have none", *missing[:5])
    if not count:
        return inconclusive("scores", "no document was finished since the boundary")
    return passed("scores", f"{count} documents, each with a score between 0 and 1", Evidence.DOCUMENT)


def clock(readings: Readings, profile: Profile) -> Claim:
    """The worker's clock agrees with the engine's; otherwise creation times cannot be compared with the boundary.

    Compares a document's stored time with its last completion, because each completion overwrites it.
    """
    limit = profile.limits.clock_skew_s
    for reading in (readings.documents, readings.stored):
        if isinstance(reading, Unmeasured):
            return inconclusive("clock", reading)
    skews = [*_skews_by_log(readings, limit), *_skews_by_sending(readings, limit)]
    if not skews and not _stored_at_all(readings):
        return passed("clock", "no stored document is judged by its time", Evidence.DOCUMENT)
    if not skews:
        return inconclusive(
            "clock",
            "no document was finished in sight of a log, or saved soon after it was sent, so "
            "worker and engine cannot be compared",
        )
    if max(skews) > limit:
        return inconclusive(
            "clock",
            f"worker and engine are {max(skews):.0f} s apart (limit {limit:.0f} s): "
            "documents since the boundary cannot be distinguished from older ones",
        )
    return passed("clock", f"worker and engine agree within {max(skews):.1f} s", Evidence.DOCUMENT)


def _stored_at_all(readings: Readings) -> bool:
    documents = () if isinstance(readings.documents, Unmeasured) else readings.documents.documents
    return bool(documents or readings.stored)


def _skews_by_log(readings: Readings, limit_s: float) -> list[float]:
    """Seconds between a stored document's time and the last log line of its completion in any replica.

    A document in work again may have been saved again after the logs were read; it is skipped if beyond the limit.
    """
    logs = [r.log for r in readings.consuming if isinstance(r.log, LogSummary)]
    stored = {} if isinstance(readings.stored, Unmeasured) else readings.stored
    skews = []
    for name, document in stored.items():
        finished_at = max((log.finished_at[name] for log in logs if name in log.finished_at), default=None)
        if finished_at is None or document.created_at is None:
            continue
        skew = abs(document.created_at.seconds_since(finished_at))
        if skew <= limit_s or not any(name in log.unfinished for log in logs):
            skews.append(skew)
    return skews


def _skews_by_sending(readings: Readings, limit_s: float) -> list[float]:
    """The same without log lines: seconds between a probe's time and when it was sent and found stored soon after."""
    probes = () if isinstance(readings.probes, Unmeasured) else readings.probes.probes
    skews = []
    for probe in probes:
        created = probe.document.created_at if probe.document else None
        if created is None or probe.completed_at or probe.stuck_in or probe.seen_at is None:
            continue
        if probe.seen_at.seconds_since(probe.sent_at) <= limit_s:
            skews.append(max(abs(created.seconds_since(at)) for at in (probe.sent_at, probe.seen_at)))
    return skews


def in_band(readings: Readings, profile: Profile) -> Claim:
    """The mean with its confidence interval is in the band; below the minimum sample, each document is.

    Raises ValueError for a profile without the section.
    """
    found = scored(readings, profile)
    if isinstance(found, Unmeasured):
        return inconclusive("completeness", found)
    if profile.completeness is None:
        raise ValueError("check completeness was asked for a profile without its section")  # the scope leaves it out
    normal = normal_of(profile.completeness, readings.baseline)
    scores, count = found.all, len(found.all)
    if any(not 0 <= score <= 1 for score in scores):
        return inconclusive("completeness", "some scores are not between 0 and 1, so no mean can be trusted")
    if not scores:
        return inconclusive("completeness", f"no document was finished since the boundary{_reason_of_none(readings)}")
    advice = "" if isinstance(readings.documents, Unmeasured) else readings.documents.advice
    details = [
        found.in_words,
        f"band {normal.low:.1%} to {normal.high:.1%} around {normal.expected:.1%}, {_origin(readings.baseline)}",
        *([advice] if advice else []),
    ]
    if count < normal.minimum_sample:
        return _few(scores, readings, profile, normal, tuple(details))
    sample = sample_of(scores, normal.confidence)
    return _judge(sample, readings, profile, normal, (*details, _tells_apart(sample, normal)))


def _reason_of_none(readings: Readings) -> str:
    probes, documents = readings.probes, readings.documents
    if not isinstance(documents, Unmeasured) and documents.left_out:
        return documents.left_out
    if isinstance(probes, ProbesReading) and probes.not_sent:
        return f"; {probes.not_sent}"
    return f"; not waited for: {readings.ended_early}" if readings.ended_early else ""


def _few(
    scores: tuple[float, ...], readings: Readings, profile: Profile, normal: Completeness, details: tuple[str, ...]
) -> Claim:
    """Too few for a mean: each document is judged alone, and only the code distinguishes old from new."""
    count, low, high = len(scores), min(scores), max(scores)
    each = f"{low:.1%}" if low == high else f"{low:.1%} to {high:.1%}"
    says = f"{count} document{'' if count == 1 else 's'}, no mean: {each}"
    changed = all(map(normal.is_changed, scores))
    if all(normal.low <= score <= normal.high for score in scores):
        if logged := _logged_outside(readings, normal):
            return inconclusive("completeness", f"{says}, each in the band; but {', '.join(logged)}", *details)
        return _few_in_band(says, low, readings, profile, normal, details)
    if high < normal.critical <= normal.low:
        return failed("completeness", f"{says}, below {normal.critical:.0%}", Evidence.DOCUMENT, *details)
    if changed and new_behaviour.shows_new(readings, profile):
        return failed(
            "completeness",
            f"{says}, the changed behaviour's level, and there are signs of the new code",
            Evidence.DOCUMENT,
            *details,
        )
    mean = statistics.fmean(scores)
    return inconclusive(
        "completeness",
        f"{says}, outside the band of {normal.low:.1%} to {normal.high:.1%}; "
        f"likely cause: {_likely_cause(mean, normal, readings)}",
        *details,
    )


def _logged_outside(readings: Readings, normal: Completeness) -> list[str]:
    """Logged scores outside the band, of documents finished by several replicas: only the last result is stored."""
    logs = [(r.label, r.log) for r in readings.replicas if isinstance(r.log, LogSummary)]
    stored = {} if isinstance(readings.stored, Unmeasured) else readings.stored
    several = {name for name in stored if sum(name in log.finished for _, log in logs) > 1}
    return [
        f"{label} logged {name} with {score:.1%}"
        for label, log in logs
        for name, score in log.scores.items()
        if name in several and not normal.low <= score <= normal.high
    ]


def _few_in_band(
    says: str, low: float, readings: Readings, profile: Profile, normal: Completeness, details: tuple[str, ...]
) -> Claim:
    if low < normal.critical:
        return inconclusive("completeness", f"{says}, as low as before the change", *details)
    proven = {proof.slot for proof in processed.proofs_of(readings, profile)}
    missing = [replica.label for replica in readings.consuming if replica.slot not in proven]
    if missing and not processing.document_from_every_replica(readings, profile).passed:
        return inconclusive("completeness", f"{says}, each in the band; none from {', '.join(missing)}", *details)
    if not new_behaviour.is_proven_old(readings, profile):
        return inconclusive(
            "completeness",
            f"{says}, each in the band, which does not tell old from new code; and check 1 does not prove the old code",
            *details,
        )
    return passed(
        "completeness",
        f"{says}, each in the band; does not tell old from new code, check 1 does",
        Evidence.CODE,
        *details,
    )


def normal_of(normal: Completeness, baseline: Baseline | None) -> Completeness:
    """The profile's band, moved to the mean of the baseline (if there is one) and limited to 0..1."""
    if baseline is None:
        return normal
    low = max(0.0, baseline.mean - (normal.expected - normal.low))
    high = min(1.0, baseline.mean + (normal.high - normal.expected))
    return normal.model_copy(update={"expected": baseline.mean, "low": low, "high": high})


def _origin(baseline: Baseline | None) -> str:
    if baseline is None:
        return "by the profile"
    if not baseline.snapshot:
        return f"by {baseline.documents} unmarked documents from before the change ({baseline.at})"
    return f"by snapshot {baseline.snapshot} of {baseline.documents} documents before the change"


def _judge(
    sample: Sample, readings: Readings, profile: Profile, normal: Completeness, details: tuple[str, ...]
) -> Claim:
    says = str(sample)
    if readings.baseline and normal.low <= sample.mean <= normal.high and _is_alarming(sample, normal):
        return _as_before_the_change(sample, readings, profile, normal, details)
    if sample.mean < normal.critical:
        return failed("completeness", f"{says}: below {normal.critical:.0%}", Evidence.AVERAGE, *details)
    at_changed = normal.is_changed(sample.mean)
    if (at_changed or _is_mixture(sample, normal)) and new_behaviour.shows_new(readings, profile):
        level = (
            f"near the changed behaviour's {normal.changed:.0%}"
            if at_changed
            else "a mixture of the normal and the changed level"
        )
        return failed(
            "completeness", f"{says}: {level}, and there are signs of the new code", Evidence.AVERAGE, *details
        )
    if _is_mixture(sample, normal):
        return inconclusive(
            "completeness",
            f"{says}: a mixture of the normal and the changed level, without a sign of the new code",
            *details,
        )
    if (side := _side_of_the_change(sample, normal)) and new_behaviour.shows_new(readings, profile):
        return failed(
            "completeness", f"{says}: {side} the band, and there are signs of the new code", Evidence.AVERAGE, *details
        )
    if normal.low <= sample.mean <= normal.high:
        return _in_band(sample, normal, details)
    proof = (
        "checks on the code prove the old code"
        if new_behaviour.is_proven_old(readings, profile)
        else "the old code is not proven either"
    )
    says = f"{sample}: outside the band, while {proof}; likely cause: {_likely_cause(sample.mean, normal, readings)}"
    return inconclusive("completeness", says, *details)


def _side_of_the_change(sample: Sample, normal: Completeness) -> str:
    """ "above" or "below" for a mean outside the band on the side to which the change moves it; else ""."""
    if normal.changed is None:
        return ""
    if normal.changed > normal.expected:
        return "above" if sample.mean > normal.high else ""
    return "below" if sample.mean < normal.low else ""


def _is_alarming(sample: Sample, normal: Completeness) -> bool:
    """True if this would be NO-GO by the profile alone."""
    return sample.mean < normal.critical or normal.is_changed(sample.mean)


def _as_before_the_change(
    sample: Sample, readings: Readings, profile: Profile, normal: Completeness, details: tuple[str, ...]
) -> Claim:
    """The baseline has this level too: averages do not distinguish old from new code here, only the code does.

    Below the critical level the claim is inconclusive.
    """
    says = f"{sample}: as before the change, which does not tell old from new code here"
    if sample.mean < normal.critical:
        return inconclusive("completeness", f"{sample}: as low as before the change", *details)
    if not all(normal.low <= score <= normal.high for score in sample.scores):
        return inconclusive("completeness", f"{says}, and single documents are scattered around it", *details)
    if new_behaviour.is_proven_old(readings, profile):
        return passed("completeness", f"{says}; check 1 does", Evidence.CODE, *details)
    return inconclusive("completeness", f"{says}; and check 1 does not prove the old code", *details)


def _likely_cause(mean: float, normal: Completeness, readings: Readings) -> str:
    if not readings.upstream.answers:
        return readings.upstream.fix_first
    how = "better" if mean > normal.high else "worse"
    if readings.upstream.state is UpstreamState.NONE:
        return f"documents of another kind, or a service that works {how} than when normal was measured"
    return f"{readings.upstream.name} answers {how} than when normal was measured ({readings.upstream.says})"


def _in_band(sample: Sample, normal: Completeness, details: tuple[str, ...]) -> Claim:
    """The interval may leave the band, but must not reach a level that would be NO-GO."""
    if sample.low < normal.critical or _reaches_the_change(sample, normal):
        return inconclusive(
            "completeness",
            f"{sample}: in the band, but scattered too widely to be sure; more documents are needed",
            *details,
        )
    return passed("completeness", f"{sample}: in the band", Evidence.AVERAGE, *details)


def _reaches_the_change(sample: Sample, normal: Completeness) -> bool:
    """True if the interval holds a mean that would be the change's."""
    if normal.changed is None:
        return False
    if normal.expected > normal.changed:
        return sample.low < normal.changed + normal.changed_tolerance
    return sample.high > normal.changed - normal.changed_tolerance


def _is_mixture(sample: Sample, normal: Completeness) -> bool:
    count = len(sample.scores)
    is_usual = [normal.low <= score <= normal.high for score in sample.scores]
    near = map(normal.is_changed, sample.scores)
    usual, changed = sum(is_usual), sum(n and not u for n, u in zip(near, is_usual, strict=True))
    return min(changed, usual) >= normal.mixture_share * count


def shared_with_the_change(scores: Sequence[float], normal: Completeness) -> int:
    """Number of scores that are known to occur under both old and new code."""
    return sum(any(abs(score - known) <= _NEAR for known in normal.ambiguous) for score in scores)


def _tells_apart(sample: Sample, normal: Completeness) -> str:
    """States whether these scores distinguish old from new code (FACTS: 27.8 % occurs under both)."""
    shared = shared_with_the_change(sample.scores, normal)
    if shared == len(sample.scores):
        return "does not tell old from new code: both give these scores; check 1 does"
    return f"{shared} of {len(sample.scores)} scores are known to occur under old and new code alike"
