"""Terminal output of preflight, difference, plan and steps, and the questions to the operator."""

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
    """Runbook, Quick Rollback, Option 2: asks before each step, with its command; "all" asks no more."""
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
    """One line for all checks that passed, with the source of the old code; with --verbose, each check."""
    fine = [item for item in checklist.items if item.outcome == "ok"]
    for item in checklist.items if terminal.is_verbose else [i for i in checklist.items if i not in fine]:
        terminal.item(item.outcome, item.name, item.says)
    if not terminal.is_verbose and not checklist.refusal():
        source = next((f"; old code: {item.says}" for item in fine if item.name == "source"), "")
        terminal.item("ok", "preflight", f"{len(fine)} points in order{source}")


def show_difference(terminal: Terminal, situation: Situation) -> int:
    """What the restore would change; returns how many unrelated lines it would discard.

    Shows the lines with --verbose, or if there are so many that the operator has to confirm.
    """
    limit = situation.profile.limits.dropped_lines
    dropped = 0
    for source in situation.values:
        terminal.line(f"{source.path}: from {source.says}")
    for source in situation.restore:
        path = situation.directory / source.path
        diff = difference(source, content_of(path) if path.exists() else b"")
        outside = outside_of_change(diff, situation.profile.file(source.path))
        dropped += outside
        is_undo = situation.goal.direction is Direction.UNDO
        says = f"; would also discard {outside} lines unrelated to the change" if outside and not is_undo else ""
        terminal.line(f"{source.path}: {len(diff)} lines of diff{says}")
        if terminal.is_verbose or (outside > limit and not is_undo):
            terminal.lines(f"  {line}" for line in _shown(diff))
    return dropped


def _shown(diff: tuple[str, ...]) -> Iterable[str]:
    yield from diff[:DIFF_LINES_SHOWN]
    if len(diff) > DIFF_LINES_SHOWN:
        yield f"... and {len(diff) - DIFF_LINES_SHOWN} lines more"


def show_plan(terminal: Terminal, todo: Plan) -> None:
    """Every step with the command to do it by hand (runbook, Option 2)."""
    terminal.stage(f"Plan: {len(todo.steps)} steps; nothing was touched")
    for number, step in enumerate(todo.steps, 1):
        terminal.line(f"{number}. {step.says}")
        if step.command:
            terminal.line(f"     {step.command}")
