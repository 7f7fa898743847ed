"""Parses the lines of a replica's log. Pure, and streaming: memory does not grow with the log.

The forms of lines come from the profile. A line is `<RFC 3339 timestamp> <text>`, as the engine sends it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from rollback_gate.evidence.error_lines import ErrorLines
from rollback_gate.evidence.log_filter import LEVELS, texts_of
from rollback_gate.instant import Instant
from rollback_gate.profile.logs import LinePattern, Logs, NewLine
from rollback_gate.redaction import cut

_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
_LONGEST_LINE = 4096
MOST_DOCUMENTS = 1000
STAMP_BYTES = len("2026-11-23T12:00:00.000000000Z ")  # the engine's prefix of each line
_STAMPED = re.compile(rb"^.{29}Z ", re.MULTILINE)
_OPENS_RECORD = b"Z {"
_TEXTS = ("message", "msg", "event", "text")
_SAME_AS_ERROR = frozenset({"ERR", "FATAL", "EMERG", "EMERGENCY", "ALERT", "PANIC", "SEVERE", "EXCEPTION"})
_LEVEL = re.compile(r"\b(?:DEBUG|INFO|NOTICE|WARN(?:ING)?|(ERROR|CRITICAL|FATAL))\b|\blevel=(error|critical|fatal)\b")
_LEVEL_STANDS_IN = 60  # searched in a line's first characters, after a time and a name
_NOT_INDENTED = re.compile(rb"^.{29}Z \S", re.MULTILINE)


@dataclass(frozen=True)
class Sighting:
    """Number of lines of one form, with the time and text of the first."""

    name: str
    kind: str
    count: int
    first_at: Instant
    sample: str


@dataclass(frozen=True)
class LogSummary:
    """A replica's log since `since`. `consuming_at`, `connected_at`: None if there was no such line.

    `documents_finished`: count of all; `finished`: for the last ones, the shortest time per document from last pick-up
    to completion, in seconds by the engine's clock; `unfinished`: first pick-up of documents that are not complete.
    `scores`: shares 0..1 of finished documents, if the log has them; `completions`: how often each was finished.
    `picked_up`: number of pick-ups, the first at `first_picked_up_at`; `rejected`: number of invalid tasks. `last_at`:
    last pick-up or line of noise; `read_at`: when it was read, by the engine's clock. `without_level`: lines whose
    level, and so an error, does not show. `begins_at`: time of the engine's oldest line, even before `since`; None for
    an empty log. `shrank`: lines were lost between two reads.
    """

    since: Instant
    lines: int
    size_bytes: int
    consuming_at: Instant | None
    connected_at: Instant | None
    new: tuple[Sighting, ...]
    noise: tuple[Sighting, ...]
    errors: int
    error_samples: tuple[str, ...]
    startup_errors: tuple[str, ...]
    finished: dict[str, float]
    finished_at: dict[str, Instant]
    unfinished: dict[str, Instant]
    documents_finished: int
    unreadable_lines: int = 0
    without_level: int = 0
    scores: Mapping[str, float] = field(default_factory=dict)
    completions: Mapping[str, int] = field(default_factory=dict)
    picked_up: int = 0
    first_picked_up_at: Instant | None = None
    rejected: int = 0
    upstream: tuple[Sighting, ...] = ()
    last_at: Instant | None = None
    read_at: Instant | None = None
    begins_at: Instant | None = None
    shrank: bool = False

    @property
    def could_show_documents(self) -> bool:
        """True if it has lines of the worker's progress: a finished document would then show too."""
        return bool(self.consuming_at or self.connected_at or self.finished or self.unfinished)


def split_timestamp(line: str) -> tuple[Instant, str] | None:
    """The engine's timestamp and the text without colour codes; None for a line without a timestamp."""
    stamp, _, text = line.partition(" ")
    try:
        return Instant.parse(stamp), _ANSI.sub("", text.rstrip("\r\n"))
    except ValueError:
        return None


def record_of(text: str) -> dict[str, Any] | None:
    """The JSON record in a line, as one entry point of the worker logs it; None for any other line."""
    if not text.startswith("{"):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _said_by(record: Mapping[str, Any]) -> str:
    """The message under one of the usual keys, else the whole record."""
    return next((record[key] for key in _TEXTS if isinstance(record.get(key), str)), json.dumps(record))


def messages_of(text: str, record: Mapping[str, Any] | None) -> list[str]:
    """The line; or a record's message, prefixed by its level if it has one, and the lines of its traceback."""
    if record is None:
        return [text]
    level = level_of(record)
    message = _said_by(record)
    said = f"{level}:{record.get('name') or record.get('logger') or ''}:{message}"
    parts = (said if level else message, *str(record.get("exc_info") or "").splitlines())
    return [_ANSI.sub("", part) for part in parts]


