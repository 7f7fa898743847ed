"""How long no replica consumed (DESIGN: the words). Pure, from Docker's own timestamps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rollback_gate.evidence.log_filter import texts_for
from rollback_gate.evidence.log_lines import split_timestamp
from rollback_gate.instant import Instant
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.logs import Logs

_FAILS = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Interruption:
    """`seconds` is None if no replica consumed before, or if not measured; `says` then holds what the logs show."""

    seconds: float | None
    says: str


@dataclass
class LastConsumed:
    """Finds in a container's whole log when its process stopped consuming."""

    forms: Logs
    replica: Replica
    _ended_at: Instant | None = None
    _consumed: bool = False
    _texts: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._texts = texts_for(self._signs, [_FAILS])

    @property
    def _signs(self) -> tuple[re.Pattern[str], ...]:
        return self.forms.progress

    def feed_block(self, block: bytes) -> None:
        """Takes whole lines; skips those that hold no relevant text."""
        texts = [text for text in self._texts if text in block]
        if not texts and self._texts:
            return
        for line in block.removesuffix(b"\n").split(b"\n"):
            if not texts or any(text in line for text in texts):
                self.feed(line.decode(errors="replace"))

    def feed(self, line: str) -> None:
        parts = split_timestamp(line)
        if parts is None:
            return
        at, text = parts
        if any(form.search(text) for form in self._signs):
            self._consumed, self._ended_at = True, None
        elif self._consumed and self._ended_at is None and text.startswith(_FAILS):
            self._ended_at = at

    @property
    def since(self) -> Instant:
        """The first traceback after it last consumed, else its end; if it never consumed, its container's creation."""
        if not self._consumed:
            return self.replica.created_at
        return self._ended_at or self.replica.finished_at or self.replica.created_at


def measure(
    deaths: Sequence[Instant | None], consumed_on: bool, nobody_since: Instant | None, began: Iterable[Instant]
) -> Interruption:
    """From the end of the last consuming replica to the first that consumes now.

    `deaths`: end of each consuming replica that the run stopped; None if the engine has no event of it.
    `consumed_on`: a consuming replica was not stopped. `began`: since when each replica that consumes now does so.
    """
    starts = sorted(began)
    if consumed_on:
        return Interruption(0.0, "none: a replica that was not stopped consumed all the time")
    if not deaths:
        return _nobody_before(nobody_since, starts)
    ends = [at for at in deaths if at is not None]
    if len(ends) < len(deaths) or not starts:
        return Interruption(None, "not measured: the engine's events or the logs do not show every stop and start")
    last, again = max(ends), starts[0]
    if again < last:
        return Interruption(0.0, "none: another replica consumed all the time")
    return Interruption(
        again.seconds_since(last),
        f"service down for {again.seconds_since(last):.1f} s, from {last.short} to {again.short}",
    )


def _nobody_before(since: Instant | None, starts: Sequence[Instant]) -> Interruption:
    if not starts:
        return Interruption(None, "the service was down before the rollback, and no log shows that it is up now")
    if since is None:
        return Interruption(
            None, f"service up since {starts[0].short}; it was down before the rollback, and no log shows since when"
        )
    return Interruption(
        None,
        f"service down for {starts[0].seconds_since(since):.1f} s, from {since.short} to {starts[0].short}; "
        "it was already down before the rollback",
    )
