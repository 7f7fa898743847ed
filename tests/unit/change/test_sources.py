from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollback_gate.change import backups, content
from rollback_gate.change.content import Content
from rollback_gate.errors import Refused
from tests.unit.builders import ORCHESTRATOR, phase1

ITEM = phase1().file(ORCHESTRATOR)
OLD = b"AGENT_TIMEOUT_SECONDS = 60\ndef f(max_retries: int = 3): ...\n"
NEW = b"from enrichment_service.errors import x\nmax_retries: int = 3\nAGENT_TIMEOUT_SECONDS = 60\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / ORCHESTRATOR).parent.mkdir(parents=True)
    return tmp_path


def put(directory: Path, stamp: str, data: bytes, mtime: int = 0) -> Path:
    path = directory / f"{ORCHESTRATOR}.backup.{stamp}"
    path.write_bytes(data)
    os.utime(path, (mtime, mtime))
    return path


def test_content_decides() -> None:
    """Old code holds all old texts and no new one."""
    assert content.classify(OLD, ITEM)[0] is Content.OLD
    assert content.classify(NEW, ITEM) == (Content.NEW, "holds enrichment_service.errors")
    assert content.classify(b"", ITEM)[0] is Content.UNKNOWN


def test_newest_by_name_that_is_old_code(directory: Path) -> None:
    """Not by mtime, and never the change's own code."""
    put(directory, "20260121_090000", OLD + b"# 1\n", mtime=99)
    put(directory, "20260122_090000", OLD + b"# 2\n", mtime=1)
    put(directory, "20260123_090000", NEW, mtime=50)
    found = backups.newest_old(directory, ITEM)
    assert found.origin == f"{ORCHESTRATOR}.backup.20260122_090000"
    assert found.data == OLD + b"# 2\n"


def test_a_backup_that_was_cut_off_is_not_taken_before_a_whole_one(directory: Path) -> None:
    """It holds all old texts, and the worker would not start with it."""
    put(directory, "20260121_090000", OLD)
    put(directory, "20260122_090000", OLD + b'x = "cut')
    assert backups.newest_old(directory, ITEM).origin.endswith("20260121_090000")
    (directory / f"{ORCHESTRATOR}.backup.20260121_090000").unlink()
    with pytest.raises(Refused, match="is no Python that could run here") as caught:
        backups.newest_old(directory, ITEM)
    assert "--backup" in caught.value.remedy
    assert backups.chosen(directory, ITEM, f"{ORCHESTRATOR}.backup.20260122_090000").data.endswith(b"cut")


def test_a_copied_snapshot_stops_nothing(tmp_path: Path) -> None:
    for name in ("20260121T090000Z-aaaa", "2026-keep-this"):
        path = tmp_path / name / "files" / ORCHESTRATOR
        path.parent.mkdir(parents=True)
        path.write_bytes(OLD)
    assert [one.path.parts[-5] for one in backups.in_snapshots(tmp_path, ITEM)] == ["20260121T090000Z-aaaa"]


def test_a_name_without_a_time_comes_last(directory: Path) -> None:
    put(directory, "HHMMSS", OLD + b"# unnamed\n")
    put(directory, "20260121_090000", OLD)
    assert backups.newest_old(directory, ITEM).data == OLD


def test_no_backup_and_no_good_one_are_refused_by_name(directory: Path) -> None:
    with pytest.raises(Refused, match="no backup of"):
        backups.newest_old(directory, ITEM)
    put(directory, "20260123_090000", NEW)
    put(directory, "20260124_090000", b"")
    (directory / f"{ORCHESTRATOR}.backup.20260125_090000").symlink_to("/etc/passwd")
    with pytest.raises(Refused) as caught:
        backups.newest_old(directory, ITEM)
    message = str(caught.value)
    assert "none of 3 backups" in message
    assert "20260123_090000: code of the change (holds enrichment_service.errors)" in message
    assert "20260124_090000: neither old nor new code" in message
    assert "20260125_090000: neither old nor new code (is no plain file)" in message


def test_the_difference_counts_what_else_would_go(directory: Path) -> None:
    """Lines that the restore drops and that hold none of the change's marks: someone else's work."""
    put(directory, "20260121_090000", OLD)
    source = backups.newest_old(directory, ITEM)
    in_place = OLD + b"from enrichment_service.errors import x\nother work\nmore of it\n\n"
    diff = content.difference(source, in_place)
    assert content.outside_of_change(diff, ITEM) == 2
    assert content.difference(source, OLD) == ()
