"""examples/receipts on a real engine, with real RabbitMQ and PostgreSQL: code in an image, and a migration that stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.team import Receipts, at_work
from tests.e2e.conftest import project_of


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receipts]:
    folder = tmp_path_factory.mktemp("receipts")
    with at_work("receipts", folder, project_of("receipts", folder)) as team:
        yield team


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
