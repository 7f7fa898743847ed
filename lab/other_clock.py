"""A node whose clock is off: namespaces share the machine's, so what its engine says of the time is changed."""

from __future__ import annotations

import contextlib
import datetime
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from lab.nodes import LabNode

_END, _MOST_BYTES = b"\r\n\r\n", 1 << 16
_PORT = 2375


@contextlib.contextmanager
def off(node: LabNode, seconds: float) -> Iterator[str]:
    """The address at which its engine answers with such a clock."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        between = _Between(node, seconds)
        threading.Thread(target=between.serve, args=(server,), daemon=True).start()
        try:
            yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class _Between:
    """One request for each connection: what follows it, of either side, is passed on as it is."""

    node: LabNode
    seconds: float

    def serve(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:  # it was closed
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            request, rest = _head(client)
            if request[0].split()[1].split("?")[0].endswith("/info"):
                client.sendall(self._info())
                return
            with socket.create_connection((self.node.address, _PORT)) as engine:
                engine.sendall("\r\n".join([*request, "", ""]).encode() + rest)
                answers = threading.Thread(target=_pump, args=(engine, client), daemon=True)
                answers.start()
                _pump(client, engine)
                answers.join()

    def _info(self) -> bytes:
        with contextlib.closing(self.node.client()) as client:
            found = client.info()
        at = datetime.datetime.fromisoformat(found["SystemTime"][:26].rstrip("Z"))
        moved = at + datetime.timedelta(seconds=self.seconds)
        body = json.dumps({**found, "SystemTime": f"{moved.isoformat()}Z"}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
        return head.encode() + _END + body


def _head(client: socket.socket) -> tuple[list[str], bytes]:
    """The lines of one request, which asks for a connection of its own; and what came behind them. Raises OSError."""
    read = b""
    while _END not in read:
        if not (part := client.recv(_MOST_BYTES)):
            raise ConnectionError("it has sent no request")
        read += part
    head, _, rest = read.partition(_END)
    lines = [line for line in head.decode().split("\r\n") if line.lower() != "connection: keep-alive"]
    is_upgrade = any(line.lower().startswith("connection:") for line in lines)
    return lines if is_upgrade else [*lines, "Connection: close"], rest


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(_MOST_BYTES):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
