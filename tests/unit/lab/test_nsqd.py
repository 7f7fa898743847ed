"""What the gate relies on of nsqd, held against the lab's stand-in; and by hand against a real one:

ROLLBACK_GATE_TEST_NSQD=127.0.0.1:4150:4151 pytest tests/unit/lab/test_nsqd.py
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rollback_gate.evidence.adapters.queue_nsq import parse
from tests.unit.builders import CAPTURES, ROOT

CHANNEL = "enrichment_worker"


@dataclass
class Nsqd:
    """Where it is, and a topic that no other test uses."""

    tcp_port: int
    http_port: int
    topic: str = field(default_factory=lambda: f"topic_{secrets.token_hex(4)}")
    connections: list[socket.socket] = field(default_factory=list)

    def get(self, path: str, body: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", data=body, timeout=5) as answer:
            text: bytes = answer.read()
            return text

    def publish(self, *bodies: str) -> None:
        self.get(f"/mpub?topic={self.topic}", "\n".join(bodies).encode())

    def channel(self) -> dict[str, Any]:
        topics = json.loads(self.get("/stats?format=json"))["topics"]
        found = [c for t in topics if t["topic_name"] == self.topic for c in t["channels"]]
        return dict(found[0]) if found else {}

    def until(self, holds: Callable[[dict[str, Any]], bool], limit_s: float = 10) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        while not holds(now := self.channel()):
            assert time.monotonic() < deadline, now
            time.sleep(0.05)
        return now


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, int]]:
    real = os.environ.get("ROLLBACK_GATE_TEST_NSQD")
    if real:
        _, tcp, http = real.split(":")
        yield int(tcp), int(http)
        return
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    tcp_port, http_port = (listener.getsockname()[1] for listener in listeners)
    for listener in listeners:
        listener.close()
    ports = {"NSQD_TCP_PORT": str(tcp_port), "NSQD_HTTP_PORT": str(http_port), "LAB_TIME_SCALE": "1"}
    command = [sys.executable, "-u", str(ROOT / "lab/services/nsqd.py")]
    with subprocess.Popen(command, env={**os.environ, **ports}, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout and "listening" in process.stdout.readline()
            yield tcp_port, http_port
        finally:
            process.kill()


@pytest.fixture
def nsqd(server: tuple[int, int]) -> Iterator[Nsqd]:
    made = Nsqd(*server)
    yield made
    for connection in made.connections:
        connection.close()


@dataclass
class Client:
    """A consumer that asks for the shortest times that nsqd allows, one second, and answers only when it is told to."""

    nsqd: Nsqd
    name: str

    def __post_init__(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.nsqd.tcp_port), timeout=10)
        self.nsqd.connections.append(self.socket)
        times = {"heartbeat_interval": 1000, "msg_timeout": 1000}
        identity = json.dumps({"client_id": self.name, "hostname": self.name, **times}).encode()
        self.send(b"  V2", b"IDENTIFY\n" + struct.pack(">l", len(identity)) + identity)
        self.send(f"SUB {self.nsqd.topic} {CHANNEL}\n".encode())
        assert [self.frame()[1], self.frame()[1]] == [b"OK", b"OK"]

    def send(self, *data: bytes) -> None:
        for part in data:
            self.socket.sendall(part)

    def frame(self) -> tuple[int, bytes]:
        size, kind = struct.unpack(">ll", self._read(8))
        return kind, self._read(size - 4)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise ConnectionError("closed by nsqd")
            data += part
        return data

    def next(self, kind: int) -> bytes:
        """The next frame of this kind; heartbeats on the way are answered."""
        while True:
            found, body = self.frame()
            if found == kind:
                return body
            if body == b"_heartbeat_":
                self.send(b"NOP\n")

    def message(self) -> tuple[int, bytes, bytes]:
        """Attempts, id and body."""
        frame = self.next(2)
        return struct.unpack(">H", frame[8:10])[0], frame[10:26], frame[26:]


def test_each_consumer_that_is_ready_gets_one_of_what_is_published_together(nsqd: Nsqd) -> None:
    """The gate sends as many test documents as replicas lack proof, and none has two in flight."""
    first, second = Client(nsqd, "first"), Client(nsqd, "second")
    for client in (first, second):
        client.send(b"RDY 1\n")
    nsqd.publish("a", "b", "c")
    bodies = {first.message()[2], second.message()[2]}
    assert len(bodies) == 2
    now = nsqd.until(lambda channel: channel["in_flight_count"] == 2)
    assert (now["depth"], now["client_count"]) == (1, 2)


def test_a_client_that_misses_two_heartbeats_is_dropped_and_its_message_comes_back(nsqd: Nsqd) -> None:
    """/stats then shows nobody, while it may still work; and the message goes to who comes next, with one more attempt."""
    busy = Client(nsqd, "busy")
    busy.send(b"RDY 1\n")
    nsqd.publish("a")
    attempts, message_id, _ = busy.message()
    assert attempts == 1
    gone = nsqd.until(lambda channel: channel["client_count"] == 0)
    assert gone["clients"] in ([], None)
    back = nsqd.until(lambda channel: (channel["depth"], channel["in_flight_count"]) == (1, 0))
    assert back["timeout_count"] >= 1
    again = Client(nsqd, "busy")
    again.send(b"RDY 1\n")
    attempts, same_id, body = again.message()
    assert attempts >= 2
    assert (same_id, body) == (message_id, b"a")
    again.send(b"FIN " + same_id + b"\n")
    done = nsqd.until(lambda channel: channel["in_flight_count"] == 0)
    assert (done["depth"], done["clients"][0]["finish_count"]) == (0, 1)


def test_an_answer_after_the_time_out_is_refused(nsqd: Nsqd) -> None:
    """The document is finished and saved, and the queue delivers it again."""
    late = Client(nsqd, "late")
    late.send(b"RDY 1\n")
    nsqd.publish("a")
    _, message_id, _ = late.message()
    attempts, same_id, _ = late.message()  # heartbeats answered meanwhile: it is not dropped
    assert (attempts, same_id) == (2, message_id)
    late.send(b"RDY 0\n")
    nsqd.until(lambda channel: channel["timeout_count"] == 2)
    late.send(b"FIN " + same_id + b"\n")
    assert late.next(1).startswith(b"E_FIN_FAILED")
    assert nsqd.channel()["depth"] == 1


def test_a_requeued_message_is_deferred_for_as_long_as_asked(nsqd: Nsqd) -> None:
    client = Client(nsqd, "client")
    client.send(b"RDY 1\n")
    nsqd.publish("a")
    _, message_id, _ = client.message()
    client.send(b"REQ " + message_id + b" 600\n")
    waiting = nsqd.until(lambda channel: channel["deferred_count"] == 1)
    assert (waiting["depth"], waiting["in_flight_count"], waiting["requeue_count"]) == (0, 0, 1)
    assert client.message()[0] == 2


def test_a_paused_channel_delivers_nothing_until_it_is_not(nsqd: Nsqd) -> None:
    client = Client(nsqd, "client")
    client.send(b"RDY 1\n")
    nsqd.publish("a")
    _, message_id, _ = client.message()
    nsqd.get(f"/channel/pause?topic={nsqd.topic}&channel={CHANNEL}", b"")
    nsqd.publish("b")
    client.send(b"FIN " + message_id + b"\n")
    waiting = nsqd.until(lambda channel: channel["in_flight_count"] == 0)
    assert (waiting["depth"], waiting["paused"]) == (1, True)
    assert parse(json.loads(nsqd.get("/stats?format=json")), nsqd.topic, CHANNEL).paused
    nsqd.get(f"/channel/unpause?topic={nsqd.topic}&channel={CHANNEL}", b"")
    assert client.message()[0] == 1
    assert not nsqd.channel()["paused"]


def test_statistics_have_the_fields_of_a_real_one(nsqd: Nsqd) -> None:
    """What the gate reads is in the captured answer and here, by the same names."""
    client = Client(nsqd, "client")
    client.send(b"RDY 1\n")
    nsqd.publish("a", "b")
    client.message()
    now = nsqd.channel()
    real = json.loads((CAPTURES / "queue/stats-busy-consumers.jsonl").read_text().splitlines()[0])["stats"]
    captured = real["topics"][0]["channels"][0]
    used = {"channel_name", "depth", "in_flight_count", "deferred_count", "client_count", "clients"}
    assert used <= now.keys() and used <= captured.keys()
    used = {"hostname", "remote_address", "finish_count"}
    assert used <= now["clients"][0].keys() and used <= captured["clients"][0].keys()
    reading = parse(json.loads(nsqd.get("/stats?format=json")), nsqd.topic, CHANNEL)
    assert (reading.depth, reading.in_flight, reading.deferred, len(reading.listed)) == (1, 1, 0, 1)


def test_the_captured_sequence_of_busy_consumers_is_read_as_it_was() -> None:
    """Two consumers, then one, then none, while both worked; the messages never left the queue."""
    lines = (CAPTURES / "queue/stats-busy-consumers.jsonl").read_text().splitlines()
    seen = [parse(json.loads(line)["stats"], "enrichment", CHANNEL) for line in lines]
    assert {len(reading.listed) for reading in seen} == {0, 1, 2}
    assert any(not reading.listed and not reading.in_flight and reading.depth for reading in seen)
    assert all(reading.may_deliver for reading in seen)
    held = [reading.depth + reading.deferred + int(str(reading.in_flight)) for reading in seen]
    assert min(held) >= 4
