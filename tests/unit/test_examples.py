"""examples/ci: valid by the published schemas, sound shell, and all three ask the same gate."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.builders import ROOT

CI = ROOT / "examples" / "ci"
BIN = Path(sys.executable).parent


def run(*command: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("schema", "name"), [("vendor.github-workflows", "github-actions.yml"), ("vendor.gitlab-ci", "gitlab-ci.yml")]
)
def test_valid_by_the_published_schema(schema: str, name: str, tmp_path: Path) -> None:
    """And a typo is not."""
    check = (str(BIN / "check-jsonschema"), "--builtin-schema", schema)
    done = run(*check, str(CI / name))
    assert done.returncode == 0, done.stdout
    broken = tmp_path / name
    broken.write_text((CI / name).read_text().replace("timeout", "timeuot", 1).replace("runs-on", "runson"))
    if schema == "vendor.github-workflows":
        assert run(*check, str(broken)).returncode != 0


def shell() -> dict[str, list[str]]:
    """The commands of each example's gate job."""
    jobs: Any = yaml.safe_load((CI / "github-actions.yml").read_text())["jobs"]
    github = [step["run"] for step in jobs["gate"]["steps"] if "run" in step]
    gitlab = yaml.safe_load((CI / "gitlab-ci.yml").read_text())["gate"]["script"]
    jenkins = re.findall(r"sh '([^']+ask-gate[^']+)'", (CI / "Jenkinsfile").read_text())
    return {"github-actions.yml": github, "gitlab-ci.yml": gitlab, "Jenkinsfile": jenkins}


@pytest.mark.parametrize("name", sorted(shell()))
def test_the_shell_is_sound(name: str) -> None:
    (command,) = shell()[name]
    done = run(str(BIN / "shellcheck"), "--shell=sh", "-", text=f"#!/bin/sh\n{command}\n")
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(r"/opt/rollback-gate/examples/ci/ask-gate \w+ --require-actions --max-age 7d", command)


def test_what_they_share_is_sound() -> None:
    done = run(str(BIN / "shellcheck"), str(CI / "ask-gate"))
    assert done.returncode == 0, done.stdout


def test_nothing_is_deployed_without_the_gate() -> None:
    github: Any = yaml.safe_load((CI / "github-actions.yml").read_text())["jobs"]
    gitlab: Any = yaml.safe_load((CI / "gitlab-ci.yml").read_text())
    assert github["deploy"]["needs"] == "gate"
    assert "continue-on-error" not in str(github)
    assert gitlab["deploy"]["needs"] == ["gate"]
    assert "allow_failure" not in str(gitlab)
    jenkins = (CI / "Jenkinsfile").read_text()
    assert jenkins.index("stage('Gate')") < jenkins.index("stage('Deploy')")
    assert "catchError" not in jenkins


@pytest.mark.parametrize("name", ["api", "receipts", "thumbnails"])
def test_a_profile_is_a_short_file(name: str) -> None:
    """Another team's: at most 40 lines, with its comments."""
    assert len((ROOT / "examples" / name / "profile.toml").read_text().splitlines()) <= 40
