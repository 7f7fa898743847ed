from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rollback_gate.errors import Refused
from rollback_gate.instant import Instant
from rollback_gate.rollback import ownership
from rollback_gate.rollback.journal import Journal
from rollback_gate.rollback.store import DeploymentId, state_folder

ME = frozenset({0, os.geteuid()})


def test_what_is_ours_or_not_there_is_read(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    ownership.refuse_foreign(tmp_path / "state", ME)
    ownership.refuse_foreign(tmp_path / "none", ME)


@pytest.mark.parametrize("kind", ["link", "dangling", "file", "writable", "group"])
def test_what_others_could_have_made_is_not_believed(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / ".rollback"
    if kind in ("link", "dangling"):
        folder.symlink_to(tmp_path if kind == "link" else "/nowhere")
    elif kind == "file":
        folder.write_text("")
    else:
        folder.mkdir()
        folder.chmod(0o777 if kind == "writable" else 0o770)
    with pytest.raises(Refused, match="is not believed") as caught:
        ownership.refuse_foreign(folder, ME)
    assert f"ls -la {folder}" in caught.value.remedy


def test_what_belongs_to_somebody_else_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    with pytest.raises(Refused, match="belongs to "):
        ownership.refuse_foreign(tmp_path / "state", {4321})


@pytest.mark.parametrize(("mode", "shared"), [(0o755, False), (0o700, False), (0o775, False), (0o777, True)])
def test_where_others_may_write_no_state_is_kept(tmp_path: Path, mode: int, shared: bool) -> None:
    """A group of this process's own is nobody else; a folder that is not there is nobody's."""
    tmp_path.chmod(mode)
    assert ownership.others_may_write(tmp_path) is shared
    assert ownership.others_may_write(tmp_path / "none")
    elsewhere = Path("/var/lib/rollback-gate")
    state = state_folder(DeploymentId("e", "p", "phase1"), tmp_path, [], [], elsewhere, shared)
    assert state.is_relative_to(elsewhere) is shared


def test_a_path_that_a_link_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p/in").mkdir(parents=True)
    ownership.refuse_outside(tmp_path / "p", "in/file")
    (tmp_path / "p/out").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "p/pipe")
    with pytest.raises(Refused, match="neither a file nor a folder"):
        ownership.refuse_outside(tmp_path / "p", "pipe")
    for path in ("out", "out/file", "../x"):
        with pytest.raises(Refused, match="symbolic link that leads elsewhere"):
            ownership.refuse_outside(tmp_path / "p", path)


def test_of_root_the_owner_of_a_project_is_trusted_with_its_state(tmp_path: Path) -> None:
    """They could write what root's Compose reads; nobody else is trusted more by being asked."""
    owned = {tmp_path.stat().st_uid} if os.geteuid() == 0 else set()
    assert ownership.owner_of(tmp_path) == owned
    assert ownership.owner_of(tmp_path / "none") == frozenset()


def test_a_journal_of_somebody_else_is_not_read_whatever_it_was_before(tmp_path: Path) -> None:
    """Between the look at the folder and the reading of the file somebody can have put another one there."""
    journal = Journal(tmp_path / "journal.jsonl", lambda: Instant(0), trusted=ME)
    journal.write("run.begin", x=1)
    assert len(journal.entries()) == 1
    with pytest.raises(PermissionError, match="another user"):
        replace(journal, trusted=frozenset({4321})).entries()
