"""Answers over HTTP, of servers that mean no good: by real sockets."""

from __future__ import annotations

import http.server
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from rollback_gate.platform import web


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


@contextmanager
def serving(how: str) -> Iterator[str]:
    """The address of a server that answers so."""
    stopped = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if how == "nothing":
                stopped.wait(60)
                return
            if how == "slow headers":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                self._drip(b"X: 1\r\n")
                return
            self.send_response(503 if how == "error" else 200)
            self.end_headers()
            if how == "slow":
                self._drip(b"x")
            elif how == "endless":
                while not stopped.is_set():
                    self.wfile.write(b"x" * 65536)
            else:
                self.wfile.write(b"well")

        def _drip(self, part: bytes) -> None:
            while not stopped.wait(0.05):
                self.wfile.write(part)
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that went away is what is tested
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/stats"
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()


def question(url: str, limit_s: float = 5, by_proxy: bool = False) -> web.Question:
    return web.Question(url, limit_s, 1 << 20, by_proxy)


def test_an_answer_and_an_error() -> None:
    with serving("well") as url:
        assert web.ask(question(url)) == web.Answer(200, "OK", b"well")
    with serving("error") as url:
        assert web.ask(question(url)).status == 503
    with pytest.raises(requests.ConnectionError):
        web.ask(question("http://127.0.0.1:1/"))


@pytest.mark.parametrize("how", ["slow", "slow headers"])
def test_a_server_that_sends_byte_by_byte_is_too_slow(how: str) -> None:
    """Each byte comes in time, and the answer never."""
    with serving(how) as url, pytest.raises(web.NotWhole, match=r"no whole answer within 0\.5 s"):
        web.ask(question(url, limit_s=0.5))


def test_an_endless_answer_is_too_large() -> None:
    with serving("endless") as url, pytest.raises(web.NotWhole, match="larger than 1 MB"):
        web.ask(question(url))


def test_a_deployments_own_services_are_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would be handed the test document."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving("well") as url:
        assert web.ask(question(url)).status == 200
        with pytest.raises(requests.RequestException):
            web.ask(question(url, by_proxy=True))


def test_an_address_that_is_none_is_an_error_like_any_other() -> None:
    """Not a traceback of a thread, with whatever the address holds."""
    with pytest.raises(requests.RequestException):
        web.ask(web.Question("http://user:us\u0100er@h\u0100\u200b..st:80/x", 5, 1000, by_proxy=False))


def test_the_limit_is_told_alike_whoever_notices_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket has the same limit as the whole call, and under load it is the first."""
    monkeypatch.setattr(web, "within", lambda _limit_s, call, _is_over: call())
    with serving("nothing") as url, pytest.raises(web.NotWhole, match=r"no whole answer within 0\.2 s"):
        web.ask(question(url, limit_s=0.2))
