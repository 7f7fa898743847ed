"""Invoke tasks: arguments in, exit code out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from rollback_gate.options import task_with

if TYPE_CHECKING:
    from rollback_gate.call import Call
    from rollback_gate.workflow.rollback import Order

ROOT = Path(__file__).resolve().parent

COMMON: dict[str, Any] = {
    "profile": ("", "the profile's file (default: ROLLBACK_GATE_PROFILE, else profiles/phase1.toml)"),
    "set": ([], "one setting, as key=value; may be given several times (--set limits.soak_s=30)"),
}
ACTING: dict[str, Any] = {
    **COMMON,
    "reason": ("", "why, in a few words; stands in journal and record"),
    "without_database": (False, "go on although the database cannot be asked; verify is then INCONCLUSIVE"),
    "accept_diff": (
        False,
        "restore although more lines than limits.dropped_lines would go that are not the change's own",
    ),
    "dry_run": (False, "preflight and the plan, with the command of each step; nothing is touched"),
    "step": (False, "show each step with its command and ask; can be stopped, and resumed"),
}
CONTAINERS: dict[str, Any] = {
    "all_at_once": (False, "do not replace replicas in turn: for a change that is doing harm"),
}
BUILDING: dict[str, Any] = {
    "no_cache": (False, "build without Docker's cache"),
    "pull": (False, "fetch the base images anew for the build"),
}
ROLLBACK: dict[str, Any] = {
    **ACTING, **CONTAINERS, **BUILDING,
    "source": ("", "take old code only from here: backup, git or image (default: the first that has it)"),
    "backup": ("", "this backup, relative to the project directory"),
    "rev": ("", "this git revision"),
    "image": ("", "this image, by name or id"),
    "anew": (False, "begin a new run although an earlier one has not ended"),
    "despite_assessment": (False, "roll back although the last assessment is not ROLL BACK NOW"),
}  # fmt: skip


@contextmanager
def _exit_code(call: Call) -> Iterator[Call]:
    """Errors of ours become a message, without secrets, and their exit code; a chain of tasks stops there."""
    from rollback_gate.errors import RollbackGateError

    try:
        yield call
    except RollbackGateError as error:
        raise Exit(call.terminal.redactor.text(f"error: {error}"), code=int(error.exit_code)) from error
    except KeyboardInterrupt as error:
        raise Exit("error: ended by Ctrl-C", code=20) from error


def _call(profile: str, settings: list[str], without_database: bool = False, accept_diff: bool = False) -> Call:
    from rollback_gate.call import Call
    from rollback_gate.redaction import Redactor
    from rollback_gate.terminal import Terminal

    terminal = Terminal(sys.stdout, Redactor([]))
    return Call.make(ROOT, profile, settings, os.environ, terminal, not without_database, accept_diff)


def _order(given: Any, mode: str = "quick") -> Order:
    """`given`: any task's options; those that it does not have are as if they had not been used."""
    from rollback_gate.rollback.goal import How, Mode, ModeName
    from rollback_gate.rollback.sources import Choice
    from rollback_gate.workflow.rollback import Order

    def option(name: str, default: Any = "") -> Any:
        return getattr(given, name, default)

    if mode not in list(ModeName):
        raise Exit(f"error: --mode {mode}: there is no such mode\n  → one of {', '.join(ModeName)}", code=2)

    return Order(
        reason=option("reason"), mode=Mode(ModeName(mode), option("docs", False)),
        choice=Choice(option("source"), option("backup"), option("rev"), option("image")),
        how=How(option("all_at_once", False), option("no_cache", False), option("pull", False)),
        dry_run=option("dry_run", False), step_by_step=option("step", False), anew=option("anew", False),
        despite_assessment=option("despite_assessment", False),
    )  # fmt: skip


def _acting(given: Any) -> Call:
    return _call(given.profile, given.set, given.without_database, given.accept_diff)


def _roll_back(given: Any, mode: str) -> None:
    from rollback_gate.workflow.rollback import rollback

    with _exit_code(_acting(given)) as call:
        rollback(call, _order(given, mode))


@task_with(ROLLBACK)
def quick(given: Any) -> None:
    """Roll the change back: restore files, move new modules away, restart the worker (runbook, Quick Rollback)."""
    _roll_back(given, "quick")


@task_with(ROLLBACK)
def partial(given: Any) -> None:
    """Restore the orchestrator only; the new modules stay, unused (runbook, Partial Rollback)."""
    _roll_back(given, "partial")


@task_with(ROLLBACK, {"docs": (False, "the documentation of the change too")})
def full(given: Any) -> None:
    """As rollback, and move the change's tests (with --docs its documentation) away too (runbook, Full Rollback)."""
    _roll_back(given, "full")


@task_with(ROLLBACK)
def rebuild(given: Any) -> None:
    """As rollback, with the image built afresh; the one before is kept (runbook, Troubleshooting)."""
    _roll_back(given, "rebuild")


