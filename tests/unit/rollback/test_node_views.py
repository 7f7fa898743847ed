"""A node whose file system shows old files for a while is waited for, before any task is made anew."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rollback_gate.change.content import Source
from rollback_gate.change.goal import Direction, Goal, Mode
from rollback_gate.errors import RollbackFailed, Unreachable
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Mount
from rollback_gate.rollback import node_views
from rollback_gate.rollback.node_views import NodeViews
from tests.unit.builders import ORCHESTRATOR, phase1, replica

PROFILE = phase1()
OLD = Source.of(ORCHESTRATOR, "backup", "x", b"old")
REMOVED = "enrichment_service/errors"
GOAL = Goal(Direction.ROLLBACK, Mode(), (OLD,), (REMOVED,))
HERE = replica(node="two", mounts=(Mount("bind", "/srv/e", "/app/enrichment_service"),))


class Slow:
    """A node that shows the change's files until it has been asked so often."""

    def __init__(self, until: int) -> None:
        self.until, self.asked = until, 0

    def digest(self, *_: object) -> str:
        self.asked += 1
        return OLD.digest if self.asked > self.until else "other"

    def exists(self, *_: object) -> bool:
        return self.asked <= self.until


def awaited(
    slow: Slow,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_silent: bool = False,
    is_gone: bool = False,
    goal: Goal = GOAL,
    **changes: Any,
) -> float:
    """How long it was waited for, in seconds."""
    at = [0.0]

    class Nodes:
        def of(self, _: object) -> Any:
            if is_silent:
                raise Unreachable("no answer")
            return SimpleNamespace(inspect=lambda _: None if is_gone else HERE)

    def sleep(seconds: float) -> None:
        at[0] += seconds

    monkeypatch.setattr(node_views, "digest_in", slow.digest)
    monkeypatch.setattr(node_views, "exists_in", slow.exists)
    one = replace(HERE, **changes)
    NodeViews(PROFILE, cast(Engines, Nodes()), lambda: at[0], sleep).await_goal(goal, [one, replace(one, id="f" * 64)])
    return at[0]


def test_a_node_that_shows_old_files_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """By one of its containers."""
    slow = Slow(until=3)
    assert awaited(slow, monkeypatch) == 3
    assert slow.asked == 4
    assert awaited(Slow(until=0), monkeypatch) == 0


def test_one_that_goes_on_showing_them_ends_the_run_before_any_task_is_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(RollbackFailed, match=f"node two still shows another {ORCHESTRATOR}, 90 s after"):
        awaited(Slow(until=10_000), monkeypatch)


def test_what_is_not_mounted_or_cannot_be_asked_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code in an image is in no file of the node's; a lost node is told elsewhere."""
    assert awaited(Slow(until=10_000), monkeypatch, mounts=()) == 0
    assert awaited(Slow(until=10_000), monkeypatch, is_silent=True) == 0
    assert awaited(Slow(until=10_000), monkeypatch, is_gone=True) == 0, "it answers like one without the file"


def test_what_a_process_of_the_change_makes_again_is_waited_for_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends only once its task is made anew."""
    monkeypatch.setattr(Slow, "exists", lambda *_: True)
    assert awaited(Slow(until=0), monkeypatch) > 90


def test_an_undo_waits_for_what_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    back = Goal(Direction.UNDO, Mode(), (), put_back=(REMOVED,))
    answers = iter([False, False, True])
    monkeypatch.setattr(Slow, "exists", lambda *_: next(answers, True))
    assert awaited(Slow(until=0), monkeypatch, goal=back) == 2
