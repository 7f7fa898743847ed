"""The pages as a reader uses them: every command is run as it stands there, and prints what stands below it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest

from lab import pages
from tests.e2e.conftest import ROOT, Nature, Operator, running_lab

README = (ROOT / "README.md").read_text()
# `test` is what runs this; the profile and the password of a reader are not those of the lab.
_NOT_RUN = ("./bootstrap test",)


@pytest.fixture
def operator(labs_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("pages")
    with running_lab("bind", "before", "e2e-pages", folder, nature=Nature("tame")) as started:
        yield started


@pytest.mark.thorough
def test_the_operators_guide_shows_what_is_printed(operator: Operator) -> None:
    """All of it, in its order; ids, times and amounts are blanked."""
    page = pages.PAGE.read_text()
    shown, printed = (pages.blanked(text) for text in (page, pages.played(page, pages.Session(operator))))
    assert shown == printed, "\n".join(unified_diff(shown.splitlines(), printed.splitlines(), lineterm=""))


def commands(text: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(_NOT_RUN)]


def test_the_commands_of_the_readme_work_as_they_stand_there(operator: Operator) -> None:
    """In one shell, in their order; what is put into /usr/local/bin is so only for this test."""
    operator.lab.deploy("phase1-broken")
    lines = commands(README.partition("## Reference")[0])
    assert len(lines) >= 8
    lab = operator.lab
    mine = {
        "ROLLBACK_GATE_PROFILE=profiles/phase1.toml": f"ROLLBACK_GATE_PROFILE={lab.profile}",
        "ROLLBACK_GATE_DATABASE_PASSWORD='...'": f"ROLLBACK_GATE_DATABASE_PASSWORD={lab.settings['LAB_MONGO_PASSWORD']}",
    }
    script = ["mount -t tmpfs none /usr/local/bin || exit 98"]
    for line in lines:
        text = line
        for theirs, ours in mine.items():
            text = text.replace(theirs, ours)
        may_end = (0, 10) if line.startswith("rollback-gate assess") else (0,)  # 10: ROLL BACK NOW
        allowed = "|".join(str(status) for status in may_end)
        script += [f"echo {pages.PROMPT + text!r}", text, f"case $? in {allowed}) ;; *) exit 99 ;; esac"]
    environment = operator.environment(ROLLBACK_GATE__LIMITS__SOAK_S="2")
    for name in ("ROLLBACK_GATE_PROFILE", "ROLLBACK_GATE_LAUNCHER"):
        environment.pop(name)
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", "\n".join(script)],
        env={**environment, "PATH": os.environ["PATH"]},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=540,
    )
    assert done.returncode == 0, done.stdout
    assert "GO: all four checks passed" in done.stdout
    assert "→ rollback-gate rollback verify" in done.stdout
