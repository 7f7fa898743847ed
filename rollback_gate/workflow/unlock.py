"""`rollback.unlock`: end a run that hangs. A lock whose holder is dead needs no unlocking: the kernel has freed it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rollback_gate.call import Call, deployment_id, holder_note, local_now, state_folders
from rollback_gate.deployment import engine as engines
from rollback_gate.deployment.engine import Engine
from rollback_gate.errors import Refused, WrongSetting
from rollback_gate.rollback import lock
from rollback_gate.rollback.store import Store

GRACE_S = 15.0


def unlock(call: Call, reason: str, connect: Callable[[Mapping[str, str]], Engine] = engines.connect) -> None:
    """Asks the holder to end, which finishes its step; one that does not, and its commands, are killed. Journaled.

    Raises WrongSetting without a reason; Refused where the holder is not a process that this user can end; Unreachable,
    with nothing done, without an engine: it tells which deployment this is.
    """
    settings = call.load()
    if not reason.strip():
        raise WrongSetting("rollback.unlock needs a reason: it ends somebody's run", "--reason '...'")
    directory = settings.profile.deployment.project_directory
    with contextlib.closing(connect(call.environ)) as engine:
        note = holder_note(settings, engine)
        stores = [Store(folder, local_now, call.terminal.redactor.value)
                  for folder in state_folders(call, settings, deployment_id(settings, engine))]  # fmt: skip
    left = lock.holder(note)
    holders = lock.holding_processes(directory)
    if not holders:
        _refuse_if_held(directory, note)
        call.terminal.line("the lock is free, nothing was done: a dead holder's lock is gone with it; if its run has "
                           "not ended, invoke rollback.resume or rollback.undo")  # fmt: skip
        return
    call.terminal.line(f"the lock is held: {lock.in_words(left)}; processes {', '.join(map(str, holders))}")
    end(holders, left.get("pid"), directory)
    known = [run for store in stores for run in store.runs() if run.id == left.get("run")]
    for run in known:
        run.journal.write("unlock", by=call.operator, reason=reason, ended=list(holders))
    call.terminal.line("the lock is free; what was half done: invoke rollback.resume, or rollback.undo"
                       if known else "the lock is free")  # fmt: skip


def _refuse_if_held(directory: Path, note: Path) -> None:
    """Somebody may hold it whom this user cannot see."""
    with lock.held(directory, note, "", "unlock", local_now()):
        return


def end(holders: tuple[int, ...], noted: object, directory: Path) -> None:
    """First the run itself, which ends its command or waits for it; a command alone would break off in the middle."""
    first = [process for process in holders if process == noted] or list(holders)
    for process in first:
        _signal(process, signal.SIGTERM)
    if _becomes_free(directory, GRACE_S, time.monotonic, time.sleep):
        return
    for process in lock.holding_processes(directory):
        _signal(process, signal.SIGKILL)
    if not _becomes_free(directory, GRACE_S, time.monotonic, time.sleep):
        raise Refused(f"processes {', '.join(map(str, holders))} do not end", "look at them: ps, /proc/PID/stack")


def _signal(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise Refused(
            f"process {process} is another user's, and was not ended", "run as that user, or as root"
        ) from error


def _becomes_free(directory: Path, wait_s: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> bool:
    deadline = clock() + wait_s
    while lock.holding_processes(directory):
        if clock() > deadline:
            return False
        sleep(0.1)
    return True
