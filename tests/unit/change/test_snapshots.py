"""Which snapshot says what normal was: the newest of the old code, with enough documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rollback_gate.change import snapshots
from rollback_gate.instant import Instant
from tests.unit.builders import ORCHESTRATOR, phase1
from tests.unit.rollback.world import NEW, OLD

FILES = phase1().files
LATER = Instant.parse("2026-01-23T09:00:00Z")
GOOD = {"mean": 0.78, "standard_deviation": 0.02, "scored": 40, "marked": 0}


def kept(folder: Path, name: str, code: str = OLD, **completeness: Any) -> None:
    path = folder / name
    (path / "files" / ORCHESTRATOR).parent.mkdir(parents=True)
    (path / "files" / ORCHESTRATOR).write_text(code)
    at = completeness.pop("at", "2026-01-20T09:00:00Z")
    manifest = {
        "format": 1,
        "id": name,
        "at": at,
        "baseline": {"completeness": GOOD | completeness},
    }
    (path / snapshots.MANIFEST).write_text(json.dumps(manifest))


def test_the_newest_of_the_old_code(tmp_path: Path) -> None:
    """One taken after the deployment is passed over, and named."""
    kept(tmp_path, "20260118T090000Z-aaaa", mean=0.5)
    kept(tmp_path, "20260119T090000Z-bbbb")
    kept(tmp_path, "20260122T090000Z-cccc", NEW)
    found, passed_over = snapshots.baseline([tmp_path / "none", tmp_path], FILES, 10, LATER)
    assert found
    assert (found.snapshot, found.mean, found.documents) == ("20260119T090000Z-bbbb", 0.78, 40)
    assert passed_over == ["snapshot 20260122T090000Z-cccc was not taken of the old code"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"marked": 3}, "3 documents of the change"),
        ({"scored": 4}, "4 documents, fewer than 10"),
        ({"unmeasured": "no database"}, "no database"),
        ({"mean": None}, "cannot be read"),
        ({"mean": float("nan")}, "no share"),
        ({"mean": 27.8}, "no share"),
        ({"at": "2026-01-23T09:00:00Z"}, "after what is judged"),
    ],
)
def test_what_cannot_tell_is_passed_over(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    """Then the profile's number stands."""
    kept(tmp_path, "20260119T090000Z-bbbb", **changes)
    found, (reason,) = snapshots.baseline([tmp_path], FILES, 10, LATER)
    assert found is None
    assert says in reason


def test_a_damaged_manifest_is_passed_over(tmp_path: Path) -> None:
    """And said."""
    kept(tmp_path, "20260119T090000Z-bbbb")
    (tmp_path / "20260119T090000Z-bbbb" / snapshots.MANIFEST).write_text("{")
    assert snapshots.baseline([tmp_path], FILES, 10, LATER)[1][0].startswith(
        "snapshot 20260119T090000Z-bbbb cannot be read"
    )
