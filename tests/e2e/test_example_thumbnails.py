"""examples/thumbnails on a real engine, with real Redis and PostgreSQL: the change is another tag of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import example
from tests.e2e.team import Team, free_ports, project_of

OLD, NEW = "thumbnails/worker:1.2", "thumbnails/worker:1.3"


class Workers(Team):
    """Two replicas of a worker."""

    def tagged(self, tag: str) -> None:
        self.write(".env", f"TAG={tag}\n")

    def containers(self) -> list[str]:
        """Ids of the worker's containers."""
        labels = (f"label=com.docker.compose.project={self.one.project}", "label=com.docker.compose.service=worker")
        filters = (part for label in labels for part in ("--filter", label))
        return self.one.run("docker", "ps", "-q", *filters).split()

    def deploy(self) -> None:
        """The change, from whatever is there; both images as they were built."""
        example.with_two_versions(self.one)
        (self.one.directory / "compose.override.yaml").unlink(missing_ok=True)
        self.tagged("1.3")
        self.up("--remove-orphans")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    folder = tmp_path_factory.mktemp("thumbnails")
    redis, postgresql = free_ports(2)
    one = example.thumbnails(folder, project_of("thumbnails", folder), (redis, postgresql))
    with example.running(one, example.with_two_versions):
        yield Workers(one, folder / "reports")


@pytest.fixture
def team(deployed: Workers) -> Workers:
    """The change is in place, and runs."""
    deployed.deploy()
    return deployed


def test_a_rollback_is_go_for_all_four_checks(team: Workers) -> None:
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


def written_and_not_made_anew(team: Workers) -> None:
    team.tagged("1.2")
    team.one.compose("restart", "--timeout", "1", "worker")


def one_replica_behind(team: Workers) -> None:
    team.tagged("1.2")
    (first, _) = team.containers()
    team.one.run("docker", "rm", "-f", first)
    team.up("--no-recreate")


def put_back_afterwards(team: Workers) -> None:
    team.tagged("1.2")
    team.up()
    team.tagged("1.3")


def the_versions_tag_moved_onto_the_change(team: Workers) -> None:
    """As a gate that is content with a tag would have it."""
    team.one.run("docker", "tag", NEW, OLD)
    team.tagged("1.2")
    team.up()


def the_old_version_built_from_the_change(team: Workers) -> None:
    team.one.build(OLD, STACK_IMAGE=team.one.variables["STACK_IMAGE"], PASSES="2")
    team.tagged("1.2")
    team.up()


def the_old_image_is_gone(team: Workers) -> None:
    team.tagged("1.2")
    team.up()
    team.one.run("docker", "tag", OLD, "thumbnails/kept:1.2")
    team.one.run("docker", "rmi", OLD)


def another_image(team: Workers) -> None:
    team.one.build("thumbnails/worker:1.1", STACK_IMAGE=team.one.variables["STACK_IMAGE"], PASSES="00")
    team.tagged("1.1")
    team.up()


def in_a_service_that_is_not_named(team: Workers) -> None:
    override = f"services: {{second: {{image: '{NEW}', command: sleep 600}}}}\n"
    (team.one.directory / "compose.override.yaml").write_text(override)
    team.tagged("1.2")
    team.up()


@pytest.mark.parametrize(
    ("sabotage", "status", "words"),
    [
        (written_and_not_made_anew, 10, "was created with the change's image"),
        (one_replica_behind, 10, "was created with the change's image"),
        (put_back_afterwards, 10, "its next start would be the change"),
        (the_versions_tag_moved_onto_the_change, 10, "carry the new code's mark"),
        (the_old_version_built_from_the_change, 10, "carry the new code's mark"),
        (the_old_image_is_gone, 20, "there is no image thumbnails/worker:1.2 here to compare with"),
        (another_image, 20, "neither the old value nor the change's"),
        (in_a_service_that_is_not_named, 20, "second runs with the change's image"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_rollback_that_was_not_one_is_never_go(
    team: Workers, sabotage: Callable[[Workers], None], status: int, words: str
) -> None:
    sabotage(team)
    ended, said = team.invoke("verify")
    assert (ended, words in said) == (status, True), said


def test_an_image_that_is_not_here_is_refused_before_anything_is_touched(team: Workers) -> None:
    team.one.run("docker", "rmi", OLD)
    status, said = team.invoke("rollback")
    assert (status, "there is no image thumbnails/worker:1.2 here" in said) == (50, True), said
    assert (team.one.directory / ".env").read_text() == "TAG=1.3\n"


def test_a_version_that_is_the_change_under_another_tag_is_refused(team: Workers) -> None:
    team.one.run("docker", "tag", NEW, OLD)
    status, said = team.invoke("rollback")
    assert (status, "are the same image" in said) == (50, True), said
