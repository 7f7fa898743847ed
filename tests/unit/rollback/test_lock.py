"""Who holds the lock is the kernel's word; a command that a killed run has started keeps it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rollback_gate.errors import Locked
from rollback_gate.instant import Instant
from rollback_gate.rollback import lock
from rollback_gate.workflow import unlock

HOLDER = """
import sys, time
from pathlib import Path
from rollback_gate.platform.commands import SubprocessRunner
from rollback_gate.instant import Instant
from rollback_gate.rollback import lock
with lock.held(Path(sys.argv[1]), Path(sys.argv[2]), "kim", "rollback", Instant(0)) as held:
    held.name_run("20260101T000000Z-abcd")
    print("held", flush=True)
    SubprocessRunner({"PATH": "/usr/bin:/bin"}, held.descriptor)(("sleep", "60"))
"""


def test_a_command_of_a_killed_run_keeps_the_lock(tmp_path: Path) -> None:
    """And the message says so, with the run that it was; when the command ends, the lock is free."""
    note = tmp_path / "note"
    project = tmp_path / "project"
    project.mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(project), str(note)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        _until(lambda: len(lock.holding_processes(project)) == 2)
        assert process.pid in lock.holding_processes(project)
        process.kill()
    ((child, taker),) = lock.holding_processes(project).items()
    assert taker == process.pid
    with (
        pytest.raises(Locked, match=r"kim on .* of run 20260101T000000Z-abcd.*that process is dead; a command"),
        lock.held(project, note, "lee", "resume", Instant(0)),
    ):
        raise AssertionError("two at once")
    subprocess.run(["kill", "-9", str(child)], check=True)
    _until(lambda: not lock.holding_processes(project))
    with lock.held(project, note, "lee", "resume", Instant(0)):
        pass


ENDING = """
import sys
from pathlib import Path
from rollback_gate.platform.commands import SubprocessRunner
from rollback_gate.instant import Instant
from rollback_gate.rollback import lock
from rollback_gate.rollback.stopping import Stopping
with lock.held(Path(sys.argv[1]), Path(sys.argv[2]), "kim", "rollback", Instant(0)) as held, Stopping() as stopping:
    print("held", flush=True)
    SubprocessRunner({"PATH": "/usr/bin:/bin"}, held.descriptor)(("sleep", "1"))
    print("whole, and", stopping.requested, flush=True)
"""


def test_a_note_that_is_none_names_nobody(tmp_path: Path) -> None:
    """It lies where everybody may write."""
    note = tmp_path / "note"
    note.write_text("[" * 200_000)
    assert lock.holder(note) == {}
    mine = lock.held(tmp_path, tmp_path / "own", "ana", "verify", Instant(0))
    with mine, pytest.raises(Locked) as caught, lock.held(tmp_path, note, "bob", "verify", Instant(0)):
        pass
    assert f"fuser -v {tmp_path}" in caught.value.remedy


def test_unlock_lets_the_step_that_is_under_way_finish(tmp_path: Path) -> None:
    """The run is asked to end, not its command: a recreate that breaks off in the middle would leave no container."""
    project = tmp_path / "project"
    project.mkdir()
    note = tmp_path / "note"
    with subprocess.Popen(
        [sys.executable, "-c", ENDING, str(project), str(note)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        _until(lambda: len(lock.holding_processes(project)) == 2)
        unlock.end(process.pid, project, 10)
        assert process.stdout.read() == "whole, and a request to end (SIGTERM)\n"
        assert process.wait(timeout=10) == 0


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
