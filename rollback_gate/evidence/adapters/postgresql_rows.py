"""Documents of PostgreSQL, from the rows that its statements give. Pure."""

from __future__ import annotations

import math
import re
from typing import Any

from rollback_gate.evidence.adapters.postgresql_queries import Kind
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.evidence.readings import Bucket, DocumentReading
from rollback_gate.instant import Instant
from rollback_gate.redaction import cut

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WHOLE = frozenset({"smallint", "integer", "bigint", "numeric"})


def document(row: tuple[Any, ...]) -> DocumentReading:
    name, at, text, kind, is_marked, is_shapeless = row[0] or "(without an id)", *row[1:]
    score = float(text) if text is not None and kind == "number" else math.nan
    is_number, is_dated = math.isfinite(score), at is not None and math.isfinite(at)
    return DocumentReading(
        id=name,
        created_at=Instant.from_epoch_s(at) if is_dated else None,
        score=score if is_number else None,
        marked=is_marked,
        is_probe=name.startswith(PROBE_PREFIX),
        could_be_marked=is_shapeless,
        odd_score="" if is_number or text is None or kind == "null" else cut(text, 60),
    )


def bucket(row: tuple[Any, ...], since: Instant, bucket_s: float) -> Bucket:
    number, count, scored, _, total, squares = row
    variance = (squares - total * total / scored) / (scored - 1) if scored > 1 else 0.0
    mean = total / scored if scored else 0.0
    return Bucket(since.plus(number * bucket_s), count, scored, mean, math.sqrt(max(0.0, variance)))


def fits(name: str, kind: Kind) -> bool:
    """Whether an id that a log shows can be one of this type; its form must be the one that PostgreSQL prints."""
    if kind == "number":
        return name.isdecimal() and name.isascii()
    if kind == "uuid":
        return _UUID.fullmatch(name) is not None
    return True


def kind_of(column: str) -> Kind:
    """How ids of a column of this type are compared."""
    return "number" if column in _WHOLE else "uuid" if column == "uuid" else "text"
