"""From a GO to the next deployment: actions, approval by somebody else, and what the examples of examples/ci run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.operator import QUICK, Ended, settings
from tests.e2e.conftest import ROOT, Operator, running_lab
from tests.unit.test_examples import shell

KEY = {"ROLLBACK_GATE_SIGNING_KEY": "k" * 32}
BEFORE = ("verify-fix", "test-samples", "review-changes")


@pytest.fixture(scope="module")
def operator(labs_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Rolled back, and judged GO."""
    with running_lab("single", "phase1", "e2e-redeploy", tmp_path_factory.mktemp("redeploy")) as started:
        assert started.rollback("verify", **KEY).status == 0
        yield started


def gate(operator: Operator, *arguments: str, **environ: str) -> Ended:
    return operator.invoke("gate", *settings(*QUICK), *arguments, **KEY, **environ)


def approve(operator: Operator, who: str) -> None:
    """As another user would: the tool asks the kernel who calls, and sudo who called it."""
    ended = operator.invoke("actions.done", "approval", "--by", who, **KEY, SUDO_USER=who)
    assert ended.status == 0, ended.output


def test_the_gate_waits_for_what_is_due_before_redeployment(operator: Operator) -> None:
    """One thing after the other; the approval of the one who rolled back is none."""
    assert gate(operator).status == 0
    closed = gate(operator, "--require-actions")
    assert closed.status == 20
    assert closed.output.count("not done yet: ") == 4
    for item in BEFORE:
        assert operator.invoke("actions.done", item, "--note", "by e2e", **KEY).status == 0
    refused = operator.invoke("actions.done", "approval", **KEY)
    assert refused.status == 2
    assert "must come from another person" in refused.output
    assert gate(operator, "--require-actions").status == 20
    approve(operator, "nobody")
    assert gate(operator, "--require-actions").status == 0
    listed = operator.invoke("actions", **KEY)
    assert "nobody" in listed.output
    assert "left: notify-team" in listed.output


def test_another_verify_forgets_nothing_and_without_the_key_nothing_counts(operator: Operator) -> None:
    assert operator.verify(**KEY).status == 0
    assert gate(operator, "--require-actions").status == 0
    folder = next(operator.reports.glob("*/actions.json")).parent
    kept = (folder / "actions.json").read_text()
    try:
        (folder / "actions.json").write_text(kept.replace("nobody", "someone"))
        assert gate(operator, "--require-actions").status == 20
    finally:
        (folder / "actions.json").write_text(kept)


def test_every_form_exits_alike(operator: Operator, tmp_path: Path) -> None:
    """And each writes where its CI reads."""
    files = {name: str(tmp_path / name) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "ROLLBACK_GATE_DOTENV")}
    for arguments, status in (((), 0), (("--max-age", "0s"), 20)):
        for form in ("text", "json", "github", "gitlab"):
            ended = gate(operator, "--format", form, *arguments, **files)
            assert ended.status == status, ended.output
            if form == "json":
                said: dict[str, Any] = json.loads(ended.output)
                assert (said["open"], said["exit_code"]) == (status == 0, status)
    assert (tmp_path / "GITHUB_STEP_SUMMARY").read_text().startswith("## Gate open: GO")
    assert "rollback_gate_open=true\n" in (tmp_path / "GITHUB_OUTPUT").read_text()
    assert (tmp_path / "ROLLBACK_GATE_DOTENV").read_text().count("rollback_gate_open=true\n") == 4
    assert gate(operator, "--format", "xml").status == 2


@pytest.mark.parametrize("name", sorted(shell()))
def test_what_the_examples_run(name: str, operator: Operator, tmp_path: Path) -> None:
    """The very command of each file: open on a GO, with its record kept; closed on what is too old, and kept too."""
    (command,) = shell()[name]
    command = command.replace("/opt/rollback-gate", str(ROOT))
    sets = " ".join(settings(*QUICK))
    environ = operator.environment(**KEY, HOME=os.environ.get("HOME", "/root"), GITHUB_OUTPUT=str(tmp_path / "output"))
    for age, status in (("7d", 0), ("0s", 20)):
        asked = f"{command.replace('--max-age 7d', f'--max-age {age}')} {sets}"
        done = subprocess.run(
            ["sh", "-ec", asked],
            env=environ,
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, done.stdout
        kept = sorted(path.name for path in (tmp_path / "gate-record").iterdir())
        assert {"junit.xml", "report.html", "report.json"} <= set(kept)
        shutil.rmtree(tmp_path / "gate-record")


def test_records_are_listed_shown_and_pruned(operator: Operator) -> None:
    """The gate says the same after it."""
    assert "GO" in operator.invoke("record.list", **KEY).output
    shown = operator.invoke("record.show", **KEY)
    assert shown.status == 0
    assert "interruption: " in shown.output
    before = gate(operator).output
    assert operator.invoke("record.prune", "--keep", "1", "--dry-run", **KEY).status == 0
    assert operator.invoke("record.prune", "--keep", "1", **KEY).status == 0
    assert gate(operator).output == before
    assert operator.invoke("record.prune", "--keep", "0", **KEY).status == 2
