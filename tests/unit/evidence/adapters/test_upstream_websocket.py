"""One call of a tool, asked of a real WebSocket server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from rollback_gate.evidence import upstream
from rollback_gate.evidence.adapters import upstream_websocket
from rollback_gate.evidence.readings import UpstreamReading, UpstreamState
from rollback_gate.profile.systems import WebsocketUpstream
from tests.unit.builders import phase1

ENVELOPE = {"success": False, "error": "Tool 'undefined' not found", "agentId": "", "traceId": "t"}


@contextmanager
def serving(handle: Callable[[ServerConnection], None], **options: Any) -> Iterator[str]:
    server: Server = serve(handle, "127.0.0.1", 0, **options)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.socket.getsockname()[1]}"
    finally:
        server.shutdown()
        thread.join()


def answering(**members: Any) -> Callable[[ServerConnection], None]:
    def handle(connection: ServerConnection) -> None:
        for text in connection:
            connection.send(json.dumps({"jsonrpc": "2.0", "method": "progress", "params": {}}))
            connection.send("no JSON at all")
            connection.send(json.dumps({"jsonrpc": "2.0", "id": json.loads(text)["id"], **members}))

    return handle


def silent(connection: ServerConnection) -> None:
    for _ in connection:
        pass


def asked(address: str) -> UpstreamReading:
    return upstream.of(phase1(f"upstream.address={address}", "upstream.answer_s=0.4", "limits.answer_s=2"), {})()


@pytest.mark.parametrize(
    ("members", "state", "words"),
    [
        ({"result": ENVELOPE}, UpstreamState.ANSWERS, "answers a call of tools/invoke"),
        ({"result": None}, UpstreamState.ANSWERS, "answers a call"),
        ({"error": {"code": -32603, "message": "Internal error"}}, UpstreamState.ANSWERS, "with error -32603"),
        ({"error": {"code": -32603, "message": "field 503 is missing"}}, UpstreamState.ANSWERS, "with error -32603"),
        ({"error": {"code": 401, "message": "Unauthorized"}}, UpstreamState.IN_TROUBLE, "error 401: Unauthorized"),
        ({"error": {"code": 503, "message": "service overloaded"}}, UpstreamState.IN_TROUBLE, "error 503"),
        ({"error": "overloaded"}, UpstreamState.IN_TROUBLE, "error overloaded"),
    ],
)
def test_any_answer_will_do_but_one_of_trouble(members: dict[str, Any], state: UpstreamState, words: str) -> None:
    """An error envelope is an answer; what comes on the way and is no answer to this call is passed over."""
    with serving(answering(**members)) as address:
        reading = asked(address)
    assert reading.state is state
    assert words in reading.says


def test_without_a_form_of_trouble_any_error_is_an_answer() -> None:
    """Another team's profile need not know any."""
    profile = phase1()
    assert isinstance(profile.upstream, WebsocketUpstream) and profile.upstream.ask
    ask = profile.upstream.ask.model_copy(update={"trouble": None})
    with serving(answering(error={"code": 503, "message": "overloaded"})) as address:
        there = profile.upstream.model_copy(update={"address": address, "ask": ask})
        assert upstream_websocket.read(there, 2).answers


def test_a_server_that_never_answers_a_call_does_not_answer() -> None:
    """The usual trouble: it takes the handshake."""
    with serving(silent) as address:
        reading = asked(address)
    assert reading.state is UpstreamState.SILENT
    assert not reading.answers


def test_a_server_that_talks_and_never_answers_is_silent_too() -> None:
    def chatter(connection: ServerConnection) -> None:
        for _ in connection:
            for number in range(1000):
                connection.send(json.dumps({"id": number, "result": {}}))

    with serving(chatter) as address:
        assert asked(address).state is UpstreamState.SILENT


def test_one_that_closes_instead_of_answering_is_silent() -> None:
    def leave(connection: ServerConnection) -> None:
        connection.recv()

    with serving(leave) as address:
        assert asked(address).state is UpstreamState.SILENT


def test_refused_at_the_door() -> None:
    """No listener, and a handshake that is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    assert asked(address).state is UpstreamState.REFUSES

    def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded")

    with serving(silent, process_request=refuse) as address:
        reading = asked(address)
    assert reading.state is UpstreamState.REFUSES
    assert "503" in reading.says


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "as where nothing listens"),
        (b"no HTTP at all\r\n\r\n", "no answer to the WebSocket handshake that can be"),
    ],
)
def test_a_port_that_closes_did_not_refuse_a_handshake(said: bytes, words: str) -> None:
    """As Docker's proxy does before a server that is away."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        reading = asked(f"127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert reading.state is UpstreamState.REFUSES
    assert words in reading.says


def test_without_a_call_a_handshake_proves_little_and_says_so() -> None:
    with serving(silent) as address:
        reading = upstream_websocket.read(
            WebsocketUpstream(kind="websocket", name="the server", address=address), limit_s=2
        )
    assert reading.state is UpstreamState.SHOOK_HANDS
    assert "no call was asked" in reading.says
