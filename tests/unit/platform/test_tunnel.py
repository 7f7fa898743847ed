"""An engine by ssh: on a real sshd, before a socket that answers as an engine does."""

from __future__ import annotations

import contextlib
import os
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab import ssh
from lab.ssh import Server
from rollback_gate.errors import Unreachable
from rollback_gate.platform import engine, tunnel

INFO = b'{"ID": "engine-1", "SystemTime": "2026-11-27T10:00:00Z", "ApiVersion": "1.41"}'


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(INFO)))
        self.end_headers()
        self.wfile.write(INFO)

    def log_message(self, *_: object) -> None:
        """Not to the tests' output."""

    def address_string(self) -> str:
        return "here"  # of a socket that has no address


@pytest.fixture(scope="module")
def socket_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = str(tmp_path_factory.mktemp("engine") / "e.sock")
    with socketserver.ThreadingUnixStreamServer(path, Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield path
        server.shutdown()
        thread.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with ssh.serving(tmp_path / "ssh") as made:
        yield made


def environ(server: Server, path: str = "") -> dict[str, str]:
    host = f"ssh://{server.address}:{server.port}{path}"
    return server.environment({"PATH": os.environ["PATH"], "DOCKER_HOST": host})


def test_all_requests_go_through_one_connection_which_ends_with_it(server: Server, socket_path: str) -> None:
    found = engine.connect(environ(server, socket_path))
    assert found.tunnel
    local = Path(found.tunnel.address.removeprefix("unix://"))
    assert (found.id, found.host) == ("engine-1", environ(server, socket_path)["DOCKER_HOST"])
    for _ in range(5):
        found.now()
    assert server.connections == 1
    assert local.parent.stat().st_mode & 0o077 == 0
    found.close()
    assert not local.parent.exists()
    assert not _running(local)


def test_it_ends_with_the_process_that_opened_it_however_that_ends(server: Server, socket_path: str) -> None:
    """A killed run leaves no connection behind."""
    text = (
        "import os, sys, time; from rollback_gate.platform import engine\n"
        "found = engine.connect(dict(os.environ)); print(found.tunnel.address, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", text], env=environ(server, socket_path), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        local = Path(process.stdout.readline().strip().removeprefix("unix://"))
        assert _running(local)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while _running(local):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _running(local: Path) -> list[str]:
    """Processes of ssh that lead to this socket."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = path.read_bytes().split(b"\0")
            if b"ssh" in command[0] and any(str(local).encode() in word for word in command):
                found.append(path.parent.name)
    return found


@pytest.mark.parametrize(
    ("change", "says"),
    [("unknown host", "Host key verification failed"), ("no key", "Permission denied"), ("no server", "refused")],
)
def test_what_ssh_says_is_told_and_how_to_try_it(server: Server, socket_path: str, change: str, says: str) -> None:
    host = environ(server, socket_path)
    if change == "unknown host":
        server.forget_host()
    elif change == "no key":
        (server.folder / "client.pub").write_text("")
    else:
        host["DOCKER_HOST"] = "ssh://amit@127.0.0.1:1"
    with pytest.raises(Unreachable, match=says) as caught:
        engine.connect(host)
    assert caught.value.remedy.startswith("try `ssh -p ")


def test_a_socket_that_is_not_there_is_named(server: Server) -> None:
    with pytest.raises(Unreachable, match=r"no Docker Engine answers at ssh://.*ssh: .*open failed"):
        engine.connect(environ(server, "/nowhere/docker.sock"))


def test_a_server_that_forwards_nothing_is_told(tmp_path: Path, socket_path: str) -> None:
    with (
        ssh.serving(tmp_path / "ssh", more="AllowStreamLocalForwarding no\n") as server,
        pytest.raises(Unreachable, match="open failed") as caught,
    ):
        engine.connect(environ(server, socket_path))
    assert "AllowStreamLocalForwarding" in caught.value.remedy


@pytest.mark.parametrize(
    "says",
    [
        "exec sleep 600",
        "exec yes 'system ready'",
        "exec sleep 600 >&-",
    ],
)
def test_a_machine_that_does_not_answer_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    """An ssh that says nothing at all, one that never stops greeting, and one that hangs with its output closed."""
    (server.bin / "ssh").write_text(f"#!/bin/sh\n{says}\n")
    monkeypatch.setattr(tunnel, "_READY_S", 0.3)
    with pytest.raises(Unreachable, match="did not connect within"):
        engine.connect(environ(server))


def test_without_ssh_it_says_what_to_install() -> None:
    with pytest.raises(Unreachable) as caught:
        engine.connect({"PATH": "/nowhere", "DOCKER_HOST": "ssh://db1"})
    assert "openssh-client" in caught.value.remedy


@pytest.mark.parametrize(
    "host", ["ssh://fd00::1", "ssh://db1:abc", "ssh://[::1", "ssh://", "ssh:///var/run/docker.sock"]
)
def test_an_address_that_is_none_is_told(host: str) -> None:
    with pytest.raises(Unreachable, match="is no address of an engine by ssh"):
        engine.connect({"PATH": os.environ["PATH"], "DOCKER_HOST": host})


def test_a_folder_for_temporary_files_with_a_long_name_is_none_for_sockets(server: Server, socket_path: str) -> None:
    place = server.folder / ("x" * 90)
    place.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(place))
        engine.connect(environ(server, socket_path)).close()


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("ssh://db1", ["-L", "/l:/var/run/docker.sock", "--", "db1"]),
        ("ssh://amit@db1:2222", ["-l", "amit", "-p", "2222", "-L", "/l:/var/run/docker.sock", "--", "db1"]),
        ("ssh://OCR1", ["-L", "/l:/var/run/docker.sock", "--", "OCR1"]),
        ("ssh://a@[fd00::1]:22", ["-l", "a", "-p", "22", "-L", "/l:/var/run/docker.sock", "--", "fd00::1"]),
        ("ssh://db1/run/user/1000/docker.sock", ["-L", "/l:/run/user/1000/docker.sock", "--", "db1"]),
    ],
)
def test_user_port_and_socket_are_taken_from_the_address(host: str, words: list[str]) -> None:
    made = tunnel._command(urlsplit(host), Path("/l"))
    assert made[-len(words) - 1 : -1] == words
