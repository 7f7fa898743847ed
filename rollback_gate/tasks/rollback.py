"""`invoke rollback.*` and `invoke preflight`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from invoke.exceptions import Exit

from rollback_gate.tasks.common import COMMON, WITHOUT_DATABASE, calling, leave
from rollback_gate.tasks.options import task_with

if TYPE_CHECKING:
    from rollback_gate.workflow.order import Order

ACTING: dict[str, Any] = {
    **COMMON,
    "reason": ("", "why, in a few words; kept in journal and record"),
    "without_database": (False, WITHOUT_DATABASE),
    "accept_diff": (
        False,
        "restore although more lines than limits.dropped_lines would go that are not the change's own",
    ),
    "dry_run": (False, "preflight and the plan, with the command of each step; nothing is touched"),
    "verbose": (False, "show all that preflight looks at, and the diff of the restore"),
    "step": (False, "show each step with its command and ask; can be stopped, and resumed"),
}
CONTAINERS: dict[str, Any] = {
    "all_at_once": (False, "do not replace replicas in turn: for a change that is doing harm"),
    "accept_configuration": (
        False,
        "recreate although the Compose files would configure the containers otherwise than they are now",
    ),
}
BUILDING: dict[str, Any] = {
    "no_cache": (False, "build without Docker's cache"),
    "pull": (False, "fetch the base images again for the build"),
}
ROLLBACK: dict[str, Any] = {
    **ACTING,
    **CONTAINERS,
    **BUILDING,
    "source": ("", "take old code only from here: backup, git or image (default: the first that has it)"),
    "backup": ("", "this backup, relative to the project directory"),
    "rev": ("", "this git revision"),
    "image": ("", "this image, by name or id"),
    "anew": (False, "begin a new run although an earlier one has not ended"),
    "despite_assessment": (False, "roll back although the last assessment is not ROLL BACK NOW"),
}


def _order(given: Any, mode: str = "quick") -> Order:
    """`given`: any task's options; an option that the task lacks counts as not given."""
    from rollback_gate.change.goal import How, Mode, ModeName
    from rollback_gate.change.sources import Choice
    from rollback_gate.workflow.order import Order

    def option(name: str, default: Any = "") -> Any:
        return getattr(given, name, default)

    if mode not in list(ModeName):
        raise Exit(f"error: --mode {mode}: there is no such mode\n  → one of {', '.join(ModeName)}", code=2)

    return Order(
        reason=option("reason"),
        mode=Mode(ModeName(mode), option("docs", False)),
        choice=Choice(option("source"), option("backup"), option("rev"), option("image")),
        how=How(
            option("all_at_once", False),
            option("no_cache", False),
            option("pull", False),
            option("accept_configuration", False),
        ),
        dry_run=option("dry_run", False),
        step_by_step=option("step", False),
        anew=option("anew", False),
        despite_assessment=option("despite_assessment", False),
    )


def _roll_back(given: Any, mode: str) -> None:
    from rollback_gate.workflow.rollback import rollback

    with calling(given) as call:
        rollback(call, _order(given, mode))


@task_with(ROLLBACK)
def quick(given: Any) -> None:
    """Roll the change back: restore files, move new modules away, restart the worker (runbook, Quick Rollback).

    Takes as long as all replicas need to stop and start, one after the other: about a minute for two workers that
    ignore SIGTERM for 10 s. Progress is reported every 15 s.
    """
    _roll_back(given, "quick")


@task_with(ROLLBACK)
def partial(given: Any) -> None:
    """Restore the orchestrator only; the new modules stay, unused (runbook, Partial Rollback)."""
    _roll_back(given, "partial")


@task_with(ROLLBACK, {"docs": (False, "the documentation of the change too")})
def full(given: Any) -> None:
    """Roll back, and move away the change's tests; with --docs, its documentation too (runbook, Full Rollback)."""
    _roll_back(given, "full")


@task_with(ROLLBACK)
def rebuild(given: Any) -> None:
    """Roll back with a freshly built image; the previous one is kept (runbook, Troubleshooting).

    Takes as long as the build plus a rollback. The old image runs during the build.
    """
    _roll_back(given, "rebuild")


@task_with(ROLLBACK)
def production(given: Any) -> None:
    """Notify, preflight, roll back, wait until stable, verify, communicate (runbook, Rollback in Production).

    Takes as long as rollback and verify, plus limits.stabilise_s: about seven minutes.
    """
    from rollback_gate.workflow.production import production as produce

    with calling(given) as call:
        code = produce(call, _order(given))
    leave(code)


@task_with(ACTING, CONTAINERS, BUILDING)
def resume(given: Any) -> None:
    """Resume a rollback or an undo that was killed, failed or was stopped."""
    from rollback_gate.workflow import rollback

    with calling(given) as call:
        rollback.resume(call, _order(given))


@task_with(ACTING, CONTAINERS)
def undo(given: Any) -> None:
    """Restore the change as it was before the newest run: files, modules, image, containers.

    Takes as long as a rollback.
    """
    from rollback_gate.workflow import rollback

    with calling(given) as call:
        rollback.undo(call, _order(given))


@task_with(COMMON, {"reason": ("", "why the run is ended; kept in its journal")})
def unlock(given: Any) -> None:
    """End a run that hangs and holds the lock. The lock of a dead process frees itself."""
    from rollback_gate.workflow.unlock import unlock as free

    with calling(given) as call:
        free(call, given.reason)


@task_with(
    {key: option for key, option in ROLLBACK.items() if key not in ("dry_run", "step", "reason", "despite_assessment")},
    {
        "mode": ("quick", "of which rollback: quick, partial, full or rebuild"),
        "docs": (False, "with --mode full: the documentation of the change too"),
    },
)
def preflight(given: Any) -> None:
    """Check everything that a rollback needs and show the plan; change nothing (runbook, Prepare).

    Takes about 5 s.
    """
    from rollback_gate.workflow.prepare import preflight as look

    with calling(given) as call:
        look(call, _order(given, given.mode))


def _look(what: str, given: Any) -> None:
    from rollback_gate.workflow import overview

    with calling(given) as call:
        code = getattr(overview, what)(call)
    leave(code)


@task_with(COMMON)
def backups(given: Any) -> None:
    """List the backups, what each really contains, and which one a rollback would use (runbook, Quick Reference)."""
    _look("backups", given)


@task_with(COMMON)
def history(given: Any) -> None:
    """List the rollback runs of this deployment: outcome, steps, operator and reason."""
    _look("history", given)


@task_with(COMMON)
def status(given: Any) -> None:
    """Show what runs now and the newest run, without judging it."""
    _look("status", given)
