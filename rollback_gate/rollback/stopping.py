"""Ctrl-C, a cancelled job, a lost connection: nothing is left half done, and the operator is told how to go on.

A build, a wait or a question ends at once: nothing is half done then. Any other step goes to its end; it is short.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from rollback_gate.model import ExitCode
from rollback_gate.rollback.plan import Kind

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ENDS_AT_ONCE = frozenset({Kind.BUILD, Kind.WAIT_CONSUMING, Kind.WAIT_RUNNING, Kind.SAVE_EVIDENCE})
_WORDS = {"SIGINT": "Ctrl-C", "SIGTERM": "a request to end (SIGTERM)", "SIGHUP": "the loss of the terminal (SIGHUP)"}


class Interrupted(BaseException):
    """Raised in the middle of a step that may end at once. No Exception: nobody may take it for an error of a step."""


class Stopping:
    """Takes the signals for as long as a run lasts. `requested`: in words, "" while nobody asked for an end."""

    def __init__(self) -> None:
        self.requested = ""
        self._may_end = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Stopping:
        """A signal that is ignored stays so: with nohup the loss of the terminal is not to end the run."""
        heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._take) for number in heard}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, signal.SIG_DFL if before is None else before)  # type: ignore[arg-type]

    def allow(self, may_end: bool) -> None:
        """Whether what follows may be broken off at once. Raises Interrupted for a request that came before."""
        self._may_end = may_end
        if self.requested and may_end:
            self._may_end = False
            raise Interrupted(self.requested)

    def _take(self, number: int, _: FrameType | None) -> None:
        self.requested = _WORDS[signal.Signals(number).name]
        if self._may_end:
            self._may_end = False  # once: a second Ctrl-C must not break what is written about the first
            raise Interrupted(self.requested)


@contextmanager
def ending_as_an_error() -> Iterator[None]:
    """SIGTERM and SIGHUP raise SystemExit, once: whoever was told that it begins is told how it ended.

    A signal that is ignored stays so. Within it, `Stopping` takes them for itself.
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
