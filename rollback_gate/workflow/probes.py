"""`probes.sweep`: remove the traces of test documents that the queue delivered after their verify had ended."""

from __future__ import annotations

from rollback_gate.errors import Unreachable
from rollback_gate.evidence.probe_memory import ProbeMemory
from rollback_gate.evidence.processing import Processing
from rollback_gate.evidence.queue import NoQueue
from rollback_gate.model import Unmeasured
from rollback_gate.workflow.call import probe_memories
from rollback_gate.workflow.session import Session


def sweep(session: Session) -> int:
    """Returns the number of traces removed. Raises Unreachable if database or probe memory cannot be read."""
    if isinstance(session.documents, Unmeasured):
        raise Unreachable(str(session.documents), "call it without --without-database")
    processing = _processing(session)
    processing.follow()
    try:
        return processing.forget()
    except OSError as error:
        raise Unreachable(
            f"the memory of test documents cannot be read: {error}", "run as the user who verified"
        ) from error


def in_words(removed: int) -> str:
    return f"{removed} traces of test documents were removed" if removed else "no trace of a test document is left"


def _processing(session: Session) -> Processing:
    """For the workers that run now."""
    own, *others = probe_memories(session.call, session.settings, session.engines)
    found = session.deployed.consumers()
    starts = {replica.id: replica.started_at for replica in found if replica.is_running and replica.started_at}
    return Processing(
        session.profile,
        session.engines,
        session.documents,
        NoQueue("traces are removed without it"),
        "",
        ProbeMemory(own, tuple(others)),
        {replica.id: replica for replica in found if replica.id in starts},
        starts,
        session.call.terminal.line,
        session.clock,
    )


def swept(session: Session) -> None:
    """Sweeps during a rollback; never stops it."""
    if isinstance(session.documents, Unmeasured):
        return
    try:
        if removed := sweep(session):
            session.call.terminal.line(in_words(removed))
    except Unreachable as error:
        session.call.terminal.item("warning", "test documents", error.message)
