"""`profile.show`: what is in effect, and why."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from rollback_gate.redaction import Redactor
from rollback_gate.workflow import profiles
from rollback_gate.workflow.call import Call
from rollback_gate.workflow.terminal import Terminal
from tests.unit.builders import ROOT


def shown(tmp_path: Path, *given: str, is_set_only: bool = False) -> dict[str, str]:
    """By setting: the rest of its line."""
    environ = {
        "PATH": os.environ["PATH"],
        "ROLLBACK_GATE_REPORTS": str(tmp_path),
        "ROLLBACK_GATE__LIMITS__PROBE_S": "31",
        "ROLLBACK_GATE_DATABASE_PASSWORD": "hunter22-of-nobody",
    }
    out = io.StringIO()
    profiles.show(Call.make(ROOT, "", given, environ, Terminal(out, Redactor([]))), is_set_only)
    assert "hunter22-of-nobody" not in out.getvalue()
    lines = [line.strip().split(maxsplit=1) for line in out.getvalue().splitlines()]
    return {row[0]: " ".join(row[1].split()) for row in lines if len(row) == 2}


def test_every_setting_has_its_origin(tmp_path: Path) -> None:
    """The command line wins over the environment, that over the profile."""
    rows = shown(tmp_path, "limits.soak_s=30")
    assert rows["limits.soak_s"] == "30.0 command line"
    assert rows["limits.probe_s"].startswith("31.0 ")
    assert "ROLLBACK_GATE__LIMITS__PROBE_S" in rows["limits.probe_s"]
    assert rows["limits.start_s"].endswith("default")
    assert "profile" in rows["deployment.project"]


@pytest.mark.parametrize("is_set_only", [True, False])
def test_defaults_can_be_left_out(tmp_path: Path, is_set_only: bool) -> None:
    assert ("limits.start_s" in shown(tmp_path, is_set_only=is_set_only)) is not is_set_only
