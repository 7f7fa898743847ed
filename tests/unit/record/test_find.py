"""Which record is the newest of a deployment: one that cannot be read must not let an older GO stand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from rollback_gate.errors import Unreachable
from rollback_gate.record import find, write
from rollback_gate.redaction import Redactor
from tests.unit.record.test_record import record

MINE = "e/p/phase1".__eq__
OLD, NEW = "20261123T120000Z-aaaa", "20261123T130000Z-bbbb"


def kept(reports: Path, name: str, **changes: Any) -> Path:
    folder = reports / name
    folder.mkdir()
    write.write_page(folder, record() | {"record_id": name} | changes, Redactor([]), None)
    return folder


def newest(reports: Path) -> tuple[str, bool]:
    found = find.newest(reports, MINE, None)
    assert found
    return found[0].name, found[1].is_unaltered


def test_the_newest_of_this_deployment(tmp_path: Path) -> None:
    """Those of others do not count, nor do folders without a record."""
    assert find.newest(tmp_path / "none", MINE, None) is None
    kept(tmp_path, OLD)
    kept(tmp_path, NEW, deployment={"id": "e/another/phase1", "engine": "e", "directory": "/"})
    (tmp_path / "notes").mkdir()
    assert newest(tmp_path) == (OLD, True)


def test_an_empty_newer_folder_is_taken(tmp_path: Path) -> None:
    """A verify that could not write its record, or was killed before it could, said no GO."""
    kept(tmp_path, OLD)
    (tmp_path / NEW).mkdir()
    assert newest(tmp_path) == (NEW, False)


def test_an_altered_newer_one_is_taken_whosever_it_says_it_is(tmp_path: Path) -> None:
    """Somebody has written another deployment's name into a NO-GO."""
    kept(tmp_path, OLD)
    page = kept(tmp_path, NEW) / "report.html"
    page.write_text(page.read_text().replace("e/p/phase1", "e/q/phase1"))
    assert newest(tmp_path) == (NEW, False)


@pytest.mark.parametrize("content", ["", "{", '{"format": 1}'])
def test_an_unreadable_newer_one_is_taken(tmp_path: Path, content: str) -> None:
    """It may have been a NO-GO."""
    kept(tmp_path, OLD)
    folder = kept(tmp_path, NEW)
    for name in ("report.json", "report.html"):
        (folder / name).write_text(content)
    assert newest(tmp_path) == (NEW, False)


def test_of_one_second_the_later_one(tmp_path: Path) -> None:
    """Ids are alike within a second: the record's own time decides."""
    kept(tmp_path, "20261123T120000Z-ffff", began="2026-11-23T12:00:00.1Z")
    kept(tmp_path, "20261123T120000Z-0000", began="2026-11-23T12:00:00.2Z")
    assert newest(tmp_path)[0] == "20261123T120000Z-0000"


def test_page_and_data_must_agree(tmp_path: Path) -> None:
    """Each holds up on its own, and they are of different verifies."""
    folder, other = kept(tmp_path, OLD), kept(tmp_path, NEW, operator="lee")
    (other / "report.json").write_text((folder / "report.json").read_text())
    found = find.newest(tmp_path, MINE, None)
    assert found
    assert "do not hold the same" in found[1].problems[0].says


def test_a_record_by_name(tmp_path: Path) -> None:
    """What cannot be read says what to do."""
    (tmp_path / "r").write_text("x")
    assert find.named(str(tmp_path / "r")) == "x"
    for where in (str(tmp_path / "none"), str(tmp_path), "http://127.0.0.1:1/report.json"):
        with pytest.raises(Unreachable):
            find.named(where)


@pytest.mark.parametrize(
    ("where", "beside"),
    [
        ("/srv/reports/x/report.json", "/srv/reports/x/actions.json"),
        ("report.html", "actions.json"),
        ("https://ci.example/1/report.html?token=s/e", "https://ci.example/1/actions.json?token=s/e"),
    ],
)
def test_what_lies_beside_a_record(where: str, beside: str) -> None:
    """A token behind the question mark opens both."""
    assert find.beside(where, "actions.json") == beside


def test_a_copy_under_a_newer_name_is_taken_and_does_not_hold_up(tmp_path: Path) -> None:
    """A GO of last week, copied over the NO-GO of today, would be the newest."""
    shutil.copytree(kept(tmp_path, OLD), tmp_path / NEW)
    assert newest(tmp_path) == (NEW, False)
