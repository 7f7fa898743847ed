"""Check 4: completeness back to normal (runbook, Verify, Check 4). Over documents since the boundary only."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rollback_gate.checks import new_behaviour
from rollback_gate.confidence import half_width
from rollback_gate.evidence.readings import Baseline, ProbeReading, Readings
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed
from rollback_gate.profile.schema import Completeness, Profile

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
    """Mean and its confidence interval, by Student's t. Raises ValueError for fewer than two scores."""
    if len(scores) < 2:
        raise ValueError("an interval needs two scores at least")
    mean = statistics.fmean(scores)
    half = half_width(statistics.stdev(scores), len(scores), confidence)
    return Sample(tuple(scores), mean, max(0.0, mean - half), min(1.0, mean + half))


def readable_scores(readings: Readings) -> Claim:
    """Every document has a score, and every score is a share between 0 and 1."""
    documents = readings.documents
    if isinstance(documents, Unmeasured):
        return inconclusive("scores", documents)
    missing = [d.id for d in documents.documents if d.score is None]
    outside = [f"{d.id}: {d.score}" for d in documents.documents if d.score is not None and not 0 <= d.score <= 1]
    if outside:
        return inconclusive(
            "scores", f"{len(outside)} of {len(documents.documents)} are not between 0 and 1", *outside[:5]
        )
    if missing:
        return inconclusive("scores", f"{len(missing)} of {len(documents.documents)} documents have none", *missing[:5])
    if not documents.documents:
        return inconclusive("scores", "no document was written since the boundary")
    return passed(
        "scores", f"{len(documents.documents)} documents, each with a score between 0 and 1", Evidence.DOCUMENT
    )


def clock(readings: Readings, profile: Profile) -> Claim:
    """The worker's clock is the engine's: otherwise documents cannot be told apart by when they were created."""
    limit = profile.limits.clock_skew_s
    if isinstance(readings.probes, Unmeasured):
        return inconclusive("clock", readings.probes)
    skews = [skew for p in readings.probes.probes if (skew := _skew(p, limit)) is not None]
    if not skews:
        return inconclusive("clock", "no probe was saved soon after it was sent, or seen finished in a log, so worker"
                            " and engine cannot be compared")  # fmt: skip
    if max(skews) > limit:
        return inconclusive("clock", f"worker and engine are {max(skews):.0f} s apart (limit {limit:.0f} s): "
                            "documents since the boundary cannot be told from older ones")  # fmt: skip
    return passed("clock", f"worker and engine agree within {max(skews):.1f} s", Evidence.DOCUMENT)


def _skew(probe: ProbeReading, limit_s: float) -> float | None:
    """By the log line that says it is finished; else by the time between sending it and finding it stored."""
    created = probe.document.created_at if probe.document else None
    if created is None or probe.stuck_in:  # saved again: created anew
        return None
    if probe.completed_at:
        return abs(created.seconds_since(probe.completed_at))
    if probe.seen_at is None or probe.seen_at.seconds_since(probe.sent_at) > limit_s:
        return None
    return max(abs(created.seconds_since(probe.sent_at)), abs(created.seconds_since(probe.seen_at)))  # at the most


def mean_in_band(readings: Readings, profile: Profile) -> Claim:
    """The mean lies in the band, judged with its confidence interval and a minimum sample."""
    documents = readings.documents
    if isinstance(documents, Unmeasured):
        return inconclusive("completeness", documents)
    normal = normal_of(profile.completeness, readings.baseline)
    scores = [d.score for d in documents.documents if d.score is not None]
    if any(not 0 <= score <= 1 for score in scores):
        return inconclusive("completeness", "some scores are not between 0 and 1, so no mean can be trusted")
    if len(scores) < normal.minimum_sample:
        more = normal.minimum_sample - len(scores)
        return inconclusive(
            "completeness", f"{len(scores)} documents since the boundary are too few: {more} more are needed"
        )
    sample = sample_of(scores, normal.confidence)
    probes = sum(d.is_probe for d in documents.documents)
    details = (f"{len(scores) - probes} organic documents, {probes} probes",
               f"band {normal.low:.1%} to {normal.high:.1%} around {normal.expected:.1%}, {_origin(readings.baseline)}",
               _tells_apart(sample, normal), *([documents.advice] if documents.advice else []))  # fmt: skip
    return _judge(sample, readings, profile, normal, details)


def normal_of(normal: Completeness, baseline: Baseline | None) -> Completeness:
    """With the band around what was measured before the change, as wide as the profile's, where a snapshot has it."""
    if baseline is None:
        return normal
    low = max(0.0, baseline.mean - (normal.expected - normal.low))
    high = min(1.0, baseline.mean + (normal.high - normal.expected))
    return normal.model_copy(update={"expected": baseline.mean, "low": low, "high": high})


