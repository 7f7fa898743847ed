"""Documents of MongoDB, from what the driver returns. Pure."""

from __future__ import annotations

import datetime
import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from bson import ObjectId

from rollback_gate.change.reading import Baseline
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.evidence.readings import Bucket, DocumentReading, Series
from rollback_gate.instant import Instant
from rollback_gate.profile.systems import MongodbDatabase
from rollback_gate.redaction import cut

_ABSENT = object()
_INT64_DIGITS = 19


def parse(row: Mapping[str, Any], database: MongodbDatabase, shapeless: Container[str] = ()) -> DocumentReading:
    """One document as stored. `shapeless`: ids of documents with no fields where the mark would be."""
    created = field(row, database.created_at)
    score = field(row, database.score)
    marks = list(_marks(row, database.new_mark.split(".")))
    is_number = isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)
    return DocumentReading(
        id=str(row["_id"]),
        created_at=Instant.from_datetime(created) if isinstance(created, datetime.datetime) else None,
        score=float(score) if is_number else None,
        odd_score="" if is_number or score is None or score is _ABSENT else cut(repr(score), 60),
        marked=True in marks,
        is_probe=str(row["_id"]).startswith(PROBE_PREFIX),
        could_be_marked=None in marks or str(row["_id"]) in shapeless,
    )


def _marks(row: Any, parts: Sequence[str]) -> Iterator[bool | None]:
    """Whether the mark is there, for each element of a list on its path; None if there are no fields to search."""
    if not parts:
        yield True
    elif isinstance(row, Mapping):
        yield from _marks(row[parts[0]], parts[1:]) if parts[0] in row else (False,)
    elif isinstance(row, list):
        for element in row:
            yield from _marks(element, parts)
        yield None
    else:
        yield False if row is None else None


def forms(name: str) -> list[Any]:
    """All values of an id that a log would print as `name`: text, number, ObjectId."""
    number = [int(name)] if name.isdecimal() and name.isascii() and len(name) < _INT64_DIGITS else []
    return [name, *number, *([ObjectId(name)] if ObjectId.is_valid(name) else [])]


def baseline_of(rows: Iterable[Mapping[str, Any]]) -> Baseline | None:
    """The baseline from that pipeline's row; None for fewer than two documents."""
    for row in rows:
        if row["documents"] >= 2:
            first, last = (Instant.from_datetime(row[key]) for key in ("first", "last"))
            return Baseline("", f"{first.short} to {last.short}", row["mean"], row["deviation"], row["documents"])
    return None


def series_of(rows: Iterable[Mapping[str, Any]], since: Instant, bucket_s: float) -> Series:
    """The series from the pipeline's rows."""
    buckets, outside = [], 0
    for row in rows:
        count, total = row["scored"], row["sum"]
        outside += row["numbers"] - count
        variance = (row["squares"] - total * total / count) / (count - 1) if count > 1 else 0.0
        start = since.plus(float(row["_id"]) * bucket_s)
        buckets.append(
            Bucket(start, row["documents"], count, total / count if count else 0.0, math.sqrt(max(0.0, variance)))
        )
    return Series(tuple(buckets), bucket_s, outside)


def field(row: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(row, Mapping) or part not in row:
            return _ABSENT
        row = row[part]
    return row
