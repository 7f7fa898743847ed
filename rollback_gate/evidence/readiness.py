"""Whether a service is ready, by the condition that its profile names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from rollback_gate.errors import Unreadable
from rollback_gate.evidence import logs
from rollback_gate.evidence.adapters import upstream_http, upstream_tcp
from rollback_gate.evidence.log_lines import split_timestamp
from rollback_gate.evidence.readings import UpstreamReading, UpstreamState
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.answers import Ready, ReadyHealth, ReadyHttp, ReadyLog
from rollback_gate.profile.systems import HttpUpstream, TcpUpstream


def why_not(ready: Ready, replicas: Iterable[Replica], engines: Engines) -> str | Unmeasured:
    """Why the service is not ready, in words; "" if it is. `replicas`: all of the service. Raises Unreachable."""
    rows = list(replicas)
    if not rows:
        return Unmeasured("whether it is ready", "it has no container")
    match ready:
        case ReadyLog():
            found = [_logged(ready, replica, engines) for replica in rows]
        case ReadyHealth():
            found = [_health(replica) for replica in rows]
        case ReadyHttp():
            asked = upstream_http.read(
                HttpUpstream(kind="http", name="it", url=ready.url, accepts=ready.accepts, answer_s=ready.answer_s)
            )
            found = [_of(asked)]
        case ready:
            asked = upstream_tcp.read(
                TcpUpstream(kind="tcp", name="it", address=ready.address, answer_s=ready.answer_s)
            )
            found = [_of(asked)]
    unread = next((one for one in found if isinstance(one, Unmeasured)), None)
    return next((one for one in found if one and isinstance(one, str)), "") or unread or ""


def _of(asked: UpstreamReading) -> str | Unmeasured:
    """That no connection comes about may be this machine's: a name, a certificate, a network."""
    if asked.answers:
        return ""
    return asked.says if asked.state is UpstreamState.IN_TROUBLE else Unmeasured("whether it is ready", asked.says)


def _health(replica: Replica) -> str | Unmeasured:
    if not replica.health:
        return Unmeasured(f"the health of {replica.name}", "it has no health check")
    return "" if replica.health == "healthy" else f"{replica.name} is {replica.health}"


def _logged(ready: ReadyLog, replica: Replica, engines: Engines) -> str | Unmeasured:
    since = replica.logs_since or replica.started_at
    if since is None:
        return f"{replica.name} has never started"
    try:
        with contextlib.closing(logs.since(engines.of(replica), replica, since)) as blocks:
            lines = (line.decode(errors="replace") for block in blocks for line in block.split(b"\n"))
            parts = (split_timestamp(line) for line in lines)
            if any(part and part[0] >= since and ready.pattern.search(part[1]) for part in parts):
                return ""
    except Unreadable as error:
        return Unmeasured(f"the log of {replica.name}", error.message)
    return f"{replica.name} has not logged {ready.pattern.pattern!r} since its start"
