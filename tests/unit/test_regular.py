"""Files that others may have put into a folder of ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollback_gate.errors import Unreachable
from rollback_gate.record import find
from rollback_gate.regular import content_of, text_of
from rollback_gate.rollback import lock


def test_a_regular_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes("ä\r\n".encode())
    assert text_of(path) == "ä\r\n"
    with pytest.raises(OSError, match="larger than 0 MB"):
        content_of(path, 3)
    with pytest.raises(FileNotFoundError):
        content_of(tmp_path / "none")


def test_a_pipe_is_not_waited_for_and_a_device_not_read(tmp_path: Path) -> None:
    """Wherever one lies: in the folder of a record, as the lock's note, behind a link."""
    pipe, link = tmp_path / "report.json", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("/dev/zero")
    for path in (pipe, link, Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match=r"regular file|Is a directory"):
            content_of(path)
    with pytest.raises(Unreachable, match="is no regular file"):
        find.named(str(pipe))
    assert lock.holder(pipe) == {}
