"""Whether a process may have other code in memory than its files contain: Python keeps imported modules. Pure."""

from __future__ import annotations

from rollback_gate.change.reading import CodeReading, FileReading
from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import ReplicaReading
from rollback_gate.instant import Instant
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed
from rollback_gate.platform.replica import Replica

_CLOCK_STEPS_S = 5
_COMPILES_WITHIN_S = 60  # of its start: later bytecode may be from another process
_IN_MEMORY = "the process still has the code in memory that was there at its start"


def process_start(replica: ReplicaReading, has_code: bool = True) -> Claim:
    """The process started after its files were restored.

    Fails if the journal or Python's bytecode shows other code at its start. Inconclusive if only file times suggest it
    (`touch`, a copy of the same content): then only a restart helps. `has_code`: paths of the change are for it.
    """
    if not has_code:
        return passed(replica.label, "no file of the change is for it", Evidence.PROCESS)
    code = replica.code
    if isinstance(code, Unmeasured):
        return inconclusive(replica.label, code)
    if not isinstance(replica.before, Replica) or replica.before.started_at is None:
        return inconclusive(replica.label, "no process is running whose start could be compared")
    started = replica.before.started_at
    now = replica.log.read_at if isinstance(replica.log, LogSummary) else None
    if now is not None and started.seconds_since(now) > _CLOCK_STEPS_S:
        says = f"its process started at {started.short}, and the engine's clock says {now.short}: it was set back"
        return inconclusive(replica.label, f"{says}; restart the replica")
    if was_otherwise := _was_otherwise(replica, code, started):
        return failed(replica.label, was_otherwise, Evidence.PROCESS, _IN_MEMORY)
    if doubt := _doubt(replica, code, started, now):
        return inconclusive(replica.label, doubt)
    return passed(replica.label, f"process started {started.short}, after the files were restored", Evidence.PROCESS)


def _was_otherwise(replica: ReplicaReading, code: CodeReading, started: Instant) -> str:
    """What shows that the code at the start of the process was other than now; "" for nothing."""
    if replica.by_run:  # the run started it from restored files
        is_older = started < replica.by_run.started_at
        return f"process of {started.short} is older than the run that restored the files" if is_older else ""
    if (run_at := replica.reverted_at) and started < run_at:
        return f"process of {started.short} is older than the run of {run_at.short} that restored its files"
    until = started.plus(_COMPILES_WITHIN_S)
    written = [file for file in code.files if file.modified_at and _older(started, file.modified_at)]
    if otherwise := [file for file in written if file.was_compiled_otherwise(started, until)]:
        return _older_than(started, otherwise[0], "when it began, Python compiled another content of it")
    if gone := [path for path, one in code.compiled_before_removal if one.is_of_start(started, until, is_gone=True)]:
        return f"process of {started.short} is older than the removal of {gone[0]}, which Python compiled when it began"
    return ""


def _older_than(started: Instant, file: FileReading, why: str) -> str:
    restored = file.modified_at.short if file.modified_at else ""
    return f"process of {started.short} is older than the restored file of {restored}, and {why}"


def _doubt(replica: ReplicaReading, code: CodeReading, started: Instant, now: Instant | None) -> str:
    files = [file for file in code.files if file.exists]
    ahead = [file for file in files if _lies_ahead(file.modified_at, now)]
    written = max((file.modified_at for file in files if file.modified_at and file not in ahead), default=None)
    changed = max((file.changed_at for file in files if file.changed_at), default=None)
    folder = code.folders_changed_at
    after = f"after the process started at {started.short}: restart it to be sure"
    if written and _older(started, written):
        return f"a restored file was written at {written.short}, {after}"
    if changed and _older(started, changed):
        return f"a restored file was touched at {changed.short}, {after}"
    if blind := next((file.path for file in files if any(one.is_blind for one in file.bytecode)), ""):
        return f"Python takes older bytecode for {blind} unseen: remove __pycache__ beside it, and restart"
    if folder and _older(started, folder):
        return f"a folder on the way to the restored files was changed at {folder.short}, {after}"
    if blank := next((file.path for file in ahead if not file.changed_at), ""):
        return f"{blank} has a time in the future, so the process's start cannot be compared: touch it, and restart"
    if code.from_outside and not code.files and not replica.by_run:
        return "nothing tells when what is removed was there, so the process's start cannot be compared"
    timed = [file for file in files if file.modified_at and file.changed_at]
    if len(timed) < len(carried(replica, code)) and not replica.by_run:  # the run restores first, then restarts
        return "the container cannot tell when its files were changed, so the process's start cannot be compared"
    return ""


def _lies_ahead(at: Instant | None, now: Instant | None) -> bool:
    """True for a time in the future: the file was copied with its time from a machine whose clock is wrong."""
    return at is not None and now is not None and at.seconds_since(now) > _CLOCK_STEPS_S


def carried(replica: ReplicaReading, code: CodeReading) -> list[FileReading]:
    """Restored files that a replica must have, and any other that exists in it."""
    return [file for file in code.files if file.exists or replica.must_have(file.path)]


def _older(started: Instant, file_time: Instant) -> bool:
    """True if the process is older than the file. File times that `stat` truncates are compared in whole seconds."""
    cut_to_seconds = file_time.ns % 10**9 == 0
    return started.ns // 10**9 < file_time.ns // 10**9 if cut_to_seconds else started < file_time
