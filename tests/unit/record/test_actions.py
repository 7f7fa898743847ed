"""What is due before re-deployment, and the approval by somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.record import actions
from rollback_gate.record.actions import Done
from rollback_gate.record.seal import Key
from tests.unit.builders import phase1
from tests.unit.record.test_record import record

NOW = Instant.parse("2026-11-24T12:00:00Z")
BEFORE = ("verify-fix", "test-samples", "review-changes", "approval")
KEY = Key("k" * 32)


def done(*ids: str, by: str = "ana", noted_by: str = "ana", at: str = "2026-11-24T11:00:00Z") -> list[Done]:
    return [Done(one, by, noted_by, at) for one in ids]


def says(entries: list[Done]) -> list[str]:
    return [o.says for o in actions.obstacles(phase1().actions, entries, frozenset({"kim"}), NOW)]


def test_the_runbooks_list() -> None:
    """Four of each: same day, 1-2 days, before re-deployment."""
    dues = [str(action.due) for action in phase1().actions]
    assert dues == ["same day"] * 4 + ["1-2 days"] * 4 + ["before re-deployment"] * 4
    assert [a.id for a in phase1().actions if a.is_approval] == ["approval"]


def test_all_that_is_due_before_opens_it() -> None:
    assert says(done(*BEFORE)) == []


@pytest.mark.parametrize("missing", BEFORE)
def test_each_one_is_asked_for(missing: str) -> None:
    (text,) = says(done(*(one for one in BEFORE if one != missing)))
    assert text.startswith("not done yet: ")


@pytest.mark.parametrize(("by", "noted_by"), [("kim", "ana"), ("ana", "kim"), ("kim", "kim")])
def test_an_approval_is_somebody_elses(by: str, noted_by: str) -> None:
    """Neither given nor noted by the one who rolled back."""
    (text,) = says([*done(*BEFORE[:3]), *done("approval", by=by, noted_by=noted_by)])
    assert "must come from another person: kim rolled back" in text


def test_an_entry_of_the_future_counts_for_nothing() -> None:
    assert len(says([*done(*BEFORE[:3]), *done("approval", at="2026-11-24T13:00:00Z")])) == 1


def test_whoever_went_on_with_the_run_rolled_back_too() -> None:
    run = {"id": "r", "operator": "kim", "attempts": [{"operator": "kim"}, {"operator": "lee"}]}
    assert actions.operators_of(record() | {"run": run}) == {"kim", "lee"}
    assert actions.operators_of(record()) == {"kim"}


def test_whoever_rolled_back_did_so_also_where_the_run_is_not_judged(tmp_path: Path) -> None:
    """A replica was made anew since, and another person called verify."""
    assert actions.operators_of(record() | {"run": None, "rolled_back_by": ["lee"]}) == {"kim", "lee"}


def test_they_belong_to_the_run_not_to_one_record(tmp_path: Path) -> None:
    """Noted beside an older record of the run; of two entries for one action, the later one counts."""
    for name, entries in (
        ("a", done("root-cause", by="x")),
        ("b", done("root-cause", by="y", at="2026-11-24T11:30:00Z")),
    ):
        (tmp_path / name).mkdir()
        actions.keep(tmp_path / name, "e/p/phase1 r", entries, KEY)
    (tmp_path / "c").mkdir()
    actions.keep(tmp_path / "c", "e/p/phase1 other", done("approval"), KEY)
    found = actions.done_in(tmp_path, "e/p/phase1 r", KEY)
    assert not isinstance(found, Unmeasured)
    assert [one.by for one in found] == ["y"]


@pytest.mark.parametrize(
    "change",
    [
        ("ana", "bob"),
        ('"format": 1', '"format": 2'),
        ("{", "["),
        ("2026", "never"),
        ('"subject"', '"done":' + "[" * 9000 + '"subject"'),
        ('"signature"', '"sig"'),
    ],
)
def test_an_edited_file_is_not_believed(tmp_path: Path, change: tuple[str, str]) -> None:
    """With a key: nothing of it counts, and it is no empty list."""
    (tmp_path / "a").mkdir()
    actions.keep(tmp_path / "a", "s", done(*BEFORE), KEY)
    path = tmp_path / "a" / actions.NAME
    path.write_text(path.read_text().replace(*change, 1))
    assert isinstance(actions.done_in(tmp_path, "s", KEY), Unmeasured)


def test_an_unsigned_file_counts_only_where_nobody_signs(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    actions.keep(tmp_path / "a", "s", done("approval"), None)
    assert isinstance(actions.done_in(tmp_path, "s", KEY), Unmeasured)
    assert actions.done_in(tmp_path, "s", None) == tuple(done("approval"))


def test_what_a_killed_prune_left_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / ".a.going").mkdir()
    actions.keep(tmp_path / ".a.going", "s", done("approval"), None)
    assert actions.done_in(tmp_path, "s", None) == ()


@pytest.mark.parametrize(("key", "is_signed"), [(KEY, True), (None, False)])
def test_whether_it_is_signed(tmp_path: Path, key: Key | None, is_signed: bool) -> None:
    assert not actions.is_signed(tmp_path)
    actions.keep(tmp_path, "s", done("approval"), key)
    assert actions.is_signed(tmp_path) is is_signed
