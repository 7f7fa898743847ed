"""The upstream: a system that the workers need and the change does not contain. Chooses the adapter of its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rollback_gate.evidence.adapters import upstream_command, upstream_http, upstream_tcp, upstream_websocket
from rollback_gate.evidence.readings import UpstreamReading, UpstreamState
from rollback_gate.platform.commands import SubprocessRunner, allowed
from rollback_gate.profile.schema import Profile
from rollback_gate.profile.systems import HttpUpstream, TcpUpstream, WebsocketUpstream

Ask = Callable[[], UpstreamReading]


def of(profile: Profile, environ: Mapping[str, str]) -> Ask:
    """What asks the profile's upstream. It never raises, and keeps to the profile's limits.

    `environ`: what a command of the profile may have of it is chosen by upstream.variables.
    """

    def ask() -> UpstreamReading:
        match profile.upstream:
            case None:
                return UpstreamReading(UpstreamState.NONE, "the profile names no upstream", "the upstream")
            case WebsocketUpstream() as upstream:
                return upstream_websocket.read(upstream, profile.limits.answer_s)
            case HttpUpstream() as upstream:
                return upstream_http.read(upstream)
            case TcpUpstream() as upstream:
                return upstream_tcp.read(upstream)
            case upstream:
                return upstream_command.read(upstream, SubprocessRunner(allowed(environ, upstream.variables)))

    return ask
