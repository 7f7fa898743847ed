"""One table for all kinds of upstream: each trouble has its own state, and none of them passes for an answer."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from rollback_gate.evidence import upstream
from rollback_gate.evidence.readings import UpstreamReading, UpstreamState
from rollback_gate.profile import systems
from tests.unit.builders import phase1
from tests.unit.evidence.adapters import servers

SECTION: TypeAdapter[Any] = TypeAdapter(systems.Upstream)
ANSWERS, SHOOK_HANDS, SILENT = UpstreamState.ANSWERS, UpstreamState.SHOOK_HANDS, UpstreamState.SILENT
REFUSES, IN_TROUBLE = UpstreamState.REFUSES, UpstreamState.IN_TROUBLE
ASK = {"method": "ping", "trouble": "^(?:401|503):"}


@contextmanager
def full() -> Iterator[str]:
    """It listens, and takes no more connections."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()


def running(script: str) -> dict[str, Any]:
    return {"kind": "command", "command": (sys.executable, "-c", script)}


def at(server: Callable[[], AbstractContextManager[str]], **keys: Any) -> tuple[Any, dict[str, Any]]:
    return server, keys


TABLE: dict[str, tuple[tuple[Any, dict[str, Any]], UpstreamState, str]] = {
    "http right": (at(lambda: servers.http(200, "fine"), kind="http"), ANSWERS, "200"),
    "http unauthorised": (at(lambda: servers.http(401, "who?"), kind="http"), IN_TROUBLE, "401"),
    "http overloaded": (at(lambda: servers.http(503, "later"), kind="http"), IN_TROUBLE, "503"),
    "http, a status that is fine": (at(lambda: servers.http(404, "-"), kind="http", accepts=[404]), ANSWERS, "404"),
    "http, trouble in its text": (
        at(lambda: servers.http(200, "state: degraded"), kind="http", trouble="degraded"),
        IN_TROUBLE,
        "degraded",
    ),
    "http unreachable": (at(servers.closed, kind="http"), REFUSES, "cannot be asked"),
    "http slow": (at(servers.silent, kind="http"), SILENT, "within 0.4 s"),
    "http malformed": (at(lambda: servers.saying(b"+PONG\r\n"), kind="http"), REFUSES, "cannot be asked"),
    "tcp right": (at(servers.silent, kind="tcp"), SHOOK_HANDS, "no more can be asked"),
    "tcp unreachable": (at(servers.closed, kind="tcp"), REFUSES, "Connection refused"),
    "tcp slow": (at(full, kind="tcp"), SILENT, "takes no connection within 0.4 s"),
    "websocket unreachable": (at(servers.closed, kind="websocket", ask=ASK), REFUSES, "no answer"),
    "websocket unauthorised": (at(lambda: servers.http(401, "who?"), kind="websocket", ask=ASK), REFUSES, "401"),
    "websocket slow": (at(servers.silent, kind="websocket", ask=ASK), REFUSES, "timed out"),
    "websocket malformed": (at(lambda: servers.saying(b"+PONG\r\n"), kind="websocket", ask=ASK), REFUSES, ""),
    "command right": (at(servers.closed, **running("pass")), ANSWERS, "status 0"),
    "command unauthorised": (at(servers.closed, **running("raise SystemExit('401: who?')")), IN_TROUBLE, "401: who?"),
    "command slow": (at(servers.closed, **running("import time; time.sleep(60)")), SILENT, "did not end within"),
    "command missing": (at(servers.closed, kind="command", command=("/nowhere/ask",)), IN_TROUBLE, "No such file"),
}


def asked(keys: dict[str, Any], address: str) -> UpstreamReading:
    where = {"http": {"url": f"http://{address}/health"}, "command": {}}.get(keys["kind"], {"address": address})
    section = SECTION.validate_python({"name": "the mail server", "answer_s": 0.4, **where, **keys})
    profile = phase1("limits.answer_s=0.4").model_copy(update={"upstream": section})
    return upstream.of(profile, {"PATH": "/usr/bin"})()


@pytest.mark.parametrize(("server", "state", "words"), TABLE.values(), ids=TABLE)
def test_each_trouble_has_its_own_state(server: Any, state: UpstreamState, words: str) -> None:
    made, keys = server
    with made() as address:
        reading = asked(keys, address)
    assert (reading.state, reading.name) == (state, "the mail server"), reading.says
    assert words in reading.says
    assert reading.answers is (state in (ANSWERS, SHOOK_HANDS))


@pytest.mark.parametrize("kind", ["tcp", "websocket"])
def test_a_name_that_no_host_can_have_is_no_crash(kind: str) -> None:
    assert asked({"kind": kind}, "redis..svc:6379").state is REFUSES


def test_its_name_stands_in_what_to_do_first() -> None:
    with servers.closed() as address:
        reading = asked({"kind": "tcp"}, address)
    assert reading.fix_first.startswith("fix the mail server first: ")


def test_a_profile_without_one_blames_nobody_else() -> None:
    reading = upstream.of(phase1().model_copy(update={"upstream": None}), {})()
    assert reading.state is UpstreamState.NONE
    assert reading.answers


def test_a_command_gets_only_the_variables_that_are_named() -> None:
    script = "import os; raise SystemExit(0 if os.environ.get('OWN') == 'x' and 'OTHER' not in os.environ else 1)"
    for variables, state in ((["OWN"], ANSWERS), ([], IN_TROUBLE)):
        section = SECTION.validate_python({"name": "x", "variables": variables, **running(script)})
        profile = phase1().model_copy(update={"upstream": section})
        assert upstream.of(profile, {"OWN": "x", "OTHER": "y"})().state is state


@pytest.mark.parametrize("url", ["http://user:secret@host/", "ftp://host/", "host:80", "http://"])
def test_an_address_holds_no_credentials(url: str) -> None:
    with pytest.raises(ValidationError):
        SECTION.validate_python({"name": "x", "kind": "http", "url": url})
