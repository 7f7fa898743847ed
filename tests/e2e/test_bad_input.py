"""Broken input and surroundings: a message that names the thing and the remedy, the exit code, and nothing touched."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.reference import HERE, ORCHESTRATOR, RELEASES
from rollback_gate.instant import Instant
from rollback_gate.profile.load import load
from rollback_gate.rollback import lock
from rollback_gate.rollback.store import DeploymentId
from tests.e2e.conftest import OTHERS, OURS, Ended, Operator, identities, running_lab

ONE_MISSING = ("--set", "services.enrichment-worker.replicas=3")  # which only Compose can start


@pytest.fixture(scope="module")
def operator(labs_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Phase 1 runs. No test of this module may change anything about it."""
    with running_lab("bind", "phase1", "e2e-bad-input", tmp_path_factory.mktemp("bad")) as started:
        yield started


@pytest.fixture
def untouched(operator: Operator) -> Iterator[None]:
    """Files and containers are the same afterwards."""
    before = _files(operator.lab.directory), identities(operator.lab, (*OURS, *OTHERS))
    yield
    assert (_files(operator.lab.directory), identities(operator.lab, (*OURS, *OTHERS))) == before


def _files(directory: Path) -> dict[str, str]:
    kept = [p for p in directory.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept}


def refused(ended: Ended, *words: str) -> None:
    assert ended.status == 50, ended.output
    assert "nothing was touched" in ended.output
    for word in (*words, "→"):
        assert word in ended.output, ended.output


def backup(operator: Operator) -> Path:
    return next((operator.lab.directory / ORCHESTRATOR.parent).glob("*.backup.*"))


