"""What the operator sees of preflight, difference, plan and steps, and is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rollback_gate.change.content import difference, outside_of_change
from rollback_gate.change.goal import Direction
from rollback_gate.regular import content_of
from rollback_gate.rollback.checklist import Checklist
from rollback_gate.rollback.plan import Plan, Step
from rollback_gate.rollback.situation import Situation
from rollback_gate.workflow.terminal import Terminal

DIFF_LINES_SHOWN = 20


def telling(terminal: Terminal) -> Callable[[Step, int], bool]:
    def before(step: Step, _: int) -> bool:
        terminal.line(step.says)
        return True

    return before


def asking(terminal: Terminal, count: int) -> Callable[[Step, int], bool]:
    """Runbook, Quick Rollback, Option 2: each step with its command; all: the rest without asking."""
    rest = False

    def before(step: Step, number: int) -> bool:
        nonlocal rest
        terminal.line(f"{number} of {count}: {step.says}")
        if step.command:
            terminal.line(f"     {step.command}")
        answer = "yes" if rest else terminal.choose("do it?", ("yes", "all", "stop"))
        rest = rest or answer == "all"
        return answer != "stop"

    return before


def show(terminal: Terminal, checklist: Checklist) -> None:
    for item in checklist.items:
        terminal.item(item.outcome, item.name, item.says)


def show_difference(terminal: Terminal, situation: Situation) -> int:
    """What the restore would change; how many lines of other work it would drop (FACTS: Phase 1)."""
    dropped = 0
    for source in situation.restore:
        path = situation.directory / source.path
        diff = difference(source, content_of(path) if path.exists() else b"")
        outside = outside_of_change(diff, situation.profile.file(source.path))
        dropped += outside
        says = f"; it drops {outside} lines that hold none of the change's own marks"
        is_undo = situation.goal.direction is Direction.UNDO
        terminal.line(f"{source.path}: {len(diff)} lines of diff{'' if is_undo else says}")
        terminal.lines(f"  {line}" for line in _shown(diff))
    return dropped


def _shown(diff: tuple[str, ...]) -> Iterable[str]:
    yield from diff[:DIFF_LINES_SHOWN]
    if len(diff) > DIFF_LINES_SHOWN:
        yield f"... and {len(diff) - DIFF_LINES_SHOWN} lines more"


def show_plan(terminal: Terminal, todo: Plan) -> None:
    """Every step with what one would type to do it by hand (runbook, Option 2)."""
    terminal.stage(f"Plan: {len(todo.steps)} steps; nothing was touched")
    for number, step in enumerate(todo.steps, 1):
        terminal.line(f"{number}. {step.says}")
        if step.command:
            terminal.line(f"     {step.command}")
