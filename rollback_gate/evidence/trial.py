"""Tries a profile's patterns on the lines of a log. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from rollback_gate.evidence.log_lines import messages_of, record_of, split_timestamp
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.profile.logs import Logs
from rollback_gate.redaction import cut

_LONGEST = 160
_LAST = 50
_OF_A_DOCUMENT = {"logs.picked_up": "document", "logs.completed": "task", "logs.scored": "document"}


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
    _last: dict[str, str] = field(default_factory=dict)
    _picked_up: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST))
    _tasks: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST))

    def feed(self, lines: Iterable[bytes]) -> None:
        patterns = list(patterns_of(self.logs))
        for line in lines:
            parts = split_timestamp(line.decode(errors="replace"))
            if parts is None:
                continue
            self.lines += 1
            for text in messages_of(parts[1], record_of(parts[1])):
                for key, pattern in patterns:
                    if found := pattern.search(text):
                        self._matched(key, text, found)

    def _matched(self, key: str, text: str, found: re.Match[str]) -> None:
        self._counts[key] = self._counts.get(key, 0) + 1
        self._last[key] = text
        if key == "logs.picked_up" and found["document"]:
            self._picked_up.append(found["document"])
        if key == "logs.completed" and found["task"]:
            self._tasks.append(found["task"])

    @property
    def finished(self) -> tuple[str, ...]:
        """What the log calls the last documents that were picked up and completed: a task's id holds the document's.

        Without test documents: they are not stored any more.
        """
        rows = (one for one in dict.fromkeys(self._picked_up) if not one.startswith(PROBE_PREFIX))
        return tuple(one for one in rows if any(one in task for task in self._tasks))

    def of_test_document(self, name: str) -> dict[str, str]:
        """What each pattern for a document's line takes of a line with this name; "" if it takes none.

        The lines are the last that each matched, with this name in the document's place. Without a line, no entry.
        """
        lines = ((key, pattern, self._last.get(key)) for key, pattern in patterns_of(self.logs))
        return {
            key: _taken(pattern, line, _OF_A_DOCUMENT[key], self.finished, name)
            for key, pattern, line in lines
            if line is not None and key in _OF_A_DOCUMENT
        }

    @property
    def tried(self) -> tuple[Tried, ...]:
        keys = (key for key, _ in patterns_of(self.logs))
        return tuple(Tried(key, self._counts.get(key, 0), cut(self._last.get(key, ""), _LONGEST)) for key in keys)


def _taken(pattern: re.Pattern[str], line: str, group: str, documents: Iterable[str], name: str) -> str:
    found = pattern.search(line)
    if found is None:
        return ""
    if found[group] is None:
        return ""
    held = max((one for one in documents if one in found[group]), key=len, default=found[group])
    before, _, after = found[group].rpartition(held)
    made = f"{line[: found.start(group)]}{before}{name}{after}{line[found.end(group) :]}"
    again = pattern.search(made)
    return cut(again[group] or "", _LONGEST) if again else ""


def patterns_of(logs: Logs) -> Iterable[tuple[str, re.Pattern[str]]]:
    """Every pattern with its key; of a list, with the entry's name."""
    for key in ("consuming", "connected", "picked_up", "completed", "scored", "rejected", "error"):
        if pattern := getattr(logs, key):
            yield f"logs.{key}", pattern
    for key in ("new", "noise", "upstream"):
        yield from ((f"logs.{key} '{form.name}'", form.pattern) for form in getattr(logs, key))
