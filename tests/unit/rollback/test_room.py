"""A run must not fill the disk in its middle."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from rollback_gate.change.goal import Direction, Goal, Mode
from rollback_gate.errors import Refused
from rollback_gate.rollback import room

GOAL = Goal(Direction.ROLLBACK, Mode(), (), remove=("big",))


def test_what_is_copied_to_another_file_system_needs_its_place(tmp_path: Path) -> None:
    """Moved within one, it needs none."""
    (tmp_path / "big").mkdir()
    with (tmp_path / "big/file").open("wb") as file:
        file.truncate(3 << 20)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        free = shutil.disk_usage(other).free >> 20
        assert room.enough(tmp_path, Path(other) / "state", GOAL, free - 3 - 8)[0] > 0
        with pytest.raises(Refused, match="MB are needed"):
            room.enough(tmp_path, Path(other) / "state", GOAL, free - 1)
    free = shutil.disk_usage(tmp_path).free >> 20
    assert room.enough(tmp_path, tmp_path / "state", GOAL, free - 64)[0] > 0