def _origin(baseline: Baseline | None) -> str:
    if baseline is None:
        return "by the profile"
    return f"by snapshot {baseline.snapshot} of {baseline.documents} documents before the change"


def _judge(
    sample: Sample, readings: Readings, profile: Profile, normal: Completeness, details: tuple[str, ...]
) -> Claim:  # fmt: skip
    says = str(sample)
    if readings.baseline and normal.low <= sample.mean <= normal.high and _is_alarming(sample, normal):
        return _as_before_the_change(sample, readings, profile, normal, details)
    if sample.mean < normal.critical:
        return failed("completeness", f"{says}: below {normal.critical:.0%}", Evidence.AVERAGE, *details)
    if abs(sample.mean - normal.changed) <= normal.changed_tolerance:
        return failed(
            "completeness", f"{says}: near the changed behaviour's {normal.changed:.0%}", Evidence.AVERAGE, *details
        )
    if _is_mixture(sample, normal):
        return failed(
            "completeness", f"{says}: a mixture of the normal and the changed level", Evidence.AVERAGE, *details
        )
    if sample.mean > normal.high and new_behaviour.shows_new(readings, profile):
        return failed(
            "completeness", f"{says}: above the band, and there are signs of the new code", Evidence.AVERAGE, *details
        )
    if normal.low <= sample.mean <= normal.high:
        return _in_band(sample, normal, details)
    proof = (
        "checks on the code prove the old code"
        if new_behaviour.is_proven_old(readings, profile)
        else "the old code is not proven either"
    )
    says = f"{sample}: outside the band, while {proof}; likely cause: {_likely_cause(sample, normal, readings)}"
    return inconclusive("completeness", says, *details)


def _is_alarming(sample: Sample, normal: Completeness) -> bool:
    """What would be NO-GO by the profile alone."""
    return sample.mean < normal.critical or abs(sample.mean - normal.changed) <= normal.changed_tolerance


def _as_before_the_change(
    sample: Sample, readings: Readings, profile: Profile, normal: Completeness, details: tuple[str, ...]
) -> Claim:  # fmt: skip
    """The old code had this level too, by its snapshot: averages do not tell old from new here, the code does.

    Below the critical level that is no reason to be content.
    """
    says = f"{sample}: as before the change, which does not tell old from new code here"
    if sample.mean < profile.completeness.critical:
        return inconclusive("completeness", f"{sample}: as low as before the change", *details)
    if not all(normal.low <= score <= normal.high for score in sample.scores):
        return inconclusive("completeness", f"{says}, and single documents are scattered around it", *details)
    if new_behaviour.is_proven_old(readings, profile):
        return passed("completeness", f"{says}; stands on check 1", Evidence.CODE, *details)
    return inconclusive("completeness", f"{says}; and check 1 does not prove the old code", *details)


def _likely_cause(sample: Sample, normal: Completeness, readings: Readings) -> str:
    if not readings.mcp.answers:
        return f"the MCP server does not answer ({readings.mcp.says})"
    return f"the MCP server answers {'better' if sample.mean > normal.high else 'worse'} than when normal was measured"


def _in_band(sample: Sample, normal: Completeness, details: tuple[str, ...]) -> Claim:
    """The interval may leave the band, but must not reach what would be NO-GO."""
    above = normal.expected > normal.changed
    reaches = (
        sample.low < normal.changed + normal.changed_tolerance
        if above
        else sample.high > normal.changed - normal.changed_tolerance
    )
    if sample.low < normal.critical or reaches:
        return inconclusive("completeness", f"{sample}: in the band, but scattered too widely to be sure; more "
                            "documents are needed", *details)  # fmt: skip
    return passed("completeness", f"{sample}: in the band", Evidence.AVERAGE, *details)


def _is_mixture(sample: Sample, normal: Completeness) -> bool:
    count = len(sample.scores)
    is_usual = [normal.low <= score <= normal.high for score in sample.scores]
    near = [abs(score - normal.changed) <= normal.changed_tolerance for score in sample.scores]
    usual, changed = sum(is_usual), sum(n and not u for n, u in zip(near, is_usual, strict=True))
    return min(changed, usual) >= normal.mixture_share * count


def _tells_apart(sample: Sample, normal: Completeness) -> str:
    """Whether these scores tell old from new code (FACTS: 27.8 % occurs under both)."""
    shared = sum(any(abs(score - known) <= _NEAR for known in normal.ambiguous) for score in sample.scores)
    if shared == len(sample.scores):
        return "does not tell old from new code here: both give these scores; stands on check 1 for that"
    return f"{shared} of {len(sample.scores)} scores are known to occur under old and new code alike"
