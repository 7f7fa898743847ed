"""The gate itself cannot be talked out of its verdict by the environment, by being killed, or by an old report."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback_gate.checks.manifest import Scope
from tests.e2e.conftest import ROOT, Operator, finding, running_lab
from tests.unit.builders import phase1


@pytest.fixture(scope="module")
def operator(labs_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Phase 1 runs: every verdict here must be NO-GO or INCONCLUSIVE."""
    with running_lab("single", "phase1", "e2e-gate", tmp_path_factory.mktemp("gate")) as started:
        yield started


@pytest.mark.parametrize(
    "environ",
    [
        {"PYTEST_ADDOPTS": "-k nothing"},
        {"PYTEST_ADDOPTS": "--collect-only"},
        {"PYTEST_PLUGINS": "does_not_exist"},
        {"PYTHONOPTIMIZE": "2"},
    ],
)
def test_the_environment_deselects_nothing(operator: Operator, environ: dict[str, str]) -> None:
    """What makes plain pytest exit 0 without a test changes nothing here: all checks run, and it is NO-GO."""
    ended = operator.verify(**environ)
    assert ended.status == 10, ended.output
    assert (
        operator.newest_record()["tests"].keys()
        == Scope.of(phase1()).ids({"replica-1": True, "enrichment-coordinator-1": False}).keys()
    )


def test_without_a_request_the_gate_refuses_to_run(operator: Operator) -> None:
    """`pytest tests/gate` would judge nothing: it says what to do instead."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/gate"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4, done.stdout
    assert "run `invoke verify`" in done.stdout + done.stderr


def test_killed_in_the_middle_it_leaves_an_inconclusive_record(operator: Operator) -> None:
    """SIGKILL to the suite: the record that was there from the beginning says that verify did not end."""
    before = set(operator.reports.iterdir())
    environ = {
        **os.environ,
        "ROLLBACK_GATE_PROFILE": str(operator.lab.profile),
        "ROLLBACK_GATE_REPORTS": str(operator.reports),
        "ROLLBACK_GATE_STATE_DIRECTORY": str(operator.reports.parent / "state"),
    }
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "verify", "--set", "limits.soak_s=60"]
    with subprocess.Popen(command, env=environ, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as verify:
        suite = _wait_for_suite(verify.pid)
        os.kill(suite, signal.SIGKILL)
        output = verify.communicate(timeout=60)[0].decode()
    assert verify.returncode == 20, output
    assert "it was killed by signal 9" in output
    folder = (set(operator.reports.iterdir()) - before).pop()
    page = (folder / "report.html").read_text()
    assert "killed by signal 9" in page
    assert ">GO<" not in page


def test_who_may_write_the_records_folder_changes_no_verdict(operator: Operator) -> None:
    """Somebody puts a GO of their own there while the checks run, over everything, as often as they can."""
    lies = {"verdict": "GO", "slots": {}, "tests": {}, "profile": "/dev/null", "judged": {"run_id": "x"}}
    names = ("request.json", "report.json", "report.json.partial", "report.html.partial", "junit.xml", "record.css")
    stopped = threading.Event()
    before = set(operator.reports.iterdir())

    def lie() -> None:
        while not stopped.is_set():
            for folder in set(operator.reports.iterdir()) - before:
                for name in names:
                    with contextlib.suppress(OSError):
                        (folder / name).write_text(json.dumps(lies))

    liar = threading.Thread(target=lie)
    liar.start()
    try:
        ended = operator.verify()
    finally:
        stopped.set()
        liar.join()
    assert ended.status == 10, ended.output
    assert "NO-GO: " in ended.output
    assert operator.invoke("gate").status != 0


def _wait_for_suite(parent: int) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        listed = subprocess.run(
            ["pgrep", "-P", str(parent), "-f", "gate-result"], capture_output=True, text=True, check=False
        )
        if listed.stdout.strip():
            return int(listed.stdout.split()[0])
        time.sleep(0.05)
    raise AssertionError("the suite was never started")


def test_out_of_time_is_inconclusive(operator: Operator) -> None:
    """The global deadline ends a verify that hangs; what it did not measure is not a result."""
    ended = operator.invoke("verify", "--keep-going", "--set", "limits.verify_s=2", "--set", "limits.soak_s=60")
    assert ended.status == 20, ended.output
    assert "stopped after 2 s, its time limit" in ended.output


def test_without_the_database_it_is_never_go(operator: Operator) -> None:
    """--without-database leaves documents unmeasured, and says so in every claim about them."""
    operator.verify("--without-database")
    record = operator.newest_record()
    assert finding(record, "completeness")["outcome"] == "inconclusive"
    assert "--without-database" in finding(record, "completeness")["reason"]
