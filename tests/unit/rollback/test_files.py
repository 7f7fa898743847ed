from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

import pytest

from rollback_gate.errors import Locked, Refused
from rollback_gate.instant import Instant
from rollback_gate.rollback import files, lock

NOW = Instant(0)


def test_a_replaced_file_keeps_owner_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o640)
    if os.getuid() == 0:
        os.chown(path, 1234, 4321)
    before = path.stat()
    files.replace_file(path, b"new")
    after = path.stat()
    assert path.read_bytes() == b"new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert list(tmp_path.iterdir()) == [path]


def test_a_replaced_file_keeps_its_extended_attributes(tmp_path: Path) -> None:
    """Access lists are such attributes too: without its own, another user's process may not read the file."""
    path = tmp_path / "f"
    path.write_text("old")
    os.setxattr(path, "user.team", b"ocr")
    files.replace_file(path, b"new")
    assert os.getxattr(path, "user.team") == b"ocr"


def test_a_file_that_was_missing_gets_mode_and_owner_of_its_model(tmp_path: Path) -> None:
    """Of its backup, else of its neighbours, whatever the umask: a container that is not root must read it."""
    backup, path = tmp_path / "b/f.backup", tmp_path / "p/f"
    for one, mode in ((backup, 0o664), (path.with_name("a_neighbour"), 0o644)):
        one.parent.mkdir(exist_ok=True)
        one.write_text("x")
        one.chmod(mode)
    before = os.umask(0o077)
    try:
        for like, mode in ((backup, 0o664), (None, 0o644)):
            files.replace_file(path, b"new", like)
            assert stat.S_IMODE(path.stat().st_mode) == mode
            path.unlink()
    finally:
        os.umask(before)


def test_an_exact_copy_has_all_of_its_model(tmp_path: Path) -> None:
    """What an undo brings back is as it was, its time too."""
    kept, path = tmp_path / "kept", tmp_path / "f"
    for one, mode in ((kept, 0o640), (path, 0o600)):
        one.write_text("x")
        one.chmod(mode)
    os.setxattr(kept, "user.team", b"ocr")
    os.utime(kept, ns=(1, 1_700_000_000_123_456_789))
    files.replace_file(path, kept.read_bytes(), kept, exactly=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_mtime_ns == 1_700_000_000_123_456_789
    assert os.getxattr(path, "user.team") == b"ocr"


def test_nothing_is_written_through_a_link_that_somebody_has_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder that others may write, root's file would be overwritten, and given away."""
    victim, path = tmp_path / "victim", tmp_path / "p/f"
    path.parent.mkdir()
    victim.write_text("root's own")
    monkeypatch.setattr(secrets, "token_hex", lambda _: "known")
    path.with_name(f".{files.mark(path)}.known.rollback-gate.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError):
        files.replace_file(path, b"new")
    assert victim.read_text() == "root's own"
    path.with_name(f".{files.mark(path)}.known.rollback-gate.tmp").symlink_to(victim)
    files.write_text(path, "new")
    assert (victim.read_text(), path.read_text(), path.is_symlink()) == ("root's own", "new", False)


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong before the rename: the old content is there and no temporary file."""
    path = tmp_path / "f"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.replace_file(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_lock_excludes_and_names_its_holder(tmp_path: Path) -> None:
    note = tmp_path / "holder"
    with (
        lock.held(tmp_path, note, "kim", "rollback", NOW),
        pytest.raises(Locked, match=f"kim on .*, process {os.getpid()}, rollback"),
        lock.held(tmp_path, note, "lee", "verify", NOW),
    ):
        raise AssertionError("two holders")


def test_the_lock_is_free_after_its_holder_even_when_that_one_died(tmp_path: Path) -> None:
    """The kernel gives it back: a name that a dead holder left behind holds nobody up."""
    note = tmp_path / "holder"
    note.write_text('{"operator": "dead"}')
    with pytest.raises(ZeroDivisionError), lock.held(tmp_path, note, "kim", "rollback", NOW):
        raise ZeroDivisionError
    with lock.held(tmp_path, note, "kim", "rollback", NOW):
        assert "kim" in note.read_text()
    assert not note.exists()


def test_the_lock_holds_where_no_name_can_be_left(tmp_path: Path) -> None:
    """The note decides nothing."""
    note = Path("/proc/nowhere/holder")
    with (
        lock.held(tmp_path, note, "kim", "rollback", NOW),
        pytest.raises(Locked, match="has not left a name"),
        lock.held(tmp_path, note, "lee", "verify", NOW),
    ):
        raise AssertionError("two holders")


def test_the_note_follows_no_link(tmp_path: Path) -> None:
    """It lies in everybody's temporary folder; a link there must not lead a run of root's anywhere."""
    victim, note = tmp_path / "victim", tmp_path / "holder"
    victim.write_text("precious")
    note.symlink_to(victim)
    with lock.held(tmp_path, note, "kim", "rollback", NOW):
        assert victim.read_text() == "precious"


def test_no_directory_no_lock(tmp_path: Path) -> None:
    with (
        pytest.raises(Refused, match="No such file"),
        lock.held(tmp_path / "none", tmp_path / "n", "kim", "rollback", NOW),
    ):
        raise AssertionError("held")


@pytest.mark.parametrize(
    ("is_executable", "like", "mode"),
    [(True, 0o644, 0o755), (True, 0o640, 0o750), (False, 0o755, 0o644), (None, 0o640, 0o640)],
)
def test_a_file_that_is_missing_is_a_program_where_its_source_says_so(
    tmp_path: Path, is_executable: bool | None, like: int, mode: int
) -> None:
    """Whoever may read it may run it; one that is in place keeps its own mode."""
    (tmp_path / "neighbour").write_text("x")
    (tmp_path / "neighbour").chmod(like)
    files.replace_file(tmp_path / "f", b"x", None, is_executable=is_executable)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == mode
    (tmp_path / "f").chmod(0o600)
    files.replace_file(tmp_path / "f", b"y", None, is_executable=is_executable)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600