@pytest.mark.usefixtures("untouched")
class TestRefusals:
    def test_no_docker(self, operator: Operator) -> None:
        refused(
            operator.rollback(DOCKER_HOST="unix:///nowhere.sock"), "no Docker Engine answers", "unix:///nowhere.sock"
        )

    def test_no_docker_is_inconclusive_for_verify(self, operator: Operator) -> None:
        """And leaves a record that says so."""
        ended = operator.verify(DOCKER_HOST="unix:///nowhere.sock")
        assert ended.status == 20, ended.output
        record = operator.newest_record()
        assert record["verdict"] == "INCONCLUSIVE"
        assert "no Docker Engine answers" in record["reason"]

    def test_no_compose(self, operator: Operator, tmp_path: Path) -> None:
        docker = shutil.which("docker")
        assert docker
        (tmp_path / "docker").symlink_to(docker)
        without = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
        refused(operator.rollback(*ONE_MISSING, **without), "no Docker Compose is installed")
        ended = operator.rollback("--dry-run", "--verbose", **without)  # all code is mounted, and nothing is missing
        assert ended.status == 0, ended.output
        assert "containers are restarted without it" in ended.output

    def test_wrong_project_directory(self, operator: Operator, tmp_path: Path) -> None:
        ended = operator.rollback("--set", f"deployment.project_directory={tmp_path}/none")
        refused(ended, f"there is no directory {tmp_path}/none")

    def test_directory_that_the_containers_do_not_see(self, operator: Operator, tmp_path: Path) -> None:
        """A copy of the project: right names, wrong files."""
        copy = tmp_path / "copy"
        shutil.copytree(operator.lab.directory, copy)
        (copy / ORCHESTRATOR).write_text("# another\n")
        refused(operator.rollback("--set", f"deployment.project_directory={copy}"), "sees another", str(copy))

    def test_an_equal_copy_of_the_project(self, operator: Operator, tmp_path: Path) -> None:
        """The same bytes in another place: what runs would not be touched."""
        copy = tmp_path / "copy"
        shutil.copytree(operator.lab.directory, copy)
        refused(operator.rollback("--set", f"deployment.project_directory={copy}"), "a copy would be rolled back")

    def test_no_worker_container(self, operator: Operator) -> None:
        refused(operator.rollback("--set", "deployment.project=other"), "project other has no container")

    def test_worker_not_in_the_compose_file(self, operator: Operator) -> None:
        compose = operator.lab.directory / "docker-compose.yml"
        before = compose.read_text()
        compose.write_text(before.replace("enrichment-worker:", "renamed-worker:"))
        try:
            ended = operator.rollback(*ONE_MISSING)
            refused(ended, "the Compose file has no service enrichment-worker", "renamed-worker")
        finally:
            compose.write_text(before)

    def test_compose_file_that_compose_refuses(self, operator: Operator) -> None:
        compose = operator.lab.directory / "docker-compose.yml"
        before = compose.read_text()
        compose.write_text(before + "\nnonsense: [")
        try:
            refused(operator.rollback(*ONE_MISSING), "does not accept the project")
        finally:
            compose.write_text(before)

    def test_no_backup(self, operator: Operator) -> None:
        path = backup(operator)
        hidden = path.rename(operator.lab.directory / "hidden")
        try:
            refused(
                operator.rollback("--source", "backup"),
                "no backup of enrichment_service/workers/agent_orchestrator.py",
                "backup.*",
            )
        finally:
            hidden.rename(path)

    def test_a_backup_that_is_phase_1(self, operator: Operator) -> None:
        """The deployment guide can take it too late; restoring it would keep the change."""
        path = backup(operator)
        old = path.read_bytes()
        path.write_bytes((operator.lab.directory / ORCHESTRATOR).read_bytes())
        try:
            refused(
                operator.rollback("--source", "backup"),
                "none of 1 backups",
                path.name,
                "code of the change",
                "get_tool_timeout",
            )
        finally:
            path.write_bytes(old)

    def test_database_down(self, operator: Operator) -> None:
        refused(
            operator.rollback("--set", "database.address=127.0.0.1:1", "--set", "limits.answer_s=1"),
            "MongoDB at 127.0.0.1:1 does not answer",
        )

    def test_wrong_password(self, operator: Operator) -> None:
        ended = operator.rollback(ROLLBACK_GATE_DATABASE_PASSWORD="wrong-but-secret")
        refused(ended, "refused: Authentication failed")
        assert "wrong-but-secret" not in ended.output

    def test_several_problems_are_told_at_once(self, operator: Operator) -> None:
        ended = operator.rollback(
            "--set",
            "database.address=127.0.0.1:1",
            "--set",
            "limits.answer_s=1",
            "--set",
            "deployment.project=other",
        )
        refused(ended, "MongoDB", "has no container")

    @pytest.mark.parametrize("command", ["rollback", "verify"])
    def test_malformed_profile(self, operator: Operator, tmp_path: Path, command: str) -> None:
        profile = tmp_path / "profile.toml"
        profile.write_text("this is [not toml")
        ended = operator.invoke(command, "--profile", str(profile))
        assert ended.status == 2, ended.output
        assert f"profile {profile} is not TOML" in ended.output

    @pytest.mark.parametrize(
        ("setting", "words"),
        [
            ("limits.soak=1", "limits.soak: Extra inputs are not permitted (from command line)"),
            ("limits.soak_s=soon", "limits.soak_s: Input should be a valid number"),
            (
                "change=[{kind='removed', path='../../etc'}]",
                "change.10.path: Value error, must be a path inside the project directory",
            ),
            ("database.password=x", "secrets are never settings"),
        ],
    )
    def test_impossible_settings(self, operator: Operator, setting: str, words: str) -> None:
        ended = operator.rollback("--set", setting)
        assert ended.status == 2, ended.output
        assert words in ended.output

    def test_no_password(self, operator: Operator, tmp_path: Path) -> None:
        ended = operator.rollback("--set", f"database.password_file={tmp_path}/none")
        assert ended.status == 2, ended.output
        assert f"{tmp_path}/none cannot be read (No such file" in ended.output

    def test_one_chain_is_about_one_deployment(self, operator: Operator) -> None:
        """Two different profiles in one call: refused before anything is loaded."""
        ended = operator.invoke("rollback", "--profile", "a.toml", "verify", "--profile", "b.toml")
        assert ended.status == 2, ended.output
        assert "given twice with different values" in ended.output

    def test_locked(self, operator: Operator) -> None:
        """While another run holds the lock, both tasks exit 40 and name the holder."""
        profile = load(operator.lab.profile, {}).profile.deployment
        deployment = DeploymentId(str(operator.lab.engine.info()["ID"]), profile.project, "phase1")
        note = Path(tempfile.gettempdir()) / f"rollback-gate-{deployment.folder_name}.holder"
        with lock.held(profile.project_directory, note, "kim", "rollback", Instant(0)):
            for ended in (operator.rollback(), operator.verify()):
                assert ended.status == 40, ended.output
                assert f"process {os.getpid()}, rollback, since 1970-01-01" in ended.output

    def test_a_dry_run_shows_the_plan_and_touches_nothing(self, operator: Operator) -> None:
        ended = operator.rollback("--dry-run")
        assert ended.status == 0, ended.output
        assert "steps; nothing was touched" in ended.output
        assert "docker restart e2e-bad-input-enrichment-worker-1" in ended.output

    def test_a_restore_that_drops_other_work(self, operator: Operator) -> None:
        """Where nobody can answer it needs --accept-diff; the diff was shown."""
        ended = operator.rollback("--set", "limits.dropped_lines=3")
        assert ended.status == 50, ended.output
        assert (
            "lines that are not the change's own, more than limits.dropped_lines, 3; nothing was touched"
            in ended.output
        )
        assert "--accept-diff" in ended.output
        assert "-from enrichment_service.config.timeouts import get_tool_timeout" in ended.output

    def test_preflight_says_what_a_rollback_would(self, operator: Operator) -> None:
        """Where that would be refused for what it drops, preflight is too."""
        ended = operator.invoke("preflight", "--set", "limits.dropped_lines=3")
        assert ended.status == 50, ended.output
        assert "more than limits.dropped_lines, 3; nothing was touched" in ended.output
        ended = operator.invoke("preflight", "--mode", "full", "--docs")
        assert ended.status == 0, ended.output
        assert "move QUICK_REFERENCE.md into the run's quarantine" in ended.output
        assert operator.invoke("preflight", "--mode", "half").status == 2

    def test_options_that_would_do_nothing(self, operator: Operator) -> None:
        refused(operator.rollback("--no-cache"), "--no-cache: nothing is built here, the code comes by bind")

    def test_looking_touches_nothing(self, operator: Operator) -> None:
        """Backups with what they really are, runs, and what runs now."""
        assert "a rollback would take this one" in operator.invoke("rollback.backups").output
        assert "Runs of this deployment: 0" in operator.invoke("rollback.history").output
        assert "e2e-bad-input-enrichment-worker-1: running" in operator.invoke("rollback.status").output

    def test_verify_with_a_wrong_since(self, operator: Operator) -> None:
        ended = operator.verify("--since", "yesterday")
        assert ended.status == 2, ended.output
        assert "for example --since" in ended.output


def test_of_several_backups_the_newest_old_code_is_taken(operator: Operator) -> None:
    """By the time in the name and by content: the newest is Phase 1, the newest by mtime is the oldest by name."""
    old = backup(operator)
    folder = old.parent
    newest = folder / "agent_orchestrator.py.backup.20991231_235959"
    newest.write_bytes((HERE / "releases" / RELEASES["phase1"][0] / ORCHESTRATOR).read_bytes())
    oldest = folder / "agent_orchestrator.py.backup.20200101_000000"
    oldest.write_bytes(old.read_bytes() + b"# older\n")
    os.utime(old, (1, 1))
    ended = operator.rollback("--set", "limits.dropped_lines=3", "--accept-diff")
    assert ended.status == 0, ended.output
    history = operator.invoke("rollback.history").output
    assert re.search(r"quick, done \(begin, \d+ steps, by ", history), history
    assert (operator.lab.directory / ORCHESTRATOR).read_bytes() == old.read_bytes()
    assert f"from backup {old.relative_to(operator.lab.directory)}" in ended.output
