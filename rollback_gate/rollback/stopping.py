"""Ctrl-C, a cancelled job, a lost connection: nothing is left half done, and the operator sees how to continue.

A build, a wait, saving evidence or a question ends at once: nothing is half done then. Any other step is short and
runs to its end.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from rollback_gate.model import ExitCode
from rollback_gate.rollback.plan import Kind

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ENDS_AT_ONCE = frozenset({Kind.BUILD, Kind.WAIT_CONSUMING, Kind.WAIT_RUNNING, Kind.SAVE_EVIDENCE, Kind.UPDATE})
_WORDS = {"SIGINT": "Ctrl-C", "SIGTERM": "a request to end (SIGTERM)", "SIGHUP": "the loss of the terminal (SIGHUP)"}


class Interrupted(BaseException):
    """Raised within a step that may end at once. Not an Exception, so that no handler takes it for a step's error."""


class Stopping:
    """Handles signals during a run. `requested`: the last signal in words, "" if none has arrived."""

    def __init__(self) -> None:
        self.requested = ""
        self._may_end = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Stopping:
        """Ignored signals stay ignored: under nohup, the loss of the terminal must not end the run."""
        heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._take) for number in heard}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, signal.SIG_DFL if before is None else before)  # type: ignore[arg-type]

    def allow(self, may_end: bool) -> None:
        """Set whether what follows may end at once. If so, raises Interrupted for a signal that arrived before."""
        self._may_end = may_end
        if self.requested and may_end:
            self._may_end = False
            raise Interrupted(self.requested)

    def _take(self, number: int, _: FrameType | None) -> None:
        self.requested = _WORDS[signal.Signals(number).name]
        if self._may_end:
            self._may_end = False  # once: a second Ctrl-C must not interrupt the journaling of the first
            raise Interrupted(self.requested)


@contextmanager
def ending_as_an_error() -> Iterator[None]:
    """SIGTERM and SIGHUP raise SystemExit, once, so that what was reported as begun is reported as ended.

    Ignored signals stay ignored. Within it, `Stopping` handles them instead.
    """
    asked = False

    def end(_: int, __: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise SystemExit(int(ExitCode.INCONCLUSIVE))

    heard = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
