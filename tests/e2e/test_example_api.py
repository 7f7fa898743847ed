"""examples/api on a real engine: an API without a queue, whose change is a file that is mounted elsewhere."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import docker
import pytest

from lab import example
from lab.example import Example
from lab.images import BASE
from lab.operator import Operator
from lab.reference import Lab

QUICK = ("--set", "limits.soak_s=1", "--set", "limits.health_s=20")
IMAGES = {"API_IMAGE": f"{BASE}:latest"}


@pytest.fixture
def team(tmp_path: Path) -> Iterator[tuple[Example, Operator]]:
    """The change is in place, and runs."""
    with example.running(
        "api", tmp_path, f"e2e-example-{tmp_path.name[-12:].strip('_').lower()}", ("API_IMAGE",)
    ) as one:
        yield one, Operator(cast(Lab, one), tmp_path / "reports")  # of a lab, only the profile is used


def _said(container: Any, script: str) -> str:
    return str(container.exec_run(["python3", "-c", script]).output.decode())


def answers(one: Example) -> dict[str, str]:
    """What the running process has read at its start."""
    with contextlib.closing(docker.from_env()) as client:
        (container,) = client.containers.list(filters={"label": f"com.docker.compose.project={one.project}"})
        ask = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8000/').read().decode())"
        found: dict[str, str] = json.loads(_said(container, ask))
        return found


def test_a_rollback_is_go_for_the_two_checks_that_are_asked(team: tuple[Example, Operator]) -> None:
    """And undone again, it is the change."""
    one, operator = team
    assert answers(one)["retries"] == "adaptive"
    checked = operator.invoke("profile.check", COLUMNS="300", **IMAGES)
    assert checked.status == 0, checked.output
    before = operator.invoke("verify", *QUICK, **IMAGES)
    assert before.status == 10, before.output
    assert "runs from files that are not the old code" in before.output
    ended = operator.invoke("rollback", "verify", *QUICK, **IMAGES)
    assert ended.status == 0, ended.output
    assert "GO (2 of 4): 2 of 4 checks passed" in ended.output
    assert "not asked: Processing works (the API reads no queue)" in ended.output
    assert answers(one) == {"retries": "3", "timeout": "20"}
    closed = operator.invoke("gate", *QUICK, **IMAGES)
    assert (closed.status, "--accept-partial" in closed.output) == (20, True), closed.output
    opened = operator.invoke("gate", "--accept-partial", *QUICK, **IMAGES)
    assert opened.status == 0, opened.output
    undone = operator.invoke("rollback.undo", *QUICK, **IMAGES)
    assert undone.status == 0, undone.output
    assert answers(one)["retries"] == "adaptive"
    again = operator.invoke("verify", *QUICK, **IMAGES)
    assert again.status == 10, again.output


def restored(one: Example) -> None:
    (backup,) = (one.directory / "config").glob("*.backup.*")
    (one.directory / "config" / "settings.ini").write_bytes(backup.read_bytes())


def test_a_file_that_is_restored_and_not_loaded_is_no_go(team: tuple[Example, Operator]) -> None:
    """Put back in place by hand: the process has the change in memory, and still answers with it."""
    one, operator = team
    restored(one)
    assert answers(one)["retries"] == "adaptive"
    ended = operator.invoke("verify", *QUICK, **IMAGES)
    assert ended.status in (10, 20), ended.output
    assert "GO (2 of 4)" not in ended.output.replace("NO-GO", "")


def test_a_rollback_by_hand_is_go(team: tuple[Example, Operator]) -> None:
    one, operator = team
    restored(one)
    one.compose("restart", "--timeout", "1")
    one.compose("up", "-d", "--wait", "--no-recreate")
    ended = operator.invoke("verify", *QUICK, **IMAGES)
    assert ended.status == 0, ended.output
    assert "GO (2 of 4)" in ended.output


def test_another_file_below_the_mount_is_found_behind_it(team: tuple[Example, Operator]) -> None:
    """Sabotaged after the rollback: old by its text, and not what was restored."""
    one, operator = team
    assert operator.invoke("rollback", *QUICK, **IMAGES).status == 0
    (one.directory / "config" / "settings.ini").write_text("[answers]\nretries = 3\ntimeout = none\n")
    ended = operator.invoke("verify", *QUICK, **IMAGES)
    assert ended.status in (10, 20), ended.output
    assert "runs from files that are not the old code" in ended.output
