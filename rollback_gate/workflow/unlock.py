"""`rollback.unlock`: end a run that hangs. A dead holder's lock needs no unlocking: the kernel has released it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rollback_gate.errors import Refused, WrongSetting
from rollback_gate.platform.connected import connect
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engines import Engines
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback import lease, lock
from rollback_gate.workflow.call import Call, holder_note, local_now, stores_of

GRACE_S = 15.0


def unlock(call: Call, reason: str, connect: Callable[[Profile, Mapping[str, str]], Engines] = connect) -> None:
    """Ends the holder: SIGTERM lets it finish its step, then SIGKILL for it and its commands. Journaled.

    Raises WrongSetting without a reason; Refused if the holder is not a process that this user can end; Unreachable,
    with nothing done, if no engine answers: the deployment's id needs it.
    """
    settings = call.load()
    if not reason.strip():
        raise WrongSetting("rollback.unlock needs a reason: it ends a run", "--reason '...'")
    directory = settings.profile.deployment.project_directory
    with contextlib.closing(connect(settings.profile, call.environ)) as engine:
        note = holder_note(settings, engine)
        stores = stores_of(call, settings, engine)
        of_the_stack = (
            lease.left(engine.main, settings.profile) if settings.profile.deployment.platform == "swarm" else ""
        )
        stopping_s = sum(replica.stop_timeout_s for replica in Deployed(settings.profile, engine).carriers())
    left = lock.holder(note)
    holders = lock.holding_processes(directory)
    if of_the_stack:
        call.terminal.line(of_the_stack)
    if not holders:
        _refuse_if_held(directory, note)
        if of_the_stack:
            call.terminal.line("no process here holds the lock, and nothing was done")
            return
        call.terminal.line(
            "the lock is free, nothing was done: a dead holder's lock is gone with it; if its run has "
            "not ended, invoke rollback.resume or rollback.undo"
        )
        return
    call.terminal.line(f"the lock is held: {lock.in_words(left)}; processes {', '.join(map(str, holders))}")
    taker = _taker(left, holders)
    # The longest step that is not interrupted: a recreate waits until its containers have stopped.
    grace_s = settings.profile.limits.start_s + GRACE_S + stopping_s
    call.terminal.line(f"it is asked to end, and has up to {grace_s:.0f} s to finish its step; then it is killed")
    end(taker, directory, grace_s)
    known = [run for store in stores for run in store.runs() if run.id == left.get("run")]
    for run in known:
        run.journal.write("unlock", by=call.operator, reason=reason, ended=list(holders))
    call.terminal.line(
        "the lock is free; what was half done: invoke rollback.resume, or rollback.undo"
        if known
        else "the lock is free"
    )


def _refuse_if_held(directory: Path, note: Path) -> None:
    """Raises Locked if a process that this user cannot see holds it."""
    with lock.held(directory, note, "", "unlock", local_now()):
        return


def _taker(left: dict[str, Any], holders: dict[int, int]) -> int:
    """The pid of the run to end. Raises Refused if the holder is not a run of this deployment."""
    taker = left.get("pid")
    if left.get("boot_id") == lock.boot_id() and isinstance(taker, int) and taker in holders.values():
        return taker
    pids = ", ".join(map(str, holders))
    raise Refused(
        f"processes {pids} hold the lock, and are no run of this deployment that left its name; nothing was done",
        "look at them (ps), and end them by hand if that is right",
    )


def end(taker: int, directory: Path, grace_s: float) -> None:
    """Signals the run first, which finishes its step; killing only its command would break the step off.

    Raises Refused if a process still holds the lock that the run took.
    """
    if taker in lock.holding_processes(directory):
        _signal(taker, signal.SIGTERM)
        if _becomes_free(directory, grace_s, time.monotonic, time.sleep):
            return
    for process, took in lock.holding_processes(directory).items():
        if took == taker:
            _signal(process, signal.SIGKILL)
    if not _becomes_free(directory, GRACE_S, time.monotonic, time.sleep):
        left = ", ".join(map(str, lock.holding_processes(directory)))
        raise Refused(f"processes {left} do not end", "look at them: ps, /proc/PID/stack")


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
