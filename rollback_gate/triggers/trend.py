"""Level and trend of completeness, from a series of buckets. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rollback_gate.confidence import half_width, t_quantile
from rollback_gate.evidence.readings import Bucket, Series
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured

_BUCKETS = 12  # the newest ones: older ones do not show the trend
_FEWEST = 3


@dataclass(frozen=True)
class Level:
    """Mean of all scores of some buckets. `low`, `high`: its confidence interval, within 0..1."""

    mean: float
    low: float
    high: float
    scored: int

    def __str__(self) -> str:
        return f"{self.mean:.1%} of {self.scored} documents ({self.low:.1%} to {self.high:.1%})"


@dataclass(frozen=True)
class Trend:
    """A straight line through the buckets, weighted by their documents. Unit: shares per hour.

    `low`, `high`: confidence interval of the slope. `now`: the line's value now.
    """

    per_hour: float
    low: float
    high: float
    now: float

    @property
    def rises(self) -> bool:
        """True if the rise is beyond chance."""
        return self.low > 0

    def seconds_to(self, level: float) -> float:
        """Seconds until the line reaches `level`; only for a rising line. 0 if it is there already."""
        return max(0.0, (level - self.now) / self.per_hour * 3600)

    def __str__(self) -> str:
        word = "rising" if self.rises else "falling" if self.high < 0 else "no clear trend:"
        return f"{word} {self.per_hour * 100:+.1f} points an hour ({self.low * 100:+.1f} to {self.high * 100:+.1f})"


def level(series: Series, since: Instant, confidence: float) -> Level | Unmeasured:
    """The level of the documents created since `since`, in whole buckets."""
    first = since.plus(-series.bucket_s)
    rows = [bucket for bucket in series.buckets if bucket.scored and bucket.start > first]
    count = sum(bucket.scored for bucket in rows)
    if count < 2:
        return Unmeasured("completeness", f"{count} documents with a score are too few")
    mean = sum(bucket.mean * bucket.scored for bucket in rows) / count
    half = half_width(math.sqrt(_squares(rows, lambda _: mean) / (count - 1)), count, confidence)
    return Level(mean, max(0.0, mean - half), min(1.0, mean + half), count)


def trend(series: Series, now: Instant, confidence: float) -> Trend | Unmeasured:
    """The trend of the newest buckets that hold documents."""
    rows = [bucket for bucket in series.buckets if bucket.scored][-_BUCKETS:]
    count = sum(bucket.scored for bucket in rows)
    if len(rows) < _FEWEST or count <= _FEWEST:
        return Unmeasured(
            "the trend",
            f"documents in {len(rows)} interval{'' if len(rows) == 1 else 's'} of {series.bucket_s:.0f} s are too few",
        )

    def hours(start: Instant) -> float:
        return (start.seconds_since(now) + series.bucket_s / 2) / 3600

    middle = sum(bucket.scored * hours(bucket.start) for bucket in rows) / count
    mean = sum(bucket.scored * bucket.mean for bucket in rows) / count
    spread = sum(bucket.scored * (hours(bucket.start) - middle) ** 2 for bucket in rows)
    slope = sum(b.scored * (hours(b.start) - middle) * (b.mean - mean) for b in rows) / spread

    def line(bucket: Bucket) -> float:
        return mean + slope * (hours(bucket.start) - middle)

    error = math.sqrt(_squares(rows, line) / (count - 2) / spread)
    half = t_quantile(0.5 + confidence / 2, count - 2) * error
    return Trend(slope, slope - half, slope + half, mean - slope * middle)


def _squares(rows: Iterable[Bucket], expected: Callable[[Bucket], float]) -> float:
    """Sum of squared distances of all scores, from the statistics of each bucket."""
    return sum((b.scored - 1) * b.deviation**2 + b.scored * (b.mean - expected(b)) ** 2 for b in rows)
