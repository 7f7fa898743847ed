"""Whether the MCP server can serve the worker: one tool call over WebSocket. Its HTTP paths hang (FACTS)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException
from websockets.sync.client import ClientConnection, connect

from rollback_gate.evidence.readings import McpReading, Upstream
from rollback_gate.profile.live import Ask
from rollback_gate.profile.schema import Profile
from rollback_gate.redaction import cut

_ID = "rollback-gate"
_MOST_BYTES = 1 << 20


def read(profile: Profile, clock: Callable[[], float] = time.monotonic) -> McpReading:
    """Takes at most limits.answer_s for the handshake and mcp.ask.answer_s for the call. Never raises."""
    address, limit_s = profile.mcp.address, profile.limits.answer_s
    began = clock()
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
            if profile.mcp.ask is None:
                taken = f"{address} takes WebSocket connections, in {clock() - began:.2f} s"
                return McpReading(Upstream.SHOOK_HANDS, f"{taken}; no call was asked of it (mcp.ask is not set)")
            return _ask(connection, profile.mcp.ask, address, clock)
    except InvalidHandshake as error:
        return McpReading(Upstream.REFUSES, f"{address} refused the WebSocket handshake: {error}")
    except (OSError, WebSocketException) as error:
        return McpReading(Upstream.REFUSES, f"no answer at {address} ({error or type(error).__name__})")


def _ask(connection: ClientConnection, ask: Ask, address: str, clock: Callable[[], float]) -> McpReading:
    began = clock()
    deadline = began + ask.answer_s
    silent = McpReading(
        Upstream.SILENT,
        f"{address} takes connections and does not answer a call of {ask.method} within {ask.answer_s:.0f} s",
    )
    try:
        connection.send(json.dumps({"jsonrpc": "2.0", "id": _ID, "method": ask.method, "params": ask.params}))
        while (left := deadline - clock()) > 0:
            answer = _answer(connection.recv(timeout=left))
            if answer is not None:
                return _judge(answer, ask, address, clock() - began)
    except TimeoutError:
        return silent
    except ConnectionClosed as error:
        return McpReading(Upstream.SILENT, f"{address} closed the connection instead of answering a call ({error})")
    return silent


def _answer(text: str | bytes) -> Mapping[str, Any] | None:
    """The answer to our call; None for any other message of the server."""
    try:
        table = json.loads(text)
    except ValueError:
        return None
    is_ours = isinstance(table, dict) and table.get("id") == _ID and ("result" in table or "error" in table)
    return table if is_ours else None


def _judge(answer: Mapping[str, Any], ask: Ask, address: str, seconds: float) -> McpReading:
    error = answer.get("error")
    if error is None:
        return McpReading(Upstream.ANSWERS, f"{address} answers a call of {ask.method} in {seconds:.2f} s")
    says = f"{error.get('code')}: {error.get('message')}" if isinstance(error, dict) else str(error)
    if ask.trouble and ask.trouble.search(says):
        return McpReading(Upstream.IN_TROUBLE, f"{address} answers a call of {ask.method} with error {cut(says, 200)}")
    return McpReading(Upstream.ANSWERS, f"{address} answers a call of {ask.method}, with error {cut(says, 200)}")
