"""examples/thumbnails on a real engine, with real Redis and PostgreSQL: the change is another tag of an image."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.team import Thumbnails, at_work
from tests.e2e.conftest import project_of


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thumbnails]:
    folder = tmp_path_factory.mktemp("thumbnails")
    with at_work("thumbnails", folder, project_of("thumbnails", folder)) as team:
        yield team


@pytest.fixture
def team(deployed: Thumbnails) -> Thumbnails:
    """The change is in place, and runs."""
    deployed.deploy()
    return deployed


def test_a_rollback_is_go_for_all_four_checks(team: Thumbnails) -> None:
    """One replica after the other: the other one works all the time. And undone again, it is the change."""
    status, said = team.invoke("profile.check")
    assert status == 0, said
    status, said = team.invoke("rollback", "verify")
    assert status == 0, said
    assert "interruption: none" in said
    assert "GO: all four checks passed on 2 workers" in said
    assert (team.one.directory / ".env").read_text() == "TAG=1.2\n"
    status, said = team.invoke("gate")
    assert status == 0, said
    status, said = team.invoke("rollback.undo")
    assert status == 0, said
    status, said = team.invoke("verify")
    assert status == 10, said
    assert "was created with the change's image thumbnails/worker" in said


def test_an_image_that_is_not_here_is_refused_before_anything_is_touched(team: Thumbnails) -> None:
    team.one.run("docker", "rmi", team.OLD)
    status, said = team.invoke("rollback")
    assert (status, "there is no image thumbnails/worker:1.2 here" in said) == (50, True), said
    assert (team.one.directory / ".env").read_text() == "TAG=1.3\n"


def test_a_version_that_is_the_change_under_another_tag_is_refused(team: Thumbnails) -> None:
    team.one.run("docker", "tag", team.NEW, team.OLD)
    status, said = team.invoke("rollback")
    assert (status, "are the same image" in said) == (50, True), said
