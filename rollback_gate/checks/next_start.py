"""Check 1: the code that was judged stays, through the checks, a restart, a recreate and on any other node."""

from __future__ import annotations

from dataclasses import replace

from rollback_gate.change.reading import CodeReading, FileReading, Held
from rollback_gate.evidence.readings import Readings, ReplicaReading
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed


def code_stays(replica: ReplicaReading) -> Claim:
    """The files at the end of the checks are the same as at their beginning.

    The second reading is through the engine, and shows what the next start would find too.
    """
    before, after = replica.code, replica.restarted
    if not isinstance(before, CodeReading):
        return inconclusive(replica.label, before)
    if not isinstance(after, CodeReading):
        return inconclusive(replica.label, after or "its code was not read a second time")
    if changed := _otherwise(before, after):
        says = "its code was changed while the checks ran, or is another one behind its mount: verify again"
        return inconclusive(replica.label, says, *changed)
    return passed(replica.label, "has the same code at the end of the checks as at their beginning", Evidence.CODE)


def next_start(readings: Readings, replica: ReplicaReading) -> Claim:
    """A restart and a recreate of this replica, and a new one on any other node, would run the code that was judged."""
    code = replica.code
    if not isinstance(code, CodeReading):
        return inconclusive(replica.label, code)
    looks = [("restart", replica.restarted), ("recreate", replica.recreated)]
    looks += [
        (f"start on node {node}", _but_for_what_is_fetched(code, one))
        for node, one in readings.elsewhere.get(replica.service, {}).items()
    ]
    future = [(verb, reading) for verb, reading in looks if isinstance(reading, CodeReading)]
    details = [f"after a {verb}: {text}" for verb, reading in future for text in _otherwise(code, reading)]
    if any(_is_the_change(reading, code) for _, reading in future):
        return failed(replica.label, "its next start would be the change", Evidence.CODE, *details)
    for verb, unread in looks:
        if not isinstance(unread, CodeReading):
            return inconclusive(replica.label, unread or f"what a {verb} would start was not looked at")
    if details:
        return inconclusive(replica.label, "would start something else than was judged", *details)
    return passed(replica.label, "would start the same code after a restart and after a recreate", Evidence.CODE)


def _but_for_what_is_fetched(code: CodeReading, there: CodeReading | Unmeasured) -> CodeReading | Unmeasured:
    """A node that has nothing of it yet fetches it by its content: it would be as here."""
    if isinstance(there, CodeReading) and not (there.files or there.still_there or there.values):
        return code
    return there if isinstance(there, Unmeasured) or there.values else replace(there, values=code.values)


def _otherwise(code: CodeReading, reading: CodeReading) -> list[str]:
    """The differences between `reading` and the code that is there now, in words."""
    now = {file.path: file for file in code.files}
    texts = [
        f"{file.path}: sha256 {file.digest[:16] or 'none'}, now {now[file.path].digest[:16] or 'none'}"
        for file in reading.files
        if (file.exists, file.is_link, file.digest) != _identity(now[file.path])
    ]
    held = {value.name: value.held for value in code.values}
    texts += [
        f"{v.name}: {v.held}, now {held.get(v.name, 'unknown')}" for v in reading.values if v.held != held.get(v.name)
    ]
    more = sorted(set(reading.still_there) - set(code.still_there))
    less = sorted(set(code.still_there) - set(reading.still_there))
    covering = sorted(set(reading.in_its_place) - set(code.in_its_place))
    texts += [f"{path}, which Python imports in place of a restored file" for path in covering]
    return [*texts, *(f"{path} is there again" for path in more), *(f"{path} is gone" for path in less)]


def _identity(file: FileReading) -> tuple[bool, bool, str]:
    return file.exists, file.is_link, file.digest


def _is_the_change(reading: CodeReading, now: CodeReading) -> bool:
    is_new = any(file.new for file in reading.files) or any(value.held is Held.NEW for value in reading.values)
    return is_new or bool(set(reading.still_there) - set(now.still_there))
