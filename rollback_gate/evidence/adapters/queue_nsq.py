"""nsqd's HTTP interface: publishing, and depth, messages in flight and consumers of the worker's channel."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from rollback_gate.errors import Unreachable
from rollback_gate.evidence.readings import Consumer, QueueReading
from rollback_gate.model import Unmeasured
from rollback_gate.platform import web
from rollback_gate.profile.systems import NsqQueue

_MOST_BYTES = 16 << 20
_NOT_FINE = 300


@dataclass(frozen=True)
class NsqAdapter:
    queue: NsqQueue
    limit_s: float

    def read(self) -> QueueReading | Unmeasured:
        what = f"the queue's channel {self.queue.channel}"
        try:
            answer = self._ask("/stats", {"format": "json"})
            return parse(json.loads(answer), self.queue.topic, self.queue.channel)
        except Unreachable as error:
            return Unmeasured(what, error.message)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return Unmeasured(what, f"nsqd answered something else than its statistics ({error!r})")

    def send(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        body = "\n".join(json.dumps(task) for task in tasks)  # one message per line: this JSON contains no line ends
        self._ask("/mpub", {"topic": self.queue.topic}, "POST", body.encode())

    def _ask(self, path: str, query: Mapping[str, str], method: str = "GET", body: bytes | None = None) -> bytes:
        """Sends a request, never through a proxy: the address is internal, and a task contains a document."""
        address = self.queue.address
        question = web.Question(f"http://{address}{path}", self.limit_s, _MOST_BYTES, False, method, query, body)
        remedy = "check queue.address and that nsqd runs"
        try:
            answer = web.ask(question)
        except (requests.RequestException, OSError) as error:
            why = str(error) if isinstance(error, web.NotWhole) else type(error).__name__
            raise Unreachable(f"the queue at {address} does not answer: {why}", remedy) from error
        if answer.status >= _NOT_FINE:
            raise Unreachable(f"the queue at {address} answers {answer.status} {answer.reason}", remedy)
        return answer.content


def parse(stats: Mapping[str, Any], topic: str, channel: str) -> QueueReading:
    """Parses nsqd's /stats. A topic or channel that was never used is empty. Raises KeyError, TypeError."""
    tree = stats.get("data") or stats  # nsqd before 1.0 wrapped its answer
    topics = [t for t in tree["topics"] if t["topic_name"] == topic]
    waiting = sum(t["depth"] for t in topics)
    channels = [c for t in topics for c in t["channels"] if c["channel_name"] == channel]
    clients = [client for c in channels for client in c["clients"] or ()]
    return QueueReading(
        depth=waiting + sum(c["depth"] for c in channels),
        in_flight=sum(c["in_flight_count"] for c in channels),
        deferred=sum(int(c.get("deferred_count", 0)) for c in channels),
        consumers=tuple(_consumer(c) for c in clients),
        finished=sum(int(c.get("finish_count", 0)) for c in clients),
        other_channels=tuple(
            c["channel_name"] for t in topics for c in t["channels"] if c["channel_name"] != channel and c["clients"]
        ),
        paused=any(row.get("paused", False) for row in (*topics, *channels)),
    )


def _consumer(client: Mapping[str, Any]) -> Consumer:
    return Consumer(client.get("hostname", ""), client.get("remote_address", ""), int(client.get("finish_count", 0)))