def level_of(record: Mapping[str, Any]) -> str:
    """The level under one of the usual keys, "" if there is none; synonyms of ERROR are mapped to it."""
    found = next((record[key] for key in LEVELS if isinstance(record.get(key), str)), "").strip().upper()
    return "ERROR" if found in _SAME_AS_ERROR else found


class Listener(Protocol):
    """Receives single lines while a log is read. `patterns`: `line` is called for lines that match one of these."""

    @property
    def patterns(self) -> tuple[re.Pattern[str], ...]: ...
    def line(self, at: Instant, text: str) -> None: ...
    def error(self, at: Instant, text: str) -> None: ...
    def consuming(self, at: Instant) -> None: ...
    def picked_up(self, at: Instant, document: str) -> None: ...
    def completed(self, at: Instant, document: str) -> None: ...


@dataclass
class LogReader:
    """Fed with single lines or, faster, with blocks of whole lines. Lines before `since` do not count."""

    forms: Logs
    since: Instant
    listener: Listener | None = None
    _texts: tuple[bytes, ...] = field(init=False)
    _plain: bool = False
    _finished_count: int = 0
    _lines: int = 0
    _size: int = 0
    _unreadable: int = 0
    _without_level: int = 0
    _consuming_at: Instant | None = None
    _connected_at: Instant | None = None
    _new: dict[str, Sighting] = field(default_factory=dict)
    _noise: dict[str, Sighting] = field(default_factory=dict)
    _upstream: dict[str, Sighting] = field(default_factory=dict)
    _started: dict[str, Instant] = field(default_factory=dict)
    _delivered: dict[str, Instant] = field(default_factory=dict)
    _finished: dict[str, float] = field(default_factory=dict)
    _finished_at: dict[str, Instant] = field(default_factory=dict)
    _scores: dict[str, float] = field(default_factory=dict)
    _completions: dict[str, int] = field(default_factory=dict)
    _picked_up: int = 0
    _first_picked_up_at: Instant | None = None
    _rejected: int = 0
    _scored_last: str = ""
    _errors: ErrorLines = field(init=False)
    _at: Instant = Instant(0)
    _told_at: Instant | None = None

    def __post_init__(self) -> None:
        self._errors = ErrorLines(self.forms, self._heard)
        self._texts = texts_of(self.forms, self.listener.patterns if self.listener else ())

    def _heard(self, text: str) -> None:
        if self.listener:
            self.listener.error(self._at, text)

    def feed_block(self, block: bytes) -> None:
        """Reads whole lines, each with its line end. Lines that can matter are parsed; the others are counted."""
        texts = [text for text in self._texts if text in block]
        if self._texts and not texts and not self._errors.is_open and self._lines and _OPENS_RECORD not in block:
            count = block.count(b"\n")
            if count == len(_STAMPED.findall(block)):
                self._lines += count
                self._size += len(block)
                self._plain = self._plain or _NOT_INDENTED.search(block) is not None
                return
        for line in block.removesuffix(b"\n").split(b"\n"):
            self._feed_bytes(line, texts)

    def _feed_bytes(self, line: bytes, texts: list[bytes]) -> None:
        matters = not self._texts or not self._lines or self._errors.is_open or line[29:31] != b"Z "
        matters = matters or line[STAMP_BYTES : STAMP_BYTES + 1] == b"{"
        if matters or any(text in line for text in texts):
            if self._plain:
                self._errors.plain()
                self._plain = False
            self.feed(line.decode(errors="replace"))
            return
        self._lines += 1
        self._size += len(line) + 1
        first = line[STAMP_BYTES : STAMP_BYTES + 1]
        self._plain = self._plain or not (first.isspace() or not first)

    def feed(self, line: str) -> None:
        parts = split_timestamp(line)
        if parts is None:
            self._unreadable += bool(line.strip())
            return
        at, text = parts
        if at < self.since:
            return
        self._at = at
        self._lines += 1
        self._size += len(line) + 1
        record = record_of(text)
        message, *trace = messages_of(text, record)
        self._without_level += self._hides_its_level(text, record)
        self._note_progress(at, message[:_LONGEST_LINE])
        _note(self._new, self.forms.new, at, message)
        for part in (message, *trace):
            if self.listener and any(pattern.search(part) for pattern in self.listener.patterns):
                self.listener.line(at, part)
            _note(self._upstream, self.forms.upstream, at, part)
            for form in self._errors.feed(part, self._consuming_at is not None):
                _count(self._noise, form.name, "", at, part)
                self._told_at = at

    def _hides_its_level(self, text: str, record: Mapping[str, Any] | None) -> bool:
        """True for a record that is truncated or has no level, and for an error that the profile's form misses."""
        if text.startswith("{"):
            return record is None or not level_of(record)
        level = _LEVEL.search(text, 0, _LEVEL_STANDS_IN)
        is_error = level is not None and bool(level[1] or level[2])
        return is_error and not self.forms.error.search(text)

    def _note_progress(self, at: Instant, text: str) -> None:
        if self.forms.consuming.search(text):
            self._consuming_at = self._consuming_at or at
            if self.listener:
                self.listener.consuming(at)
        elif self._connected_at is None and self.forms.connected and self.forms.connected.search(text):
            self._connected_at = at
        elif self.forms.picked_up and (picked_up := self.forms.picked_up.search(text)):
            self._picked_up += 1
            self._told_at = at
            self._first_picked_up_at = self._first_picked_up_at or at
            first_at = self._started.pop(picked_up["document"], at)  # redelivered: the first pick-up counts
            self._started[picked_up["document"]] = first_at
            self._delivered[picked_up["document"]] = at
            _forget_oldest(self._started)
            _forget_oldest(self._delivered)
            if self.listener:
                self.listener.picked_up(at, picked_up["document"])
        elif self.forms.completed and (completed := self.forms.completed.search(text)):
            self._complete(at, completed["task"])
        elif self.forms.scored and (scored := self.forms.scored.search(text)):
            self._scored_last = scored["document"]
            self._scores[scored["document"]] = round(float(scored["percent"]) / 100, 6)
            _forget_oldest(self._scores)
        elif self.forms.rejected and self.forms.rejected.search(text):
            self._rejected += 1

    def _complete(self, at: Instant, task: str) -> None:
        """Finds the document by the longest open id contained in the task's id, else takes the last scored one."""
        fitting = [document for document in self._started if document in task]
        document = max(fitting, key=len, default=self._scored_last)
        if document in self._started:
            self._scored_last = ""
            seconds = at.seconds_since(self._delivered.pop(document, self._started.pop(document)))
            self._finished[document] = min(seconds, self._finished.get(document, seconds))
            self._finished_at[document] = at
            self._finished_count += 1
            _forget_oldest(self._finished)
            _forget_oldest(self._finished_at)
            self._completions[document] = self._completions.get(document, 0) + 1
            _forget_oldest(self._completions)
            if self.listener:
                self.listener.completed(at, document)

    def summary(self) -> LogSummary:
        errors = self._errors.closed(self._consuming_at is not None)
        return LogSummary(
            since=self.since,
            lines=self._lines,
            size_bytes=self._size,
            consuming_at=self._consuming_at,
            connected_at=self._connected_at,
            new=tuple(self._new.values()),
            noise=tuple(self._noise.values()),
            errors=errors.count,
            error_samples=tuple(errors.samples),
            startup_errors=tuple(errors.at_start),
            finished=dict(self._finished),
            finished_at=dict(self._finished_at),
            unfinished=dict(self._started),
            documents_finished=self._finished_count,
            unreadable_lines=self._unreadable,
            without_level=self._without_level,
            scores={document: score for document, score in self._scores.items() if document in self._finished},
            completions=dict(self._completions),
            picked_up=self._picked_up,
            upstream=tuple(self._upstream.values()),
            first_picked_up_at=self._first_picked_up_at,
            rejected=self._rejected,
            last_at=self._told_at,
        )


