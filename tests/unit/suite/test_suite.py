from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rollback_gate.change.reading import Baseline
from rollback_gate.checks.manifest import Scope
from rollback_gate.evidence.judged import Judged
from rollback_gate.evidence.readings import Started
from rollback_gate.model import Unmeasured
from rollback_gate.record import seal
from rollback_gate.record.write import HTML_NAME, JSON_NAME, JUNIT_NAME, LOG_NAME
from rollback_gate.suite import own
from rollback_gate.suite import run as suite
from rollback_gate.suite.request import GateRequest
from tests.unit.builders import ROOT, STARTED, phase1
from tests.unit.record.test_record import heading


def request() -> GateRequest:
    started = {"c" * 64: Started("c" * 64, STARTED, "sha256:1", "abc")}
    judged = Judged("run", {"a.py": "0" * 64}, started, reverted_at=STARTED, baseline=Baseline("s", "x", 0.3, 0.1, 12))
    memories = (Path("/state/probes.json"),)
    return GateRequest(phase1("limits.soak_s=7"), {"replica-1": True}, judged, True, heading(), memories, True)


def test_a_request_goes_through_a_pipe_as_it_is() -> None:
    """The profile too: a file that was changed meanwhile is not read again."""
    assert GateRequest.parse(request().as_text()) == request()


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"profile": 1}'])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        GateRequest.parse(text)


def test_nothing_of_the_environment_reaches_pytest() -> None:
    """Options and plugins from outside would decide which checks run; and it signs nothing."""
    given = {
        "PYTEST_ADDOPTS": "-k x",
        "PYTEST_PLUGINS": "y",
        "GIT_DIR": "/elsewhere",
        "COMPOSE_FILE": "other.yml",
        seal.KEY_VARIABLE: "k" * 32,
        "DOCKER_HOST": "unix:///x",
        "DOCKER_CONTEXT": "remote",
        "MONGO_PASSWORD": "p",
    }
    kept = suite.environment(given, ["MONGO_PASSWORD"])
    assert kept == {
        "DOCKER_HOST": "unix:///x",
        "DOCKER_CONTEXT": "remote",
        "MONGO_PASSWORD": "p",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }


def test_the_command_is_isolated_and_explicit() -> None:
    """-I keeps PYTHON* out, and the gate's own settings file is named."""
    argv = suite.command(Path("/opt/gate"), Path("/private"))
    assert argv[1:4] == ("-I", "-m", "pytest")
    assert "/opt/gate/tests/gate/gate.ini" in argv
    assert "--noconftest" in argv
    assert "/private/report.html" in argv


def test_nobody_else_can_enter_where_the_suite_answers_and_nothing_stays() -> None:
    with suite.started(ROOT, phase1(), {}) as running:
        folder = running.folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
    assert running.process.returncode is not None


def test_a_suite_without_an_engine_leaves_what_it_could_not_measure() -> None:
    """Through the real process: the request in, a record out, none of it GO."""
    with suite.started(ROOT, phase1(), {"PATH": "/usr/bin:/bin", "DOCKER_HOST": "unix:///nowhere/docker.sock"}) as run:
        left = run.judge(request(), 60)
    assert left.trouble == "", left.log
    assert left.judged["verdict"] == "INCONCLUSIVE"
    assert isinstance(left.judged["readings"], dict)
    assert "unmeasured" in left.judged["readings"]
    assert "rg-record" in left.page


def test_a_suite_that_was_killed_before_it_was_asked_says_so() -> None:
    with suite.started(ROOT, phase1(), {}) as running:
        running.process.kill()
        left = running.judge(request(), 60)
    assert left.trouble == "it was killed by signal 9"
    assert left.judged == {}


@pytest.mark.timeout(120)
def test_the_limit_holds_for_own_checks_too(tmp_path: Path) -> None:
    """A rollback waits for no more than limits.before_s, whatever a team has written."""
    checks = tmp_path / "checks"
    checks.mkdir()
    (checks / "test_a.py").write_text("import time\n\nwhile True:\n    time.sleep(1)\n\n\ndef test_it(since): pass\n")
    scope = Scope.of(phase1(), own.find(checks, phase1()))
    asked = replace(request(), own=checks, heading=replace(heading(), scope=scope))
    for name in (JSON_NAME, HTML_NAME, JUNIT_NAME, LOG_NAME, suite.READINGS_NAME):
        (tmp_path / name).write_text("{}")
    four = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)
    with four:
        left = suite.Suite(four, tmp_path, ROOT, {"PATH": os.environ["PATH"]}).judge(asked, 4)
    assert (left.trouble, left.judged) == ("", {})


def test_unmeasured_sources_survive_the_pipe() -> None:
    unknown = GateRequest(
        phase1(), {}, Judged(None, Unmeasured("the source", "no backup"), {}), False, heading(), (Path("/x"),)
    )
    assert GateRequest.parse(unknown.as_text()) == unknown


def test_a_suite_ends_with_whoever_asked() -> None:
    """Killed in the middle, they have freed the lock: nobody may go on sending test documents."""
    with suite.started(ROOT, phase1("limits.soak_s=600"), {"PATH": os.environ["PATH"]}) as running:
        pipe = running.process.stdin
        assert pipe is not None
        pipe.write(f"{request().as_text()}\n".encode())
        pipe.flush()
        pipe.close()
        assert running.process.wait(60) == -signal.SIGKILL
