"""A word on long waits: where there is no terminal, silence looks like a process that hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

EVERY_S = 15.0


@dataclass
class Waiting:
    """Tells what is awaited, every `every_s` seconds at most; the first time after as many."""

    tell: Callable[[str], None]
    clock: Callable[[], float]
    every_s: float = EVERY_S
    _told_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._told_at = self.clock()

    def on(self, says: Callable[[], str]) -> None:
        """Called again and again while something is awaited. `says` is asked only when it is time to tell."""
        now = self.clock()
        if now - self._told_at >= self.every_s:
            self._told_at = now
            self.tell(says())


@contextmanager
def ticking(tell: Callable[[str], None], says: str, every_s: float = EVERY_S) -> Iterator[None]:
    """The same for what blocks: a build, a stop that takes its grace. Nothing is told any more once the block ends."""
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
