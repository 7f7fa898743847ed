"""What a server computes elsewhere, from documents that were read. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from rollback_gate.change.reading import Baseline
from rollback_gate.evidence.readings import Bucket, DocumentReading, DocumentsReading, Series
from rollback_gate.instant import Instant


def series(found: DocumentsReading, since: Instant, bucket_s: float) -> Series:
    """The score over time, without probes."""
    buckets: dict[int, list[DocumentReading]] = {}
    for one in found.organic:
        if one.created_at is not None:
            buckets.setdefault(int(one.created_at.seconds_since(since) // bucket_s), []).append(one)
    rows = (_bucket(since.plus(number * bucket_s), buckets[number]) for number in sorted(buckets))
    outside = sum(one.score is not None and not 0 <= one.score <= 1 for one in found.organic)
    return Series(tuple(rows), bucket_s, outside)


def normal_before(found: DocumentsReading, until: Instant) -> Baseline | None:
    """From unmarked shares, up to the first marked document; None for fewer than two."""
    end = min([until, *(one.created_at for one in found.documents if one.marked and one.created_at)])
    before = [one for one in found.organic if one.created_at and one.created_at < end and not one.marked]
    times = [one.created_at for one in before if one.created_at and _shares([one])]
    scores = _shares(before)
    if len(scores) < 2:
        return None
    says = f"{min(times).short} to {max(times).short}"
    return Baseline("", says, statistics.fmean(scores), statistics.stdev(scores), len(scores))


def _bucket(start: Instant, documents: list[DocumentReading]) -> Bucket:
    scores = _shares(documents)
    mean, deviation = statistics.fmean(scores or [0.0]), statistics.stdev(scores) if len(scores) > 1 else 0.0
    return Bucket(start, len(documents), len(scores), mean, deviation)


def _shares(documents: Iterable[DocumentReading]) -> list[float]:
    return [one.score for one in documents if one.score is not None and 0 <= one.score <= 1]
