"""Tries a profile's patterns on the lines of a log. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from rollback_gate.evidence.log_lines import messages_of, record_of, split_timestamp
from rollback_gate.profile.logs import Logs
from rollback_gate.redaction import cut

_LONGEST = 160


@dataclass(frozen=True)
class Tried:
    """How many lines one pattern matched, and the last of them; "" for none. `key`: as the profile names it."""

    key: str
    count: int
    example: str


@dataclass
class Trial:
    """Fed with lines as the engine sends them. `lines`: how many had a timestamp."""

    logs: Logs
    lines: int = 0
    _counts: dict[str, int] = field(default_factory=dict)
    _examples: dict[str, str] = field(default_factory=dict)

    def feed(self, lines: Iterable[bytes]) -> None:
        patterns = list(patterns_of(self.logs))
        for line in lines:
            parts = split_timestamp(line.decode(errors="replace"))
            if parts is None:
                continue
            self.lines += 1
            for text in messages_of(parts[1], record_of(parts[1])):
                for key, pattern in patterns:
                    if pattern.search(text):
                        self._counts[key] = self._counts.get(key, 0) + 1
                        self._examples[key] = cut(text, _LONGEST)

    @property
    def tried(self) -> tuple[Tried, ...]:
        keys = (key for key, _ in patterns_of(self.logs))
        return tuple(Tried(key, self._counts.get(key, 0), self._examples.get(key, "")) for key in keys)


def patterns_of(logs: Logs) -> Iterable[tuple[str, re.Pattern[str]]]:
    """Every pattern with its key; of a list, with the entry's name."""
    for key in ("consuming", "connected", "picked_up", "completed", "scored", "rejected", "error"):
        if pattern := getattr(logs, key):
            yield f"logs.{key}", pattern
    for key in ("new", "noise", "upstream"):
        yield from ((f"logs.{key} '{form.name}'", form.pattern) for form in getattr(logs, key))
