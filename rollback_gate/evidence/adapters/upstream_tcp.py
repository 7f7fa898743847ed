"""An upstream of which only a TCP connection can be asked."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from rollback_gate.evidence.readings import UpstreamReading, UpstreamState
from rollback_gate.profile.systems import TcpUpstream


def read(upstream: TcpUpstream, clock: Callable[[], float] = time.monotonic) -> UpstreamReading:
    """Takes at most upstream.answer_s for each address of the host. Never raises."""
    host, _, port = upstream.address.rpartition(":")
    began = clock()
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=upstream.answer_s):
            seconds = clock() - began
    except TimeoutError:
        says = f"{upstream.address} takes no connection within {upstream.answer_s:g} s"
        return UpstreamReading(UpstreamState.SILENT, says, upstream.name)
    except (OSError, ValueError) as error:  # ValueError: a name that no host can have
        says = f"no answer at {upstream.address} ({error})"
        return UpstreamReading(UpstreamState.REFUSES, says, upstream.name)
    says = f"{upstream.address} takes connections, in {seconds:.2f} s; no more can be asked of it (kind = tcp)"
    return UpstreamReading(UpstreamState.SHOOK_HANDS, says, upstream.name)
