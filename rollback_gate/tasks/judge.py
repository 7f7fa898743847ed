"""`invoke assess`, `snapshot`, `verify` and `gate`: reading and judging."""

from __future__ import annotations

from typing import Any

from rollback_gate.tasks.common import COMMON, WITHOUT_DATABASE, calling, leave
from rollback_gate.tasks.options import task_with


@task_with(COMMON, {"without_database": (False, WITHOUT_DATABASE)})
def snapshot(given: Any) -> None:
    """Before a deployment: keep files, images, configuration and the baseline that a later rollback needs.

    Takes about 5 s.
    """
    from rollback_gate.workflow.prepare import snapshot as keep

    with calling(given) as call:
        keep(call)


@task_with(
    COMMON,
    {
        "since": ("", "when the change was deployed, RFC 3339 (default: by the newest backup, else the containers)"),
        "json": (False, "print the assessment as JSON, and nothing else"),
        "all": (False, "show the triggers that see nothing wrong, too"),
        "watch": (False, "assess again every minute until there is a decision; Ctrl-C ends it"),
        "probe": (False, "send a test document, and remove its traces"),
        "without_database": (False, "do not ask the database; no decision is then calm"),
    },
)
def assess(given: Any) -> None:
    """Decide whether to roll back: ask every trigger and name the one that decides (runbook, When to Rollback).

    Changes nothing. Takes about 10 s; with --probe, as long as a document takes.
    """
    from rollback_gate.workflow.assess import Wish
    from rollback_gate.workflow.assess import assess as decide

    with calling(given) as call:
        code = decide(call, Wish(given.since, given.probe, given.json, given.watch, given.all))
    leave(code)


@task_with(
    COMMON,
    {
        "since": (
            "",
            "the boundary after a rollback by hand, RFC 3339 (default: the run's, else each replica's start)",
        ),
        "partial": (False, "after a partial rollback by hand: new modules are kept, and must not be used"),
        "keep_going": (False, "measure everything, also where the verdict is NO-GO already and cannot change"),
        "without_database": (False, "do not ask the database; the verdict is then never GO"),
    },
)
def verify(given: Any) -> None:
    """Judge from the live system whether the rollback took effect, and write the go/no-go record.

    Takes 1 to 2.5 minutes, including the soak of one minute (limits.soak_s). A NO-GO that waiting cannot change, or an
    upstream that does not answer, ends it within seconds.
    """
    from rollback_gate.workflow.verify import Wish
    from rollback_gate.workflow.verify import verify as judge

    with calling(given) as call:
        code = judge(call, Wish(given.since, given.partial, given.keep_going)).code
    leave(code)


@task_with(
    COMMON,
    {
        "max_age": ("7d", "how old the record may be: a number and s, m, h or d"),
        "max_chain_age": ("1d", "how old the signed chain.json beside a record from another machine may be"),
        "record": (
            "newest",
            "a record from another machine, by file or URL (report.html or .json); must be signed",
        ),
        "require_actions": (False, "what is due before re-deployment must be done, and approved by another person"),
        "format": ("text", "text, json, github (annotations, job summary, outputs) or gitlab (section, dotenv)"),
        "accept_partial": (False, "open for a GO whose profile leaves out a check by name"),
        "allow_unbound": (False, "open although the engine cannot be asked whether the record is still true"),
    },
)
def gate(given: Any) -> None:
    """For a CI job: exit with 0 only if the newest record is GO, recent, unaltered and still true of what runs.

    Takes about 5 s.
    """
    from rollback_gate.workflow.gate import Wish
    from rollback_gate.workflow.gate import gate as ask

    wish = Wish(
        given.max_age,
        given.record,
        given.allow_unbound,
        given.require_actions,
        given.format,
        given.max_chain_age,
        given.accept_partial,
    )

    with calling(given) as call:
        code = ask(call, wish)
    leave(code)
