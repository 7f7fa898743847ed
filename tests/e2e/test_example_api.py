"""examples/api on a real engine: an API whose change is a mounted file, and its worker's, a setting."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any, cast

import docker
import pytest

from lab import example
from lab.operator import ROOT
from tests.e2e.team import Team, free_ports, project_of


class ApiTeam(Team):
    """The API and its worker."""

    def answers(self) -> dict[str, str]:
        """What the API has read at its start, and with what its worker was created."""
        ask = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8000/').read().decode())"
        found: dict[str, str] = json.loads(self._said("api", ask))
        return found | {"batch": self._said("worker", "import os; print(os.environ['BATCH'])").strip()}

    def _said(self, service: str, script: str) -> str:
        with contextlib.closing(docker.from_env()) as client:
            labels = [f"com.docker.compose.{key}" for key in (f"project={self.one.project}", f"service={service}")]
            (container,) = client.containers.list(filters={"label": labels})
            return str(cast(Any, container).exec_run(["python3", "-c", script]).output.decode())

    def deploy(self) -> None:
        """The change, from whatever is there."""
        (self.one.directory / "compose.override.yaml").unlink(missing_ok=True)
        self.write("app/api.py", (ROOT / "examples/api/app/api.py").read_text())
        self.write("config/settings.ini", (ROOT / "examples/api/config/settings.ini").read_text())
        self.write(".env", "# Read by Compose\nWORKER_BATCH=50\n")
        self.one.compose("up", "-d", "--wait", "--force-recreate", "--remove-orphans", "--timeout", "1")

    def restore(self) -> None:
        """Both files by hand; nothing is restarted."""
        (backup,) = (self.one.directory / "config").glob("*.backup.*")
        self.write("config/settings.ini", backup.read_text())
        self.write(".env", "# Read by Compose\nWORKER_BATCH=20\n")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiTeam]:
    folder = tmp_path_factory.mktemp("api")
    one = example.api(folder, project_of("api", folder), free_ports(1)[0])
    with example.running(one):
        yield ApiTeam(one, folder / "reports")


@pytest.fixture
def team(deployed: ApiTeam) -> ApiTeam:
    """The change is in place, and runs."""
    deployed.deploy()
    return deployed


CHANGE = {"retries": "adaptive", "timeout": "per tool", "batch": "50"}
BEFORE = {"retries": "3", "timeout": "20", "batch": "20"}


def test_a_rollback_is_go_for_the_two_checks_that_are_asked(team: ApiTeam) -> None:
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


def test_a_rollback_by_hand_is_go(team: ApiTeam) -> None:
    team.restore()
    team.up("--force-recreate")
    status, said = team.invoke("verify")
    assert status == 0, said
    assert "GO (4 of 5)" in said


def written_and_not_made_anew(team: ApiTeam) -> None:
    team.restore()
    team.one.compose("restart", "--timeout", "1")


def loaded_before_it_was_restored(team: ApiTeam) -> None:
    team.up()
    team.restore()
    team.up("--force-recreate", "worker")


def put_back_afterwards(team: ApiTeam) -> None:
    team.restore()
    team.up("--force-recreate")
    team.write(".env", "WORKER_BATCH=50\n")


def overridden_by_another_file(team: ApiTeam) -> None:
    team.restore()
    team.write("compose.override.yaml", "services: {worker: {environment: {BATCH: '50'}}}\n")
    team.up("--force-recreate")


def given_by_the_shell(team: ApiTeam) -> None:
    team.restore()
    team.up("--force-recreate", WORKER_BATCH="50")


def another_value(team: ApiTeam) -> None:
    team.restore()
    team.write(".env", "WORKER_BATCH=35\n")
    team.up("--force-recreate")


def in_a_service_that_is_not_named(team: ApiTeam) -> None:
    team.restore()
    override = "services: {second: {image: '${API_IMAGE}', command: sleep 600, environment: {BATCH: '50'}}}\n"
    team.write("compose.override.yaml", override)
    team.up("--force-recreate")


def another_file_behind_the_mount(team: ApiTeam) -> None:
    team.restore()
    team.write("config/settings.ini", "[answers]\nretries = 3\ntimeout = none\n")
    team.up("--force-recreate")


def its_answers_are_others(team: ApiTeam) -> None:
    """Restored in all that is restored; and what the API answers lacks a key that its clients need."""
    team.restore()
    path = team.one.directory / "app" / "api.py"
    path.write_text(path.read_text().replace("dict(settings[", "dict() and (settings["))
    team.up("--force-recreate")


def it_does_not_answer(team: ApiTeam) -> None:
    """Not from here: its health check, inside, still passes."""
    team.restore()
    path = team.one.directory / "app" / "api.py"
    path.write_text(path.read_text().replace('("0.0.0.0", 8000)', '("127.0.0.1", 8000)'))
    team.up("--force-recreate")


@pytest.mark.parametrize(
    ("sabotage", "statuses", "words"),
    [
        (written_and_not_made_anew, (10,), "was created with the change's BATCH"),
        (loaded_before_it_was_restored, (10, 20), "api-1"),
        (put_back_afterwards, (10,), "its next start would be the change"),
        (overridden_by_another_file, (10,), "was created with the change's BATCH"),
        (given_by_the_shell, (10,), "was created with the change's BATCH"),
        (another_value, (20,), "WORKER_BATCH in .env: neither the old value nor the change's"),
        (in_a_service_that_is_not_named, (20,), "second runs with the change's BATCH"),
        (another_file_behind_the_mount, (10, 20), "api-1"),
        (its_answers_are_others, (10,), "its text does not have"),
        (it_does_not_answer, (20,), "cannot be asked"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_rollback_that_was_not_one_is_never_go(
    team: ApiTeam, sabotage: Callable[[ApiTeam], None], statuses: tuple[int, ...], words: str
) -> None:
    sabotage(team)
    status, said = team.invoke("verify")
    assert status in statuses, said
    assert words in said
