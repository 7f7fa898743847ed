"""`invoke snapshot` before a deployment keeps what a rollback needs, and a rollback finds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.catalogue import plant
from lab.reference import ORCHESTRATOR
from tests.e2e.conftest import Operator, code_in, running_lab
from tests.marks import thorough


def taken(operator: Operator) -> tuple[Path, dict[str, Any]]:
    roots = (operator.lab.directory, operator.reports.parent)
    (path,) = [p for root in roots for p in root.rglob("snapshot.json")]
    manifest: dict[str, Any] = json.loads(path.read_text())
    return path.parent, manifest


@pytest.mark.parametrize("variant", ["bind", thorough("build"), thorough("image")])
def test_a_rollback_from_a_snapshot(variant: str, labs_directory: Path, tmp_path: Path) -> None:
    """Without the team's own backup: file or image come from the snapshot; its baseline says what normal was."""
    with running_lab(variant, "before", f"e2e-snapshot-{variant}", tmp_path) as operator:
        operator.lab.load(2)
        plant.documents(operator.lab, 2, 0.2778, age_s=60)
        ended = operator.invoke("snapshot")
        assert ended.status == 0, ended.output
        folder, manifest = taken(operator)
        assert manifest["baseline"]["completeness"]["scored"] == 4
        assert manifest["baseline"]["completeness"]["mean"] == pytest.approx(0.278, abs=0.001)
        assert manifest["baseline"]["processing_s"]["documents"] == 2
        assert manifest["baseline"]["errors"]["hours"] > 0
        assert set(manifest["configuration_hashes"]) == {"enrichment-worker", "enrichment-coordinator"}
        password = operator.lab.settings["LAB_MONGO_PASSWORD"]
        assert all(password not in p.read_text() for p in folder.rglob("*") if p.is_file())
        assert "MONGO_PASSWORD: ${LAB_MONGO_PASSWORD}" in (folder / "compose.yml").read_text()
        assert (folder / "files" / ORCHESTRATOR).read_bytes() == (operator.lab.directory / ORCHESTRATOR).read_bytes()
        operator.lab.deploy("phase1")
        for backup in (operator.lab.directory / ORCHESTRATOR.parent).glob("*.backup.*"):
            backup.unlink()
        for image in operator.lab.engine.images.list(f"e2e-snapshot-{variant}-enrichment-worker"):
            for tag in [t for t in image.tags if ":delivery-" in t]:
                operator.lab.engine.images.remove(tag)
        ended = operator.rollback()
        assert ended.status == 0, ended.output
        assert ("rollback-gate/" if variant == "image" else f"snapshots/{folder.name}/files") in ended.output
        assert code_in(operator.lab) == ["before, running"] * 2
        assert f"{folder.name}/files" in operator.invoke("rollback.backups").output
