"""Finds error lines in a log, and separates known noise. Pure, line by line.

A traceback belongs to the line right before it. After known noise it is noise; after an error line it is part of that
error, and its last line is appended; on its own it is an error named by its last line. A form of noise with `ends` is
noise only if every traceback in the chain ends that way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from rollback_gate.profile.logs import Logs, NoiseLine
from rollback_gate.redaction import cut

_HEADING = "Traceback (most recent call last)"
_CHAIN = ("During handling of the above exception", "The above exception was the direct cause")
MARKS = (_HEADING, *_CHAIN)  # lines with these are read besides those of the profile's forms
MOST_SAMPLES = 5
_LONGEST_SAMPLE = 4096


class _Record(Enum):
    PLAIN = auto()
    NOISE = auto()
    ERROR = auto()


@dataclass
class ErrorLines:
    """`at_start`: errors before the worker logged that it consumes. `tell`: called with the text of each error."""

    forms: Logs
    tell: Callable[[str], None] = lambda _: None
    count: int = 0
    samples: list[str] = field(default_factory=list)
    at_start: list[str] = field(default_factory=list)
    _last: _Record = _Record.PLAIN
    _unproven: tuple[NoiseLine, str] | None = None  # noise, if all its tracebacks end as required
    _is_proven: bool = False  # at least one did so far
    _in_traceback: bool = False
    _after_traceback: bool = False

    @property
    def is_open(self) -> bool:
        """True if the next line may belong to a traceback, whatever its text."""
        return self._in_traceback or self._after_traceback or self._unproven is not None

    def plain(self) -> None:
        """Notes a skipped line that is neither noise nor an error: a later traceback stands on its own."""
        self._last = _Record.PLAIN

    def feed(self, text: str, consuming: bool) -> list[NoiseLine]:
        """Reads one line, and returns the forms of noise that it matches."""
        if not text or text[0].isspace():
            return []
        if text.startswith(_CHAIN):
            self._after_traceback = False
            return []
        if text.startswith(_HEADING):
            self._last = _Record.PLAIN if self._after_traceback else self._last
            self._in_traceback, self._after_traceback = True, False
            return []
        noise = [form for form in self.forms.noise if form.pattern.search(text)]
        if self._in_traceback:
            self._in_traceback, self._after_traceback = False, True
            self._settle(text, consuming)
            self._end_traceback(text, bool(noise), consuming)
            return noise
        self._after_traceback = False
        self._settle("", consuming)
        if noise:
            self._last = _Record.NOISE
            self._unproven, self._is_proven = next(((form, text) for form in noise if form.ends), None), False
        elif self.forms.error.search(text):
            self._last = _Record.ERROR
            self._keep(text, consuming)
        else:
            self._last = _Record.PLAIN
        return noise

    def closed(self, consuming: bool) -> ErrorLines:
        """A copy with the result if no line follows. An unfinished traceback on its own counts by its heading."""
        end = replace(self, tell=lambda _: None, samples=list(self.samples), at_start=list(self.at_start))
        if end._in_traceback and end._last is _Record.PLAIN:
            end._keep(_HEADING, consuming)
        return end

    def _settle(self, end: str, consuming: bool) -> None:
        """Decides on unproven noise. `end`: the last line of its traceback; "" if no further traceback follows."""
        if self._unproven is None:
            return
        form, text = self._unproven
        if end and form.ends and form.ends.search(end):
            self._is_proven = True
            return
        self._unproven = None
        if end or not self._is_proven:
            self._last = _Record.ERROR
            self._keep(f"{text}: {end}" if end else text, consuming)

    def _end_traceback(self, text: str, noise: bool, consuming: bool) -> None:
        if self._last is _Record.ERROR and self.count == len(self.samples):  # the last sample is the last error
            self.samples[-1] = cut(f"{self.samples[-1]}: {text}", _LONGEST_SAMPLE)
        if self._last is not _Record.PLAIN:
            return
        self._last = _Record.NOISE if noise else _Record.ERROR
        if not noise:
            self._keep(text, consuming)

    def _keep(self, text: str, consuming: bool) -> None:
        self.count += 1
        self.tell(text)
        text = cut(text, _LONGEST_SAMPLE)
        if len(self.samples) < MOST_SAMPLES:
            self.samples.append(text)
        if not consuming and len(self.at_start) < MOST_SAMPLES:
            self.at_start.append(text)