@task_with(ROLLBACK)
def production(given: Any) -> None:
    """Notify, preflight, roll back, wait until it is stable, verify, communicate (runbook, Rollback in Production)."""
    from rollback_gate.workflow.production import production as produce

    with _exit_code(_acting(given)) as call:
        code = produce(call, _order(given))
    if code:
        raise Exit(code=int(code))


@task_with(ACTING, CONTAINERS, BUILDING)
def resume(given: Any) -> None:
    """Go on with a rollback, or an undo, that was killed, failed or was stopped."""
    from rollback_gate.workflow import rollback

    with _exit_code(_acting(given)) as call:
        rollback.resume(call, _order(given))


@task_with(ACTING, CONTAINERS)
def undo(given: Any) -> None:
    """Bring the change back as it was before the newest run: files, modules, image, containers."""
    from rollback_gate.workflow import rollback

    with _exit_code(_acting(given)) as call:
        rollback.undo(call, _order(given))


@task_with(COMMON, {"reason": ("", "why somebody's run is ended; stands in its journal")})
def unlock(given: Any) -> None:
    """End a run that hangs and holds the lock. A dead holder's lock needs none of this."""
    from rollback_gate.workflow.unlock import unlock as free

    with _exit_code(_call(given.profile, given.set)) as call:
        free(call, given.reason)


@task_with(
    {key: option for key, option in ROLLBACK.items() if key not in ("dry_run", "step", "reason", "despite_assessment")},
    {"mode": ("quick", "of which rollback: quick, partial, full or rebuild"),
     "docs": (False, "with --mode full: the documentation of the change too")},
)  # fmt: skip
def preflight(given: Any) -> None:
    """Look at everything that a rollback needs, show the diff and the plan, touch nothing (runbook, Prepare)."""
    from rollback_gate.workflow.prepare import preflight as look

    with _exit_code(_acting(given)) as call:
        look(call, _order(given, given.mode))


@task_with(COMMON, {"without_database": ACTING["without_database"]})
def snapshot(given: Any) -> None:
    """Before a deployment: keep files, images, configuration and what normal is, for a rollback to come."""
    from rollback_gate.workflow.prepare import snapshot as keep

    with _exit_code(_call(given.profile, given.set, given.without_database)) as call:
        keep(call)


@task_with(
    COMMON,
    {
        "since": ("", "when the change was deployed, RFC 3339 (default: by the newest backup, else the containers)"),
        "json": (False, "print the assessment as JSON, and nothing else"),
        "watch": (False, "assess again every minute until there is a decision; Ctrl-C ends it"),
        "probe": (False, "send a test document, and remove its traces"),
        "without_database": (False, "do not ask the database; no decision is then calm"),
    },
)
def assess(given: Any) -> None:
    """Should we roll back? Asks every trigger of the runbook, says which one decides (runbook, When to Rollback)."""
    from rollback_gate.workflow.assess import Wish
    from rollback_gate.workflow.assess import assess as decide

    with _exit_code(_call(given.profile, given.set, given.without_database)) as call:
        code = decide(call, Wish(given.since, given.probe, given.json, given.watch))
    if code:
        raise Exit(code=int(code))


@task_with(
    COMMON,
    {
        "since": (
            "",
            "the boundary after a rollback by hand, RFC 3339 (default: the run's, else each replica's start)",
        ),
        "partial": (False, "after a partial rollback by hand: new modules are kept, and must not be used"),
        "without_database": (False, "do not ask the database; the verdict is then never GO"),
    },
)
def verify(given: Any) -> None:
    """Judge from the live system whether the rollback took effect, and write the go/no-go record."""
    from rollback_gate.workflow.verify import verify as judge

    with _exit_code(_call(given.profile, given.set, given.without_database)) as call:
        code = judge(call, given.since, given.partial).code
    if code:
        raise Exit(code=int(code))


@task_with(
    COMMON,
    {
        "max_age": ("7d", "how old the record may be: a number and s, m, h or d"),
        "record": (
            "newest",
            "a record from another machine, by file or URL (report.html or .json); must be signed",
        ),
        "allow_unbound": (False, "open although the engine cannot be asked whether the record is still true"),
    },
)
def gate(given: Any) -> None:
    """Exit 0 only if the newest record is GO, young, unaltered, and still true of what runs: for a CI job."""
    from rollback_gate.workflow.gate import gate as ask

    with _exit_code(_call(given.profile, given.set)) as call:
        code = ask(call, given.max_age, given.record, given.allow_unbound)
    if code:
        raise Exit(code=int(code))


@task(positional=["file"], help={"file": "report.html or report.json, by path or URL"})
def check(_: Context, file: str) -> None:
    """Tell whether a record is unaltered, follows from its own evidence, and is signed."""
    from rollback_gate.workflow.gate import record_check

    with _exit_code(_call("", [])) as call:
        code = record_check(call, file)
    if code:
        raise Exit(code=int(code))


