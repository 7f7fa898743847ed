"""When the change came, by its backup: a time in a name may be another time zone's."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from rollback_gate.evidence.deployed import by_backups
from rollback_gate.instant import Instant
from tests.unit.builders import ORCHESTRATOR, phase1


def backup(folder: Path, off_s: float) -> tuple[Path, Instant]:
    """Made now, with a name that says so many seconds later."""
    path = folder / f"{ORCHESTRATOR}.backup"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    came = Instant(path.stat().st_ctime_ns)
    local = datetime.datetime.fromtimestamp(came.ns / 1e9 + off_s).astimezone()
    return path.rename(path.with_name(f"{path.name}.{local:%Y%m%d_%H%M%S}")), came


@pytest.mark.parametrize("off_s", [0, 3, 200, 1000, 5.5 * 3600 + 200, 20 * 3600, 30 * 86_400])
def test_a_time_in_a_name_is_taken_as_this_machines(tmp_path: Path, off_s: float) -> None:
    """One that is off by anything else than a zone was copied later, or restored from an archive."""
    _, came = backup(tmp_path, off_s)
    (made,) = by_backups(phase1(f"deployment.project_directory={tmp_path}"))
    assert abs(made.at.seconds_since(came) - off_s) < 2
    assert made.doubt == ""


@pytest.mark.parametrize(("hours", "words"), [(5.5, "5.5 h before"), (-8, "8 h after"), (1, "1 h before")])
def test_a_time_of_another_zone_is_not_believed(tmp_path: Path, hours: float, words: str) -> None:
    path, came = backup(tmp_path, hours * 3600)
    (made,) = by_backups(phase1(f"deployment.project_directory={tmp_path}"))
    assert abs(made.at.seconds_since(came)) < 2
    assert (made.name, words in made.doubt) == (path.name, True)
