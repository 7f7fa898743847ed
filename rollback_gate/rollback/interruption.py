"""How long nobody consumed (DESIGN: the words). Pure, from Docker's own timestamps."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rollback_gate.evidence.log_lines import split_timestamp
from rollback_gate.instant import Instant


@dataclass(frozen=True)
class Interruption:
    """`seconds` is None where nobody consumed before; `says` then tells since when, as far as the logs show."""

    seconds: float | None
    says: str


@dataclass
class LastConsumed:
    """Fed a container's whole log: since when its process has not consumed any more."""

    consuming: re.Pattern[str]
    created_at: Instant
    _ended_at: Instant | None = None
    _consumed: bool = False

    def feed(self, line: str) -> None:
        parts = split_timestamp(line)
        if parts is None:
            return
        at, text = parts
        if self.consuming.search(text):
            self._consumed, self._ended_at = True, None
        elif self._consumed and self._ended_at is None and text.startswith("Traceback (most recent call last)"):
            self._ended_at = at

    @property
    def since(self) -> Instant:
        """The first failing start after it last consumed; if it never did, its container's creation."""
        return self._ended_at or self.created_at


def measure(
    died: Iterable[Instant], consuming_before: bool, nobody_since: Instant | None, began: Iterable[Instant]
) -> Interruption:
    """`died`: ends of replicas that had consumed, during the run; `began`: first "consuming" lines after the boundary."""
    ends, starts = sorted(died), sorted(began)
    if not starts:
        return Interruption(None, "nobody consumes yet: the interruption goes on")
    if not consuming_before:
        if nobody_since is None:
            return Interruption(
                None, f"nobody consumed before the rollback, and no log tells since when; since {starts[0].short} again"
            )
        seconds = starts[0].seconds_since(nobody_since)
        return Interruption(None, f"nobody consumed before the rollback, since {nobody_since.short}: "
                            f"{seconds:.1f} s until {starts[0].short}")  # fmt: skip
    if not ends:
        return Interruption(0.0, "none: no consuming replica was stopped")
    gap = starts[0].seconds_since(ends[-1])
    if gap <= 0:
        return Interruption(0.0, "none: another replica consumed all the time")
    return Interruption(gap, f"{gap:.1f} s, from {ends[-1]} to {starts[0]}")
