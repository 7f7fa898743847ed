"""An upstream over WebSocket: one JSON-RPC call that the worker makes too. A handshake alone proves little."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, WebSocketException
from websockets.sync.client import ClientConnection, connect

from rollback_gate.evidence.readings import UpstreamReading, UpstreamState
from rollback_gate.profile.systems import Ask, WebsocketUpstream
from rollback_gate.redaction import cut

_ID = "rollback-gate"
_MOST_BYTES = 1 << 20
Said = tuple[UpstreamState, str]


def read(upstream: WebsocketUpstream, limit_s: float, clock: Callable[[], float] = time.monotonic) -> UpstreamReading:
    """Takes at most `limit_s` for the handshake, and upstream.answer_s for the call. Never raises."""
    return UpstreamReading(*_asked(upstream, limit_s, clock), upstream.name)


def _asked(upstream: WebsocketUpstream, limit_s: float, clock: Callable[[], float]) -> Said:
    address, began = upstream.address, clock()
    try:
        # No proxy: the address is this deployment's own.
        with connect(
            f"ws://{address}",
            open_timeout=limit_s,
            close_timeout=0.2,
            proxy=None,
            max_size=_MOST_BYTES,
            ping_interval=None,
        ) as connection:
            if upstream.ask is None:
                taken = f"{address} takes WebSocket connections, in {clock() - began:.2f} s"
                return UpstreamState.SHOOK_HANDS, f"{taken}; no call was asked of it (upstream.ask is not set)"
            return _call(connection, upstream, upstream.ask, clock)
    except InvalidMessage as error:  # behind a proxy of ports, nothing that listens looks like this
        says = f"{address} gave no answer to the WebSocket handshake"
        ended = f"{says}: it ended the connection, as where nothing listens behind a published port"
        return UpstreamState.REFUSES, ended if isinstance(error.__cause__, EOFError) else f"{says} that can be read"
    except InvalidHandshake as error:
        return UpstreamState.REFUSES, f"{address} refused the WebSocket handshake: {error}"
    except (OSError, WebSocketException, ValueError) as error:  # ValueError: a name that no host can have
        return UpstreamState.REFUSES, f"no answer at {address} ({error or type(error).__name__})"


def _call(connection: ClientConnection, upstream: WebsocketUpstream, ask: Ask, clock: Callable[[], float]) -> Said:
    address, began = upstream.address, clock()
    deadline = began + upstream.answer_s
    says = f"{address} takes connections and does not answer a call of {ask.method} within {upstream.answer_s:.0f} s"
    try:
        connection.send(json.dumps({"jsonrpc": "2.0", "id": _ID, "method": ask.method, "params": ask.params}))
        while (left := deadline - clock()) > 0:
            answer = _answer(connection.recv(timeout=left))
            if answer is not None:
                return _judged(answer, ask, address, clock() - began)
    except TimeoutError:
        return UpstreamState.SILENT, says
    except ConnectionClosed as error:
        return UpstreamState.SILENT, f"{address} closed the connection instead of answering a call ({error})"
    return UpstreamState.SILENT, says


def _answer(text: str | bytes) -> Mapping[str, Any] | None:
    """The answer to our call; None for any other message of the server."""
    try:
        table = json.loads(text)
    except ValueError:
        return None
    is_ours = isinstance(table, dict) and table.get("id") == _ID and ("result" in table or "error" in table)
    return table if is_ours else None


def _judged(answer: Mapping[str, Any], ask: Ask, address: str, seconds: float) -> Said:
    error = answer.get("error")
    if error is None:
        return UpstreamState.ANSWERS, f"{address} answers a call of {ask.method} in {seconds:.2f} s"
    says = f"{error.get('code')}: {error.get('message')}" if isinstance(error, dict) else str(error)
    if ask.trouble and ask.trouble.search(says):
        return UpstreamState.IN_TROUBLE, f"{address} answers a call of {ask.method} with error {cut(says, 200)}"
    return UpstreamState.ANSWERS, f"{address} answers a call of {ask.method}, with error {cut(says, 200)}"
