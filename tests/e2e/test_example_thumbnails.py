"""examples/thumbnails on a real engine, with real Redis and PostgreSQL: the change is another tag of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from socket import create_server
from typing import cast

import pytest

from lab import example
from lab.example import Example
from lab.operator import Operator
from lab.reference import Lab

QUICK = ("--set", "limits.soak_s=1", "--set", "limits.health_s=20", "--set", "limits.sample_wait_s=1")
OLD, NEW = "thumbnails/worker:1.2", "thumbnails/worker:1.3"


class Team:
    """One deployment, and its operator."""

    def __init__(self, one: Example, reports: Path) -> None:
        self.one, self.operator = one, Operator(cast(Lab, one), reports)  # of a lab, only the profile is used

    def invoke(self, *arguments: str) -> tuple[int, str]:
        ended = self.operator.invoke(*arguments, *QUICK, COLUMNS="300", **self.one.variables)
        return ended.status, ended.output

    def write(self, tag: str) -> None:
        (self.one.directory / ".env").write_text(f"TAG={tag}\n")

    def up(self, *arguments: str, **changed: str) -> None:
        self.one.compose("up", "-d", "--wait", "--timeout", "1", *arguments, **changed)

    def containers(self) -> list[str]:
        """Ids of the worker's containers."""
        labels = (f"label=com.docker.compose.project={self.one.project}", "label=com.docker.compose.service=worker")
        filters = (part for label in labels for part in ("--filter", label))
        return self.one.run("docker", "ps", "-q", *filters).split()

    def deploy(self) -> None:
        """The change, from whatever is there; both images as they were built."""
        example.with_two_versions(self.one)
        (self.one.directory / "compose.override.yaml").unlink(missing_ok=True)
        self.write("1.3")
        self.up("--remove-orphans")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("thumbnails")
    with ExitStack() as stack:
        listeners = [stack.enter_context(create_server(("127.0.0.1", 0))) for _ in range(2)]
        redis, postgresql = (listener.getsockname()[1] for listener in listeners)
    one = example.thumbnails(
        folder, f"e2e-thumbnails-{folder.parent.name[-8:].strip('_').lower()}", (redis, postgresql)
    )
    with example.running(one, example.with_two_versions):
        yield Team(one, folder / "reports")


@pytest.fixture
def team(deployed: Team) -> Team:
    """The change is in place, and runs."""
    deployed.deploy()
    return deployed


def test_a_rollback_is_go_for_all_four_checks(team: Team) -> None:
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


def written_and_not_made_anew(team: Team) -> None:
    team.write("1.2")
    team.one.compose("restart", "--timeout", "1", "worker")


def one_replica_behind(team: Team) -> None:
    team.write("1.2")
    (first, _) = team.containers()
    team.one.run("docker", "rm", "-f", first)
    team.up("--no-recreate")


def put_back_afterwards(team: Team) -> None:
    team.write("1.2")
    team.up()
    team.write("1.3")


def the_versions_tag_moved_onto_the_change(team: Team) -> None:
    """As a gate that is content with a tag would have it."""
    team.one.run("docker", "tag", NEW, OLD)
    team.write("1.2")
    team.up()


def the_old_version_built_from_the_change(team: Team) -> None:
    team.one.build(OLD, STACK_IMAGE=team.one.variables["STACK_IMAGE"], PASSES="2")
    team.write("1.2")
    team.up()


def the_old_image_is_gone(team: Team) -> None:
    team.write("1.2")
    team.up()
    team.one.run("docker", "tag", OLD, "thumbnails/kept:1.2")
    team.one.run("docker", "rmi", OLD)


def another_image(team: Team) -> None:
    team.one.build("thumbnails/worker:1.1", STACK_IMAGE=team.one.variables["STACK_IMAGE"], PASSES="00")
    team.write("1.1")
    team.up()


def in_a_service_that_is_not_named(team: Team) -> None:
    override = f"services: {{second: {{image: '{NEW}', command: sleep 600}}}}\n"
    (team.one.directory / "compose.override.yaml").write_text(override)
    team.write("1.2")
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
    team: Team, sabotage: Callable[[Team], None], status: int, words: str
) -> None:
    sabotage(team)
    ended, said = team.invoke("verify")
    assert (ended, words in said) == (status, True), said


def test_an_image_that_is_not_here_is_refused_before_anything_is_touched(team: Team) -> None:
    team.one.run("docker", "rmi", OLD)
    status, said = team.invoke("rollback")
    assert (status, "there is no image thumbnails/worker:1.2 here" in said) == (50, True), said
    assert (team.one.directory / ".env").read_text() == "TAG=1.3\n"


def test_a_version_that_is_the_change_under_another_tag_is_refused(team: Team) -> None:
    team.one.run("docker", "tag", NEW, OLD)
    status, said = team.invoke("rollback")
    assert (status, "are the same image" in said) == (50, True), said
