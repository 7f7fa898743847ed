"""examples/receipts on a real engine, with real RabbitMQ and PostgreSQL: code in an image, and a migration that stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import example
from lab.operator import ROOT
from tests.e2e.team import Team, consumer_is_listed, free_ports, project_of


class Receipts(Team):
    """A worker whose code is in its image."""

    def version(self, which: str) -> None:
        """The "old" or the "new" code in the project."""
        name = {"old": "worker.py.backup.20261101_090000", "new": "worker.py"}[which]
        self.write("worker.py", (ROOT / "examples/receipts" / name).read_text())

    def deploy(self) -> None:
        """The change, from whatever is there; its migration, too."""
        self.version("new")
        self.up("--build", "--force-recreate", "worker")
        self.sql("alter table receipts add column if not exists currency text")
        self.listed()

    def sql(self, statement: str) -> None:
        script = f'psql -h 127.0.0.1 -U receipts -qc "{statement}" receipts'
        self.one.compose("exec", "-T", "database", "sh", "-c", script)

    def listed(self) -> None:
        consumer_is_listed(self.one)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receipts]:
    folder = tmp_path_factory.mktemp("receipts")
    rabbitmq, postgresql = free_ports(2)
    one = example.receipts(folder, project_of("receipts", folder), (rabbitmq, postgresql))
    with example.running(one):
        yield Receipts(one, folder / "reports")


@pytest.fixture
def team(deployed: Receipts) -> Receipts:
    """The change is in place, and runs."""
    deployed.deploy()
    return deployed


def test_a_rollback_is_go_and_the_migration_stays(team: Receipts) -> None:
    """Built from the restored file; the gate opens; and undone again, it is the change."""
    status, said = team.invoke("profile.check")
    assert status == 0, said
    assert "the column receipts.currency is there" in said
    status, said = team.invoke("rollback", "verify")
    assert status == 0, said
    assert "GO: all four checks passed on 1 worker" in said
    status, said = team.invoke("gate")
    assert status == 0, said
    status, said = team.invoke("rollback.undo")
    assert status == 0, said
    status, said = team.invoke("verify")
    assert status == 10, said
    assert "runs from files that are not the old code" in said


def the_migration_is_undone_too(team: Receipts) -> None:
    status, said = team.invoke("rollback")
    assert status == 0, said
    team.sql("alter table receipts drop column currency")


def the_migration_is_missing_after_a_rollback_by_hand(team: Receipts) -> None:
    team.version("old")
    team.up("--build", "worker")
    team.sql("alter table receipts drop column currency")


def restored_and_not_built(team: Receipts) -> None:
    team.version("old")
    team.up("--force-recreate", "worker")


def built_and_not_made_anew(team: Receipts) -> None:
    team.version("old")
    team.one.compose("build", "worker")


def built_from_the_change_afterwards(team: Receipts) -> None:
    status, said = team.invoke("rollback")
    assert status == 0, said
    team.version("new")
    team.one.compose("build", "worker")


@pytest.mark.parametrize(
    ("sabotage", "status", "words"),
    [
        (the_migration_is_undone_too, 10, "is gone since the rollback began: the column receipts.currency"),
        (the_migration_is_missing_after_a_rollback_by_hand, 20, "whether it was before the rollback is not known"),
        (restored_and_not_built, 10, "runs from files that are not the old code"),
        (built_and_not_made_anew, 10, "runs from files that are not the old code"),
        (built_from_the_change_afterwards, 10, "its next start would be the change"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_rollback_that_was_not_one_is_never_go(
    team: Receipts, sabotage: Callable[[Receipts], None], status: int, words: str
) -> None:
    sabotage(team)
    ended, said = team.invoke("verify")
    assert (ended, words in said) == (status, True), said


def test_a_check_that_cannot_be_asked_is_not_go(team: Receipts) -> None:
    team.version("old")
    team.up("--build", "worker")
    team.listed()
    status, said = team.invoke("verify", "--set", 'keep=[{says="the column", check=["./none"]}]')
    assert (status, "could not be started" in said) == (20, True), said
