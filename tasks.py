"""Invoke tasks: arguments in, exit code out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

if TYPE_CHECKING:
    from rollback_gate.call import Call

ROOT = Path(__file__).resolve().parent

COMMON = {
    "profile": "the profile's file (default: ROLLBACK_GATE_PROFILE, else profiles/phase1.toml)",
    "set": "one setting, as key=value; may be given several times (--set limits.soak_s=30)",
}


@contextmanager
def _exit_code(call: Call) -> Iterator[Call]:
    """Errors of ours become a message, without secrets, and their exit code; a chain of tasks stops there."""
    from rollback_gate.errors import RollbackGateError

    try:
        yield call
    except RollbackGateError as error:
        raise Exit(call.terminal.redactor.text(f"error: {error}"), code=int(error.exit_code)) from error


def _call(profile: str, settings: list[str], without_database: bool = False, accept_diff: bool = False) -> Call:
    from rollback_gate.call import Call
    from rollback_gate.redaction import Redactor
    from rollback_gate.terminal import Terminal

    terminal = Terminal(sys.stdout, Redactor([]))
    return Call.make(ROOT, profile, settings, os.environ, terminal, not without_database, accept_diff)


ROLLBACK = {
    **COMMON,
    "accept-diff": "restore although more lines than limits.dropped_lines would go that are not the change's own",
    "dry-run": "preflight and the plan, with the command of each step; nothing is touched",
    "reason": "why, in a few words; stands in journal and record",
    "without-database": "roll back although the database cannot be asked; verify is then INCONCLUSIVE",
}


@task(iterable=["set"], auto_shortflags=False, help=ROLLBACK)
def quick(_: Context, reason: str = "", profile: str = "", set: list[str] | None = None, dry_run: bool = False,
          without_database: bool = False, accept_diff: bool = False) -> None:  # fmt: skip
    """Roll the change back: restore files, move new modules away, restart the worker (runbook, Option 1)."""
    from rollback_gate import workflow

    with _exit_code(_call(profile, set or [], without_database, accept_diff)) as call:
        workflow.rollback(call, reason, dry_run=dry_run)


@task(
    iterable=["set"],
    auto_shortflags=False,
    help={**ROLLBACK, "docs": "the documentation of the change too"},
)
def full(_: Context, reason: str = "", profile: str = "", set: list[str] | None = None, dry_run: bool = False,
         without_database: bool = False, accept_diff: bool = False, docs: bool = False) -> None:  # fmt: skip
    """As rollback, and move the change's tests (with --docs its documentation) away too (runbook, Full Rollback)."""
    from rollback_gate import workflow

    with _exit_code(_call(profile, set or [], without_database, accept_diff)) as call:
        workflow.rollback(call, reason, workflow.Mode("full", docs), dry_run)


@task(
    iterable=["set"],
    auto_shortflags=False,
    help={
        **COMMON,
        "since": "the boundary after a rollback by hand, RFC 3339 (default: the run's, else each replica's own start)",
        "without-database": "do not ask the database; the verdict is then never GO",
    },
)
def verify(_: Context, since: str = "", profile: str = "", set: list[str] | None = None,
           without_database: bool = False) -> None:  # fmt: skip
    """Judge from the live system whether the rollback took effect, and write the go/no-go record."""
    from rollback_gate import workflow

    with _exit_code(_call(profile, set or [], without_database)) as call:
        code = workflow.verify(call, since)
    if code:
        raise Exit(code=int(code))


def _look(what: str, profile: str, settings: list[str]) -> None:
    from rollback_gate import overview

    with _exit_code(_call(profile, settings)) as call:
        code = getattr(overview, what)(call)
    if code:
        raise Exit(code=int(code))


@task(iterable=["set"], auto_shortflags=False, help=COMMON)
def backups(_: Context, profile: str = "", set: list[str] | None = None) -> None:
    """List the backups, what each really is, and which one a rollback would take (runbook, Quick Reference)."""
    _look("backups", profile, set or [])


@task(iterable=["set"], auto_shortflags=False, help=COMMON)
def history(_: Context, profile: str = "", set: list[str] | None = None) -> None:
    """List the rollback runs of this deployment: outcome, steps, who and why."""
    _look("history", profile, set or [])


@task(iterable=["set"], auto_shortflags=False, help=COMMON)
def status(_: Context, profile: str = "", set: list[str] | None = None) -> None:
    """Show what runs now, and the newest run; judges nothing."""
    _look("status", profile, set or [])


@task(help={"keep": "leave the demo's deployment running", "variant": "bind, build or single"})
def demo(_: Context, keep: bool = False, variant: str = "bind") -> None:
    """Deploy a Phase 1 that does not start in a lab, roll it back, verify, and show where the record is."""
    from lab.tasks import lab_errors
    from rollback_gate import workflow

    with lab_errors():
        from lab.reference import Lab

        print(f"demo: starting the lab, variant {variant} (its first start makes images, about a minute)", flush=True)
        lab = Lab.up(variant, "phase1-broken", "rollback-gate-demo")
    print("demo: Phase 1 is deployed and crash-loops; now: invoke rollback verify", flush=True)
    try:
        with _exit_code(_call(str(lab.profile), [])) as call:
            workflow.rollback(call, "demo: Phase 1 crash-loops after its deployment")
            code = workflow.verify(call)
    finally:
        if keep:
            print(f"demo: kept running; its profile: {lab.profile}")
            print("demo: remove it with `invoke lab.down --project rollback-gate-demo`")
        else:
            lab.down()
    if code:
        raise Exit(code=int(code))


@task
def lint(context: Context) -> None:
    """ruff (style and format) and mypy (strict)."""
    for command in ("ruff check --output-format concise .", "ruff format --check .", "mypy"):
        _run(context, command)


@task(pre=[lint], help={"only": "a part of the tests: unit or e2e"})
def test(context: Context, only: str = "") -> None:
    """Lint, types, unit tests, and end-to-end tests on a real engine and a real database."""
    _run(context, f"pytest -q tests/{only}" if only else "pytest -q")


@task
def bench(_: Context) -> None:
    """Measure the interruption against a bare `docker restart`, and verify's own time; prints ratios."""
    from lab.bench import main

    main(ROOT)


def _run(context: Context, command: str) -> None:
    with context.cd(str(ROOT)):
        context.run(command, echo=True, in_stream=False)


def _collection() -> Collection:
    rollback: Any = Collection("rollback")
    rollback.add_task(quick, default=True)
    for other in (full, backups, history, status):
        rollback.add_task(other)
    import lab.tasks

    reference: Any = Collection.from_module(lab.tasks, name="lab")
    namespace: Any = Collection(rollback, reference, verify, demo, lint, test, bench)
    return namespace  # type: ignore[no-any-return]


namespace = _collection()
