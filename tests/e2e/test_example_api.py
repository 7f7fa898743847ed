"""examples/api on a real engine: an API whose change is a mounted file, and its worker's, a setting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.team import Api, at_work
from tests.e2e.conftest import project_of


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("api")
    with at_work("api", folder, project_of("api", folder)) as team:
        yield team


@pytest.fixture
def team(deployed: Api) -> Api:
    """The change is in place, and runs."""
    deployed.deploy()
    return deployed


CHANGE = {"retries": "adaptive", "timeout": "per tool", "batch": "50"}
BEFORE = {"retries": "3", "timeout": "20", "batch": "20"}


def test_a_rollback_is_go_for_the_two_checks_that_are_asked(team: Api) -> None:
    """Each service by its own item; the gate opens; and undone again, it is the change."""
    assert team.answers() == CHANGE
    status, said = team.invoke("profile.check")
    assert status == 0, said
    assert "WORKER_BATCH in .env: holds the change's value" in said
    status, said = team.invoke("verify")
    assert status == 10, said
    assert "runs from files that are not the old code" in said
    assert "was created with the change's BATCH" in said
    status, said = team.invoke("rollback", "verify")
    assert status == 0, said
    assert "GO (4 of 5): 4 of 5 checks passed" in said
    assert "not asked: Completeness is back to normal (its answers have no score)" in said
    assert team.answers() == BEFORE
    assert (team.one.directory / ".env").read_text() == "# Read by Compose\nWORKER_BATCH=20\n"
    status, said = team.invoke("gate")
    assert (status, "--accept-partial" in said) == (20, True), said
    status, said = team.invoke("gate", "--accept-partial")
    assert status == 0, said
    status, said = team.invoke("rollback")
    assert (status, "nothing to do" in said) == (0, True), said
    status, said = team.invoke("rollback.undo")
    assert status == 0, said
    assert team.answers() == CHANGE
    status, said = team.invoke("verify")
    assert status == 10, said


def test_a_rollback_by_hand_is_go(team: Api) -> None:
    team.restore()
    team.up("--force-recreate")
    status, said = team.invoke("verify")
    assert status == 0, said
    assert "GO (4 of 5)" in said
