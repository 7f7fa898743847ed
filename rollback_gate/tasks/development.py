"""`invoke demo`, and the developers' tasks: lint, tests, the catalogue, benchmarks."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from rollback_gate.launcher import as_called
from rollback_gate.model import ExitCode
from rollback_gate.tasks.common import calling, leave
from rollback_gate.tasks.options import root_of, task_with

_PARTS = ("unit", "e2e", "selftest")


@task_with(
    {
        "keep": (False, "leave the demo's deployment running"),
        "variant": ("bind", "bind, build, single or image"),
        "recorded": (False, "without a Docker Engine: judge readings that a real run has left; takes 5 s"),
    }
)
def demo(given: Any) -> None:
    """Deploy a Phase 1 that does not start in a lab, roll it back, verify, and show where the record is.

    Takes about three minutes the first time, because images are built, and one minute after that.
    """
    if given.recorded:
        _play(given.root)
        return
    from lab.tasks import lab_errors
    from rollback_gate.workflow.assess import Wish
    from rollback_gate.workflow.assess import assess as decide
    from rollback_gate.workflow.order import Order
    from rollback_gate.workflow.rollback import rollback
    from rollback_gate.workflow.verify import verify as judge

    with lab_errors():
        from lab.reference import Lab

        print(f"demo: starting the lab, variant {given.variant} (its first start makes images: a minute)", flush=True)
        lab = Lab.up(given.variant, "phase1-broken", "rollback-gate-demo")
    now = as_called(
        "demo: Phase 1 is deployed and crash-loops; now: invoke assess, then invoke rollback verify", given.launcher
    )
    print(now, flush=True)
    try:
        with calling(
            SimpleNamespace(root=given.root, launcher=given.launcher, profile=str(lab.profile), set=[])
        ) as call:
            decide(call, Wish())
            rollback(call, Order())
            code = judge(call).code
    finally:
        if given.keep:
            print(f"demo: kept running; its profile: {lab.profile}")
            print(as_called("demo: remove it with `invoke lab.down --project rollback-gate-demo`", given.launcher))
        else:
            lab.down()
    leave(code)


def _play(root: Path) -> None:
    from lab.recorded_demo import play
    from rollback_gate.workflow.call import local_now

    print("demo: RECORDED: readings of an earlier run are judged; nothing that runs is looked at", flush=True)
    play(root / "reports" / "recorded", local_now(), print)


@task
def lint(context: Context) -> None:
    """Run ruff (style and format) and mypy (strict)."""
    for command in ("ruff check --output-format concise .", "ruff format --check .", "mypy"):
        _run(context, command)


@task(
    pre=[lint],
    help={
        "only": "a part of the tests: unit, e2e or selftest",
        "all": "everything: each variant, the whole catalogue (what CI runs; up to 45 minutes)",
    },
)
def test(context: Context, only: str = "", all: bool = False) -> None:
    """Lint, type check, unit tests, end-to-end tests on a real engine and database, and the catalogue's core.

    What needs no Docker Engine runs first and takes about three minutes on two cores; everything takes about ten.
    """
    if only not in ("", *_PARTS):
        raise Exit(f"error: --only {only}: there is no such part\n  → one of {', '.join(_PARTS)}", code=2)
    less = [] if all else ["-m", "'not thorough'"]
    if only in ("", "unit"):
        _run(context, " ".join(["pytest", "-q", "-n", "3", *less, "tests/unit"]))
    if only != "unit":
        _refuse_without_engine()
    if only in ("", "e2e"):  # three processes on any machine: the tests mostly wait for containers
        _run(
            context,
            " ".join(
                [
                    "pytest",
                    "-v",
                    "--maxfail",
                    "10",
                    "--durations",
                    "40",
                    "-n",
                    "3",
                    "--no-loadscope-reorder",
                    *less,
                    "tests/e2e",
                ]
            ),
        )
    if only in ("", "selftest"):
        _run(context, "invoke selftest" if all else "invoke selftest --core")


@task(
    help={
        "core": "one sabotage of each group and verdict, and one healthy rollback",
        "full": "every entry in every variant, not only in its most telling one",
        "only": "names of entries, with commas",
        "readings": "keep what was measured in this folder, for `invoke mutate`",
        "fuzz": "instead of the catalogue, so many rounds of random sabotage against a truth of their own",
        "seed": "a word that the rounds' seeds begin with: the same word, the same rounds",
    }
)
def selftest(
    _: Context,
    core: bool = False,
    full: bool = False,
    only: str = "",
    readings: str = "",
    fuzz: int = 0,
    seed: str = "rollback-gate",
) -> None:
    """Judge a catalogue of sabotaged and healthy rollbacks on real deployments; print the table and the score."""
    from lab.fuzz import rounds
    from lab.selftest import of_the_core, run
    from lab.tasks import lab_errors

    with lab_errors():
        if fuzz:
            if rounds.run(fuzz, seed):
                raise Exit("error: the gate and the truth do not agree", code=1)
            return
        names = of_the_core() if core else [name for name in only.split(",") if name]
        wrong = run(full, names, Path(readings) if readings else None)
    if wrong:
        raise Exit(f"error: {wrong} entries are not as they must be", code=1)


@task
def mutate(_: Context) -> None:
    """Remove each assertion of the checks in turn: a catalogue entry must notice (on recorded readings)."""
    from lab.mutation import report, run

    mutants = run()
    print(report(mutants))
    if not all(mutant.killed_by for mutant in mutants):
        raise Exit("error: assertions above can be removed unnoticed", code=1)


@task(help={"only": "one of: rollback, verify, swarm, logs, completeness, record, assess"})
def bench(context: Context, only: str = "") -> None:
    """Measure interruption, verify's own time, stacks, log reading and completeness, each against its alternative."""
    from lab import bench, bench_reading, bench_record, bench_swarm

    root = root_of(context)
    measures: dict[str, Callable[[], None]] = {
        "rollback": lambda: bench.main(root),
        "verify": lambda: bench.own(root),
        "swarm": lambda: bench_swarm.main(root),
        "logs": lambda: bench_reading.read_logs(root / "profiles" / "phase1.toml"),
        "completeness": bench_reading.completeness,
        "record": bench_record.record,
        "assess": lambda: bench_reading.assess(root / "profiles" / "phase1.toml"),
    }
    if only and only not in measures:
        raise Exit(f"error: --only {only}: there is no such measure\n  → one of {', '.join(measures)}", code=2)
    for name, measure in measures.items():
        if only in ("", name):
            measure()


def _refuse_without_engine() -> None:
    from rollback_gate.errors import Unreachable
    from rollback_gate.platform import engine

    try:
        engine.connect(os.environ).close()
    except Unreachable as error:
        says = f"error: {error.message}: the end-to-end tests and the catalogue did not run\n  → {error.remedy}"
        raise Exit(says, code=int(ExitCode.REFUSED)) from error


def _run(context: Context, command: str) -> None:
    with context.cd(str(root_of(context))):
        context.run(command, echo=True, in_stream=False)