def _look(what: str, given: Any) -> None:
    from rollback_gate import overview

    with _exit_code(_call(given.profile, given.set)) as call:
        code = getattr(overview, what)(call)
    if code:
        raise Exit(code=int(code))


@task_with(COMMON)
def backups(given: Any) -> None:
    """List the backups, what each really is, and which one a rollback would take (runbook, Quick Reference)."""
    _look("backups", given)


@task_with(COMMON)
def history(given: Any) -> None:
    """List the rollback runs of this deployment: outcome, steps, who and why."""
    _look("history", given)


@task_with(COMMON)
def status(given: Any) -> None:
    """Show what runs now, and the newest run; judges nothing."""
    _look("status", given)


@task(help={"keep": "leave the demo's deployment running", "variant": "bind, build, single or image"})
def demo(_: Context, keep: bool = False, variant: str = "bind") -> None:
    """Deploy a Phase 1 that does not start in a lab, roll it back, verify, and show where the record is."""
    from lab.tasks import lab_errors
    from rollback_gate.workflow.assess import Wish
    from rollback_gate.workflow.assess import assess as decide
    from rollback_gate.workflow.rollback import Order, rollback
    from rollback_gate.workflow.verify import verify as judge

    with lab_errors():
        from lab.reference import Lab

        print(f"demo: starting the lab, variant {variant} (its first start makes images, about a minute)", flush=True)
        lab = Lab.up(variant, "phase1-broken", "rollback-gate-demo")
    print("demo: Phase 1 is deployed and crash-loops; now: invoke assess, then invoke rollback verify", flush=True)
    try:
        with _exit_code(_call(str(lab.profile), [])) as call:
            decide(call, Wish())
            rollback(call, Order())
            code = judge(call).code
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


@task(pre=[lint], help={"only": "a part of the tests: unit, e2e or selftest"})
def test(context: Context, only: str = "") -> None:
    """Lint, types, unit tests, end-to-end tests on a real engine and a real database, and the catalogue."""
    # Three processes on any machine: the end-to-end tests mostly wait for containers.
    if only != "selftest":
        _run(context, f"pytest -q -n 3 --no-loadscope-reorder {f'tests/{only}' if only else ''}".strip())
    if only in ("", "selftest"):
        _run(context, "invoke selftest")


@task(
    help={
        "full": "every entry in every variant, not only in its most telling one",
        "only": "names of entries, with commas",
        "readings": "keep what was measured in this folder, for `invoke mutate`",
    }
)
def selftest(_: Context, full: bool = False, only: str = "", readings: str = "") -> None:
    """Judge a catalogue of sabotaged and of healthy rollbacks on real deployments; prints the table and the score."""
    from lab.selftest import run
    from lab.tasks import lab_errors

    with lab_errors():
        wrong = run(full, [name for name in only.split(",") if name], Path(readings) if readings else None)
    if wrong:
        raise Exit(f"error: {wrong} entries are not as they must be", code=1)


@task
def mutate(_: Context) -> None:
    """Take each assertion of the checks away in turn: an entry of the catalogue must notice (on recorded readings)."""
    from lab.mutation import report, run

    mutants = run()
    print(report(mutants))
    if not all(mutant.killed_by for mutant in mutants):
        raise Exit("error: an assertion that nobody would miss is none", code=1)


@task(help={"only": "one of: rollback, logs, completeness"})
def bench(_: Context, only: str = "") -> None:
    """Measure interruption, verify's own time, log reading and completeness, each against its other side."""
    from lab import bench, bench_reading

    measures: dict[str, Callable[[], None]] = {
        "rollback": lambda: bench.main(ROOT),
        "logs": lambda: bench_reading.read_logs(ROOT / "profiles" / "phase1.toml"),
        "completeness": bench_reading.completeness,
        "assess": lambda: bench_reading.assess(ROOT / "profiles" / "phase1.toml"),
    }
    if only and only not in measures:
        raise Exit(f"error: --only {only}: there is no such measure\n  → one of {', '.join(measures)}", code=2)
    for name, measure in measures.items():
        if only in ("", name):
            measure()


def _run(context: Context, command: str) -> None:
    with context.cd(str(ROOT)):
        context.run(command, echo=True, in_stream=False)


def _collection() -> Collection:
    rollback: Any = Collection("rollback")
    rollback.add_task(quick, default=True)
    for other in (partial, full, rebuild, production, resume, undo, unlock, backups, history, status):
        rollback.add_task(other)
    import lab.tasks

    reference: Any = Collection.from_module(lab.tasks, name="lab")
    record: Any = Collection("record")
    record.add_task(check)
    namespace: Any = Collection(
        rollback,
        record,
        reference,
        assess,
        preflight,
        snapshot,
        verify,
        gate,
        demo,
        selftest,
        mutate,
        lint,
        test,
        bench,
    )
    return namespace  # type: ignore[no-any-return]


namespace = _collection()
