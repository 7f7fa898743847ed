"""Long waits are told of, and nothing is told once they are over."""

from __future__ import annotations

import threading

import pytest

from rollback_gate.progress import Waiting, ticking


def test_a_word_every_so_often() -> None:
    """Not at once, not at every look, and with what is true then."""
    told: list[str] = []
    now = [100.0]
    waiting = Waiting(told.append, lambda: now[0], every_s=15)
    for _ in range(40):
        waiting.on(lambda: f"at {now[0]:.0f}")
        now[0] += 1
    assert told == ["at 115", "at 130"]


def test_what_blocks_is_told_of_while_it_blocks() -> None:
    told: list[str] = []
    seen = threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        if len(told) == 2:
            seen.set()

    with ticking(tell, "restart x", every_s=0.01):
        assert seen.wait(10)
    count = len(told)
    assert told[0].startswith("still: restart x (")
    assert not [thread for thread in threading.enumerate() if "tick" in thread.name]
    assert len(told) == count


def test_an_error_ends_it_too() -> None:
    told: list[str] = []
    with pytest.raises(ValueError, match="broken"), ticking(told.append, "restart x", every_s=60):
        raise ValueError("broken")
    assert told == []
