from __future__ import annotations

from pathlib import Path

from rollback_gate.suite import run as suite


def test_nothing_of_the_environment_reaches_pytest() -> None:
    """Options and plugins from outside would decide which checks run."""
    kept = suite.environment({"PYTEST_ADDOPTS": "-k x", "PYTEST_PLUGINS": "y", "DOCKER_HOST": "unix:///x"})
    assert kept == {"DOCKER_HOST": "unix:///x", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def test_the_command_is_isolated_and_explicit() -> None:
    """-I keeps PYTHON* out, the gate's own settings file is named, reports are written under a partial name."""
    argv = suite.command(Path("/r/request.json"), Path("/opt/gate"), Path("/r"))
    assert argv[1:4] == ("-I", "-m", "pytest")
    assert "/opt/gate/tests/gate/gate.ini" in argv
    assert "--noconftest" in argv
    assert "/r/report.html.partial" in argv
