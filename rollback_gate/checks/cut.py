"""Whether a log covers all of the time since the boundary. Pure."""

from __future__ import annotations

from rollback_gate.evidence.log_lines import LogSummary
from rollback_gate.evidence.readings import ReplicaReading
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile


def cut_off(replica: ReplicaReading, profile: Profile) -> str:
    """Why the log lacks lines since the boundary; "" if nothing shows that.

    A log is evidence from its first readable line on. It covers the boundary if it has older lines, or the line of the
    start. Lines are missing if the line of the start should be there and is not, or if the engine discards old lines
    and the log begins too late.
    """
    log, boundary = replica.log, replica.boundary
    if not isinstance(log, LogSummary):
        return ""
    if log.shrank:
        return "lines of its log went while it was read, or it is damaged (then recreate its container)"
    now = replica.before if isinstance(replica.before, Replica) else None
    if boundary is None or log.begins_at is None or log.consuming_at:
        return ""
    shows_progress = replica.consumes and log.could_show_documents
    if log.begins_at <= boundary:
        is_of_start = now is not None and now.started_at is not None and boundary <= now.started_at
        if replica.consumes and is_of_start and (log.finished or log.unfinished):
            return "its log shows documents of this process, and no line of its start: some of it may be missing"
        return ""
    is_late = log.begins_at.seconds_since(boundary) > profile.limits.start_s
    if shows_progress or (now and now.log_is_limited and is_late):
        return f"its log begins at {log.begins_at.short}, after {boundary.short}: what it logged before that is gone"
    return ""
