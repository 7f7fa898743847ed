"""Sabotage of another team's rollback (examples/receipts): code built into an image, and a migration that stays."""

from __future__ import annotations

from lab.catalogue.entry import CODE, GO, INCONCLUSIVE, NO_GO, RUNNING, Entry, of_team
from lab.images import LabError
from lab.team import Receipts


def _rolled_back(team: Receipts) -> None:
    status, said = team.invoke("rollback")
    if status:
        raise LabError(f"the rollback exited {status}: {said}")


def code_restored_not_built(team: Receipts) -> None:
    team.version("old")
    team.up("--force-recreate", "worker")


def code_built_not_started(team: Receipts) -> None:
    team.version("old")
    team.one.compose("build", "worker")


def code_built_anew_afterwards(team: Receipts) -> None:
    _rolled_back(team)
    team.version("new")
    team.one.compose("build", "worker")


def migration_undone(team: Receipts) -> None:
    _rolled_back(team)
    team.sql("alter table receipts drop column currency")


def migration_undone_without_a_run(team: Receipts) -> None:
    team.version("old")
    team.up("--build", "worker")
    team.sql("alter table receipts drop column currency")


def rolled_back_by_hand(team: Receipts) -> None:
    team.version("old")
    team.up("--build", "worker")
    team.listed()


def _keep(*command: str) -> tuple[str, ...]:
    """The setting by which what must stay is asked with this command."""
    return (f"keep=[{{says='the column', check={list(command)}}}]",)


ENTRIES: tuple[Entry, ...] = (
    of_team(
        "receipts",
        "built-code-restored-only",
        "built code",
        "the old code in the project, and no image built from it",
        NO_GO,
        CODE,
        "runs from files that are not the old code",
        code_restored_not_built,
    ),
    of_team(
        "receipts",
        "built-code-not-started",
        "built code",
        "the old code built, and no container made from it",
        NO_GO,
        CODE,
        "runs from files that are not the old code",
        code_built_not_started,
    ),
    of_team(
        "receipts",
        "built-code-anew-afterwards",
        "built code",
        "the change built again after the rollback",
        NO_GO,
        CODE,
        "its next start would be the change",
        code_built_anew_afterwards,
    ),
    of_team(
        "receipts",
        "migration-undone",
        "what must stay",
        "the migration was undone with the code",
        NO_GO,
        RUNNING,
        "is gone since the rollback began: the column receipts.currency",
        migration_undone,
    ),
    of_team(
        "receipts",
        "migration-undone-without-a-run",
        "what must stay",
        "a rollback by hand, and the migration is not there",
        INCONCLUSIVE,
        RUNNING,
        "whether it was before the rollback is not known",
        migration_undone_without_a_run,
    ),
    of_team(
        "receipts",
        "keep-without-its-program",
        "what must stay",
        "the program that asks for the migration is not there",
        INCONCLUSIVE,
        RUNNING,
        "could not be started",
        rolled_back_by_hand,
        settings=_keep("./none"),
    ),
    of_team(
        "receipts",
        "keep-that-cannot-tell",
        "what must stay",
        "the program that asks for the migration has an error of its own",
        INCONCLUSIVE,
        RUNNING,
        "its check exited with status 3",
        rolled_back_by_hand,
        settings=_keep("sh", "-c", "exit 3"),
    ),
    of_team(
        "receipts",
        "keep-that-hangs",
        "what must stay",
        "the program that asks for the migration does not end",
        INCONCLUSIVE,
        RUNNING,
        "did not end within",
        rolled_back_by_hand,
        settings=_keep("sleep", "600"),
    ),
    of_team(
        "receipts",
        "receipts-by-hand",
        "healthy",
        "another team's change, rolled back by hand as it should be",
        GO,
        "",
        "",
        rolled_back_by_hand,
    ),
)
