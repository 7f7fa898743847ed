"""Rules for stored documents that every kind of database shares. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rollback_gate.evidence.readings import DocumentReading
from rollback_gate.instant import Instant

MOST = 5000
MANY = 50_000
SOME = 5
LOST_AFTER_S = 3600


def dated(
    found: Iterable[DocumentReading], until: Instant | None
) -> tuple[tuple[DocumentReading, ...], tuple[str, ...]]:
    """Documents with a possible time, and ids of the others that carry or could carry the mark."""
    rows = list(found)
    known = tuple(one for one in rows if one.created_at is None or until is None or one.created_at <= until)
    return known, tuple(one.id for one in rows if one not in known and (one.marked or one.could_be_marked))


def repeated(found: Iterable[DocumentReading]) -> str:
    """An id that two of these documents have, "" for none: a view that joins would count one document many times."""
    seen: set[str] = set()
    for one in found:
        if one.id in seen:
            return one.id
        seen.add(one.id)
    return ""
