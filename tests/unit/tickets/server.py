"""GitHub's and Jira's documented HTTP behaviour, as far as this tool uses it, on a local port."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "t0ken-that-is-valid"


@dataclass
class Tickets:
    """What the tracker holds. `trouble`: (method, path) ► answers to give first, as (status, headers).

    `lost`: methods and paths whose work is done, and whose answer is then lost once: the connection ends.
    """

    comments: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)
    trouble: dict[tuple[str, str], list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    lost: set[tuple[str, str]] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    tickets: Tickets
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def log_message(self, *_: Any) -> None:
        pass

    def _handle(self, method: str) -> None:
        path = self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.tickets.requests.append(f"{method} {path}")
        waiting = self.tickets.trouble.get((method, path), [])
        if waiting:
            status, headers = waiting.pop(0)
            self._answer(status, {"message": "in trouble", "errorMessages": ["in trouble"]}, headers)
            return
        if TOKEN not in self.headers.get("Authorization", ""):
            self._answer(401, {"message": "Bad credentials", "errorMessages": ["Unauthorized"]})
            return
        status, answer = self._do(method, path, body)
        if (method, path) in self.tickets.lost:
            self.tickets.lost.discard((method, path))
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._answer(status, answer)

    def _do(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        raise NotImplementedError

    def _answer(self, status: int, table: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(table).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


class GitHubServer(_Handler):
    def _do(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        repository = "/repos/team/enrichment"
        url = f"http://127.0.0.1:{self.server.server_port}{path}"  # type: ignore[attr-defined]
        if (method, path) == ("POST", f"{repository}/issues"):
            self.tickets.created.append(json.loads(body))
            return 201, {"number": 7, "url": f"{url}/7", "title": "x", "body": "x"}
        issue = re.fullmatch(rf"{repository}/issues/(7|42)(/comments)?", path)
        if not issue:
            return 404, {"message": "Not Found"}
        if method == "POST":
            self.tickets.comments.append(json.loads(body)["body"])
            return 201, {"id": 1, "body": "x", "url": url}
        if issue[2]:
            return 200, [{"id": n, "body": text, "url": url} for n, text in enumerate(self.tickets.comments)]
        text = self.tickets.created[0]["body"] if self.tickets.created else "something broke"
        return 200, {"number": int(issue[1]), "url": url, "body": text, "title": "x", "comments_url": f"{url}/comments"}


class JiraServer(_Handler):
    def _do(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        api = "/rest/api/2/issue"
        url = f"http://127.0.0.1:{self.server.server_port}{path}"  # type: ignore[attr-defined]
        if (method, path) == ("POST", api):
            self.tickets.created.append(json.loads(body)["fields"])
            return 201, {"id": "1", "key": f"OPS-{len(self.tickets.created)}", "self": url}
        issue = re.fullmatch(rf"{api}/(OPS-1|INC-42)(/comment|/attachments)?", path)
        if not issue:
            return 404, {"errorMessages": ["Issue Does Not Exist"], "errors": {}}
        if method == "POST" and issue[2] == "/comment":
            self.tickets.comments.append(json.loads(body)["body"])
            return 201, {"id": "1", "body": "x", "self": url}
        if method == "POST":
            if self.headers.get("X-Atlassian-Token") != "no-check":
                return 403, {"errorMessages": ["XSRF check failed"]}
            name = re.search(rb'filename="([^"]+)"', body)
            assert name
            self.tickets.files[name[1].decode()] = body
            return 200, [{"id": "1", "filename": name[1].decode(), "self": url, "size": len(body)}]
        if issue[2] == "/comment":
            rows = [{"id": str(n), "body": text, "self": url} for n, text in enumerate(self.tickets.comments)]
            return 200, {"comments": rows, "total": len(rows), "startAt": 0, "maxResults": 5000}
        tasks = [
            {"id": "9", "key": "OPS-9", "self": url, "fields": {"summary": row["summary"]}}
            for row in self.tickets.created
            if "parent" in row
        ]
        files = [{"id": "1", "filename": name, "self": url} for name in self.tickets.files]
        return 200, {"id": "1", "key": issue[1], "self": url, "fields": {"attachment": files, "subtasks": tasks}}


@contextmanager
def serving(kind: type[_Handler]) -> Iterator[tuple[Tickets, str]]:
    tickets = Tickets()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (kind,), {"tickets": tickets}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield tickets, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