def summarize(lines: Iterable[str], forms: Logs, since: Instant) -> LogSummary:
    reader = LogReader(forms, since)
    for line in lines:
        reader.feed(line)
    return reader.summary()


def _forget_oldest(seen: dict[str, Any]) -> None:
    """Limits memory; a forgotten document that comes again counts as new."""
    if len(seen) > MOST_DOCUMENTS:
        del seen[next(iter(seen))]


def _note(seen: dict[str, Sighting], forms: Iterable[LinePattern], at: Instant, text: str) -> None:
    for form in forms:
        if form.pattern.search(text):
            _count(seen, form.name, form.kind if isinstance(form, NewLine) else "", at, text)


def _count(seen: dict[str, Sighting], name: str, kind: str, at: Instant, text: str) -> None:
    old = seen.get(name)
    seen[name] = Sighting(name, kind, 1, at, cut(text, _LONGEST_LINE)) if old is None else _again(old)


def _again(sighting: Sighting) -> Sighting:
    return Sighting(sighting.name, sighting.kind, sighting.count + 1, sighting.first_at, sighting.sample)


def kinds(sightings: Iterable[Sighting]) -> Counter[str]:
    """Lines by kind."""
    totals: Counter[str] = Counter()
    for sighting in sightings:
        totals[sighting.kind] += sighting.count
    return totals
