"""Progress messages during long waits: without a terminal, silence looks like a hang."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

EVERY_S = 15.0


@dataclass
class Waiting:
    """Reports what is awaited, at most every `every_s` seconds, first after `every_s` seconds."""

    tell: Callable[[str], None]
    clock: Callable[[], float]
    every_s: float = EVERY_S
    _told_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._told_at = self.clock()

    def on(self, says: Callable[[], str]) -> None:
        """Call repeatedly during a wait. `says` is called only when a report is due."""
        now = self.clock()
        if now - self._told_at >= self.every_s:
            self._told_at = now
            self.tell(says())


@contextmanager
def ticking(tell: Callable[[str], None], says: str, every_s: float = EVERY_S) -> Iterator[None]:
    """The same for a blocking call: a build, a stop with its grace period. Reports end with the block."""
    is_over = threading.Event()

    def tick() -> None:
        seconds = every_s
        while not is_over.wait(every_s):
            tell(f"still: {says} ({seconds:.0f} s so far)")
            seconds += every_s

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
