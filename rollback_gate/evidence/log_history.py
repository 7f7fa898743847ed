"""History from a replica's log since a deployment: errors by type and hour, and the result of each document. Pure.

Listens to a LogReader, so that a log is read once. Memory depends on types, minutes and documents, not on log size.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

from rollback_gate.evidence.log_lines import MOST_DOCUMENTS, LogSummary
from rollback_gate.evidence.symptoms import Attempt, ErrorCount, LogHistory
from rollback_gate.instant import Instant
from rollback_gate.profile.triggers import Triggers
from rollback_gate.redaction import cut

OTHER = "other"
_PARTS = 60  # per hour: resolution of the last hour
_HOURS = 48
_LONGEST = 400
_MOST_TYPES = 50


@dataclass
class _Type:
    name: str
    expected: bool
    total: int = 0
    parts: Counter[int] = field(default_factory=Counter)
    hours: Counter[int] = field(default_factory=Counter)
    last_at: Instant = Instant(0)
    sample: str = ""


@dataclass
class HistoryListener:
    """Receives a replica's lines in order; `history()` may be called at any time."""

    triggers: Triggers
    _types: dict[str, _Type] = field(default_factory=dict)
    _attempts: dict[str, Attempt] = field(default_factory=dict)
    _open: str | None = None
    _finished: int = 0
    _consuming_at: Instant | None = None
    _import_error: tuple[str, Instant | None] = ("", None)

    @property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        trouble = self.triggers.upstream_trouble
        return (self.triggers.import_error, *((trouble,) if trouble else ()))

    def line(self, at: Instant, text: str) -> None:
        if self.triggers.import_error.search(text):
            self._import_error = (cut(text, _LONGEST), at)
        elif self._open:
            attempt = self._attempts[self._open]
            self._attempts[self._open] = replace(attempt, upstream=attempt.upstream + 1)

    def error(self, at: Instant, text: str) -> None:
        name, expected = type_of(text, self.triggers)
        if name.startswith(OTHER) and name not in self._types and len(self._types) >= _MOST_TYPES:
            name = OTHER
        kind = self._types.setdefault(name, _Type(name, expected))
        kind.total += 1
        kind.parts[self._part(at)] += 1
        kind.hours[self._part(at) // _PARTS] += 1
        kind.last_at, kind.sample = at, cut(text, _LONGEST)
        _forget(kind.parts, self._part(at) - 2 * _PARTS)
        _forget(kind.hours, self._part(at) // _PARTS - _HOURS)
        if self._open:
            self._blame(self._open, text, is_known=not name.startswith(OTHER))

    def _blame(self, document: str, text: str, is_known: bool) -> None:
        """Notes an error of a document: one named in the profile does not end it, any other marks it as failed."""
        attempt = self._attempts[document]
        failed = attempt.failed or not is_known
        error, sample = plain_error(text, document), cut(text, _LONGEST)
        self._attempts[document] = replace(attempt, error=error, sample=sample, failed=failed)

    def consuming(self, at: Instant) -> None:
        """A new process began: it does not complete what the one before had in work."""
        self._consuming_at, self._finished = at, 0
        self._give_up(at)

    def picked_up(self, at: Instant, document: str) -> None:
        """A document was picked up: the one before it has failed, unless its thread still completes it."""
        self._give_up(at)
        before = self._attempts.pop(document, None)
        has_finished = before is not None and (before.finished or before.again)
        known_s = before.seconds if before and has_finished else 0.0  # perhaps longer than the queue's timeout
        again = Attempt(document, at, known_s, False, failed=False, after=self._finished, again=has_finished)
        if before and before.failed:  # redelivered: it counts as failed until it is completed
            again = replace(again, failed=True, error=before.error, sample=before.sample, upstream=before.upstream)
        self._attempts[document] = again
        self._open = document
        if len(self._attempts) > MOST_DOCUMENTS:
            del self._attempts[next(iter(self._attempts))]

    def completed(self, at: Instant, document: str) -> None:
        attempt = self._attempts.get(document)
        self._finished += 1
        if attempt:
            seconds = at.seconds_since(attempt.at)
            self._attempts[document] = replace(attempt, seconds=seconds, finished=True, failed=False)
        if document == self._open:
            self._open = None

    def history(self, summary: LogSummary, now: Instant) -> LogHistory:
        text, at = self._import_error
        return LogHistory(
            since=summary.since,
            lines=summary.lines,
            consuming_at=self._consuming_at,
            errors=tuple(self._count(kind, now) for kind in self._types.values()),
            attempts=tuple(self._as_of(attempt, now) for attempt in self._attempts.values()),
            import_error=text,
            import_error_at=at,
            without_level=summary.without_level,
        )

    def _give_up(self, at: Instant) -> None:
        if self._open:
            attempt = self._attempts[self._open]
            self._attempts[self._open] = replace(
                attempt, seconds=max(attempt.seconds, at.seconds_since(attempt.at)), failed=True
            )
        self._open = None

    def _as_of(self, attempt: Attempt, now: Instant) -> Attempt:
        if attempt.document != self._open:
            return attempt
        return replace(attempt, seconds=max(attempt.seconds, now.seconds_since(attempt.at)))

    def _part(self, at: Instant) -> int:
        return int(at.epoch_s / (self.triggers.hour_s / _PARTS))

    def _count(self, kind: _Type, now: Instant) -> ErrorCount:
        part = self._part(now)
        last_hour = sum(count for key, count in kind.parts.items() if key > part - _PARTS)
        newest = max(part // _PARTS, *kind.hours)
        hourly = tuple(kind.hours[newest - n] for n in range(newest - min(kind.hours) + 1))
        return ErrorCount(kind.name, kind.expected, kind.total, last_hour, hourly, kind.last_at, kind.sample)


def type_of(text: str, triggers: Triggers) -> tuple[str, bool]:
    """Name of an error line's type, and whether it is expected; False if no form of the profile matches."""
    for form in triggers.errors:
        if form.pattern.search(text):
            return form.name, form.expected
    return f"{OTHER}: {cut(plain_error(text, ''), 80)}", False


def plain_error(text: str, document: str) -> str:
    """An error line without the parts that differ by document: its id, numbers, addresses."""
    named = text.replace(document, "DOCUMENT") if document else text
    return cut(re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{12,}\b|\d+", "N", named), _LONGEST)


def _forget(counter: Counter[int], before: int) -> None:
    if len(counter) > 4 * _PARTS:
        for key in [key for key in counter if key < before]:
            del counter[key]
