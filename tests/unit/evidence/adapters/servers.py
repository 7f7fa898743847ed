"""Servers that the adapters ask: real ones where there are any, and those that answer something else, or nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pymongo
import redis
import requests

from lab.images import mongod_path

START_S = 20.0


@contextmanager
def closed() -> Iterator[str]:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield f"127.0.0.1:{port}"


@contextmanager
def silent() -> Iterator[str]:
    """It takes connections, and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """It answers this to whatever it is sent, and closes."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def http(status: int, body: Any, received: list[bytes] | None = None) -> Iterator[str]:
    """A web server. `body`: text, a table that becomes JSON, or what makes one from the request's path."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if received is not None:
                received.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            found = body(self.path) if callable(body) else body
            text = found if isinstance(found, str) else json.dumps(found)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815 - the name that the library asks for

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def redirecting(place: str) -> AbstractContextManager[str]:
    return saying(f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())


@contextmanager
def a_redis(folder: Path, password: str = "") -> Iterator[str]:
    """A real Redis, by its Unix socket until it answers, then by its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(
        [*command, *(["--requirepass", password] if password else [])], stdout=subprocess.DEVNULL
    ) as process:
        try:
            client = redis.Redis("127.0.0.1", port, password=password or None, socket_timeout=1)
            until(lambda: _answers(client), "Redis")
            client.close()
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.ConnectionError:
        return False


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come up"
        time.sleep(0.02)


@dataclass(frozen=True)
class Rabbit:
    """A real RabbitMQ: addresses of its management API and of AMQP, and its process group."""

    management: str
    amqp_port: int
    group: int

    @contextmanager
    def frozen(self) -> Iterator[None]:
        os.killpg(self.group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.group, signal.SIGCONT)

    def ask(self, method: str, path: str, **body: Any) -> Any:
        url = f"http://{self.management}/api/{path}"
        answer = requests.request(method, url, json=body or None, auth=("guest", "guest"), timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@contextmanager
def a_rabbitmq(folder: Path) -> Iterator[Rabbit]:
    """Debian's wrappers change the user: the server's own programs are started, with everything below `folder`."""
    (programs,) = Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin")
    amqp, management, nodes, names = free_ports(4)
    files = {
        "rabbitmq.conf": f"listeners.tcp.1 = 127.0.0.1:{amqp}\nmanagement.tcp.ip = 127.0.0.1\n"
        f"management.tcp.port = {management}\ndisk_free_limit.absolute = 50MB\n",
        "enabled_plugins": "[rabbitmq_management].\n",
        "env.conf": "",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"test-{management}@localhost",
        "RABBITMQ_DIST_PORT": str(nodes),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none.config"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder),
        "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +S 1:1",
    }
    with (
        (folder / "out.log").open("wb") as log,
        subprocess.Popen(
            ["rabbitmq-server"], env=environment, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        made = Rabbit(f"127.0.0.1:{management}", amqp, process.pid)
        try:
            until(lambda: _is_up(made), "RabbitMQ")
            yield made
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            end_epmd = ["epmd", "-kill"]  # refused as long as the node is known to it
            until(lambda: subprocess.run(end_epmd, env=environment, capture_output=True).returncode == 0, "epmd's end")


def _is_up(rabbit: Rabbit) -> bool:
    try:
        return bool(rabbit.ask("GET", "overview"))
    except requests.RequestException:
        return False


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


@contextmanager
def a_mongod(folder: Path) -> Iterator[str]:
    """A real MongoDB that knows one user, `gate` with the password `secret`."""
    (port,) = free_ports(1)
    command = [str(mongod_path()), "--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1", "--auth"]
    with subprocess.Popen([*command, "--quiet"], stdout=subprocess.DEVNULL) as process:
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            "127.0.0.1", port, serverSelectionTimeoutMS=500
        )
        try:
            until(lambda: _made_a_user(client), "MongoDB")
            yield f"127.0.0.1:{port}"
        finally:
            client.close()
            process.kill()


def _made_a_user(client: pymongo.MongoClient[dict[str, Any]]) -> bool:
    try:
        client.admin.command("createUser", "gate", pwd="secret", roles=["root"])
    except pymongo.errors.ServerSelectionTimeoutError:
        return False
    return True


@contextmanager
def a_postgresql() -> Iterator[str]:
    """A real PostgreSQL with the superuser `gate`, password `secret`. It refuses to run as root."""
    (programs,) = Path("/usr/lib/postgresql").glob("*/bin")
    (port,) = free_ports(1)
    owner: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="postgresql-", dir="/tmp") as name:
        folder = Path(name)
        (folder / "password").write_text("secret")
        if owner:
            shutil.chown(folder, "postgres")
            shutil.chown(folder / "password", "postgres")
        data = folder / "data"
        options = ["-U", "gate", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "-N", "-E", "UTF8"]
        made = subprocess.run(
            [programs / "initdb", "-D", data, *options, "--locale=C"],
            cwd=folder,
            capture_output=True,
            text=True,
            **owner,
        )
        assert made.returncode == 0, made.stderr
        command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", name, "-F"]
        with subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **owner
        ) as process:
            try:
                address = f"127.0.0.1:{port}"
                until(lambda: _takes(address), "PostgreSQL")
                yield address
            finally:
                process.send_signal(signal.SIGQUIT)


def _takes(address: str) -> bool:
    try:
        in_postgresql(address, "SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def in_postgresql(address: str, *statements: str) -> None:
    host, _, port = address.rpartition(":")
    with psycopg.connect(host=host, port=int(port), user="gate", password="secret", dbname="postgres") as connection:
        for statement in statements:
            connection.execute(statement.encode())
