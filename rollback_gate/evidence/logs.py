"""Reading a container's log from the engine: streamed once, from the boundary on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollback_gate.deployment.engine import Engine, answering
from rollback_gate.deployment.replica import Replica
from rollback_gate.errors import Unreachable
from rollback_gate.evidence.log_lines import LogSummary, summarize
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.profile.schema import Logs

_LONGEST_BYTES = 1 << 20


def read(engine: Engine, replica: Replica, forms: Logs, since: Instant) -> LogSummary | Unmeasured:
    """The summary of a replica's log since the boundary."""
    what = f"the log of {replica.name}"
    if replica.log_driver == "none":
        return Unmeasured(what, "its log driver is 'none', which keeps nothing")
    try:
        return summarize(lines(engine, replica.id, since), forms, since)
    except Unreachable as error:
        return Unmeasured(what, error.message)


def lines(engine: Engine, container_id: str, since: Instant | None) -> Iterator[str]:
    """Lines with the engine's timestamps. Raises Unreachable, for a log driver that cannot be read too.

    `follow` is said, because the SDK follows for ever where it is left out. `since` goes to the engine as a float:
    as a datetime it would lose its fraction and return older lines.
    """
    with answering(f"the log of {container_id[:12]}"):
        chunks = engine.client.api.logs(
            container_id, stream=True, follow=False, timestamps=True, since=None if since is None else since.epoch_s
        )
        yield from whole_lines(chunks)


def whole_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines from chunks that may end anywhere; a line beyond 1 MiB is cut, so that memory stays bounded."""
    pending = b""
    for chunk in chunks:
        *complete, pending = (pending + chunk).split(b"\n")
        pending = pending[:_LONGEST_BYTES]
        for line in complete:
            yield line.decode(errors="replace")
    if pending:
        yield pending.decode(errors="replace")
