"""A rollback that fails says in what state the service is, leaves a record and exits 30; verify does not follow."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import docker
import pytest

from lab.reference import ORCHESTRATOR
from tests.e2e.conftest import OTHERS, Operator, code_in, identities, running_lab, tree


def break_worker(operator: Operator) -> None:
    """What the old code needs cannot be imported: invisible to preflight, fatal at the start."""
    config = operator.lab.directory / "enrichment_service/config.py"
    config.write_text(config.read_text() + "\nraise ImportError('planted: old code cannot start')\n")


def mend_worker(operator: Operator) -> None:
    config = operator.lab.directory / "enrichment_service/config.py"
    config.write_text(config.read_text().replace("raise ImportError('planted: old code cannot start')", ""))


def test_a_worker_that_does_not_come_up(labs_directory: Path, tmp_path: Path) -> None:
    """Rolling stops at the first replica: the other one goes on consuming; exit 30 and a record.

    With the cause mended, a second rollback does what is still to be done, and verify says GO.
    """
    with running_lab("bind", "phase1", "e2e-failed", tmp_path) as operator:
        others = identities(operator.lab, OTHERS)
        second = identities(operator.lab, ("enrichment-worker",))["e2e-failed-enrichment-worker-2"]
        break_worker(operator)
        ended = operator.invoke("rollback", "--set", "limits.start_s=12", "--reason", "e2e", "verify")
        assert ended.status == 30, ended.output
        assert "planted: old code cannot start" in ended.output
        assert "Verify:" not in ended.output
        record = operator.newest_record()
        assert record["verdict"] == "INCONCLUSIVE"
        assert "step 'wait:e2e-failed-enrichment-worker-1' failed" in record["reason"]
        assert any("worker-2 is running" in line for line in record["state_of_service"])
        page = (record["folder"] / "report.html").read_text()
        assert "ROLLBACK FAILED" in page
        assert "State of the service" in page
        assert identities(operator.lab, ("enrichment-worker",))["e2e-failed-enrichment-worker-2"] == second
        mend_worker(operator)
        again = operator.rollback()
        assert again.status == 0, again.output
        assert "failed before its end" in again.output
        assert operator.verify().status == 0
        assert identities(operator.lab, OTHERS) == others


@pytest.mark.thorough
def test_a_build_that_fails_stops_nothing(labs_directory: Path, tmp_path: Path) -> None:
    """The image is built before anything stops: the old process still runs when the build fails."""
    with running_lab("build", "phase1", "e2e-build-fails", tmp_path) as operator:
        before = identities(operator.lab, ("enrichment-worker", "enrichment-coordinator"))
        dockerfile = operator.lab.directory / "Dockerfile"
        dockerfile.write_text(dockerfile.read_text() + "RUN false\n")
        ended = operator.rollback()
        assert ended.status == 30, ended.output
        assert "step 'build' failed" in ended.output
        assert identities(operator.lab, ("enrichment-worker", "enrichment-coordinator")) == before
    with contextlib.closing(docker.from_env()) as engine:
        label = "rollback-gate.lab.project=e2e-build-fails"
        assert engine.containers.list(all=True, filters={"label": label}) == [], "the lab leaves nothing behind"
        assert engine.images.list(all=True, filters={"label": label}) == []


@pytest.mark.thorough
def test_ctrl_c_says_how_to_go_on(labs_directory: Path, tmp_path: Path) -> None:
    """In a wait it ends at once, exit 30; the run is stopped, not failed; mended, resume ends it; and undo undoes it."""
    with running_lab("bind", "phase1", "e2e-ctrl-c", tmp_path) as operator:
        before = tree(operator.lab)
        break_worker(operator)
        with operator.started("rollback", "--set", "limits.start_s=100") as process:
            assert process.stdout
            lines = iter(process.stdout.readline, "")
            assert any("wait until e2e-ctrl-c-enrichment-worker-1" in line for line in lines)
            process.send_signal(signal.SIGINT)
            said = process.stdout.read()
            assert process.wait(timeout=10) == 30
        assert re.search("stopped by Ctrl-C (in|before) step 'wait:e2e-ctrl-c-enrichment-worker-1'", said), said
        assert "`invoke rollback.resume` completes the run; or `invoke rollback.undo` restores the change" in said
        assert "was stopped before its end" in operator.invoke("rollback.history").output
        mend_worker(operator)
        assert operator.invoke("rollback.full").status == 50, "another mode, while this one is half done"
        ended = operator.invoke("rollback.resume")
        assert ended.status == 0, ended.output
        assert operator.verify().status == 0
        assert operator.invoke("rollback.undo").status == 0
        mended = tree(operator.lab)
        assert mended.keys() == before.keys()
        assert mended[str(ORCHESTRATOR)] == before[str(ORCHESTRATOR)]


def test_the_engine_goes_away_in_the_middle(labs_directory: Path, tmp_path: Path) -> None:
    """Exit 30, a record that says that the state is unknown; with the engine back, resume goes on."""
    with running_lab("bind", "phase1", "e2e-engine-gone", tmp_path) as operator:
        others = identities(operator.lab, OTHERS)
        with Proxy(tmp_path / "engine.sock") as proxy:
            environ = operator.environment(DOCKER_HOST=f"unix://{proxy.path}")
            with subprocess.Popen(
                operator.command("rollback"),
                env=environ,
                cwd="/",
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process:
                assert process.stdout
                lines = iter(process.stdout.readline, "")
                assert any("wait until e2e-engine-gone-enrichment-worker-1" in line for line in lines)
                proxy.cut()
                said = process.stdout.read()
                assert process.wait(timeout=60) == 30, said
        assert "the engine did not answer" in said
        record = operator.newest_record()
        assert record["state_of_service"][0].startswith("unknown: ")
        ended = operator.invoke("rollback.resume")
        assert ended.status == 0, ended.output
        assert code_in(operator.lab) == ["before, running"] * 2
        assert operator.verify().status == 0
        assert identities(operator.lab, OTHERS) == others


class Proxy:
    """Between a command and the engine, until it is cut: then nobody listens there any more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: list[socket.socket] = []

    def __enter__(self) -> Proxy:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(50)
        self._open.append(self._listener)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def cut(self) -> None:
        self.path.unlink(missing_ok=True)
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect("/var/run/docker.sock")
                self._open += [client, engine]
                for one, other in ((client, engine), (engine, client)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
