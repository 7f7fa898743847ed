"""`demo --recorded`: real rules on recorded readings, and nothing that could be taken for a verdict on what runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import recorded_demo
from rollback_gate.instant import Instant
from rollback_gate.model import Verdict
from rollback_gate.record import check, validity, write
from tests.unit.builders import ROOT, phase1

NOW = Instant.parse("2026-11-26T12:00:00Z")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], Verdict]:
    folder, told = tmp_path_factory.mktemp("recorded"), list[str]()
    return folder, told, recorded_demo.play(folder, NOW, told.append)


def test_it_judges_for_real(played: tuple[Path, list[str], Verdict]) -> None:
    """A NO-GO and a GO, by the rules of tests/gate."""
    _, told, last = played
    assert last is Verdict.GO
    verdicts = [line.split(":")[0].split()[-1] for line in told if line.startswith("  RECORDED ")]
    assert verdicts == ["NO-GO", "GO"]


@pytest.mark.parametrize("name", [name for name, _ in recorded_demo.STORY])
def test_every_page_says_that_it_is_recorded(played: tuple[Path, list[str], Verdict], name: str) -> None:
    page = (played[0] / name / write.HTML_NAME).read_text()
    assert '<span class="rg-word">RECORDED: ' in page
    assert "nothing that runs was looked at" in page
    assert "it says nothing about what runs now" in page
    for of_a_real_one in ("rg-go", "rg-no-go", "rollback verify", "The change is", "reads this record"):
        assert of_a_real_one not in page.partition("<article")[2].partition("The four checks")[0], of_a_real_one


@pytest.mark.parametrize("name", [name for name, _ in recorded_demo.STORY])
def test_the_gate_refuses_it(played: tuple[Path, list[str], Verdict], name: str) -> None:
    """Unaltered as it is: it is of another kind than what verify writes."""
    seen = check.examine((played[0] / name / write.HTML_NAME).read_text(), None)
    assert not seen.was_altered
    found = validity.of_record(seen, phase1().deployment.project, phase1().name, NOW, 1e9)
    assert any(one.says.startswith("the record is no verdict") for one in found)


def test_without_an_engine_it_is_offered_and_works(tmp_path: Path) -> None:
    environment = {**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:1", "ROLLBACK_GATE_LAUNCHER": "./bootstrap"}
    command = [sys.executable, "-P", "-m", "rollback_gate", "demo", "--recorded"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60
    )
    assert (done.returncode, done.stdout.count("RECORDED")) == (0, 5), done.stderr
    bootstrap = [str(ROOT / "bootstrap"), "demo"]
    refused = subprocess.run(bootstrap, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 50
    assert f"{bootstrap[0]} demo --recorded" in refused.stderr
