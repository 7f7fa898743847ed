"""A queue in RabbitMQ, by its management API.

Two calls, as neither tells everything: the totals of the list are live (of a quorum queue up to 5 s old), and know no
consumers; a queue's own page knows them, and its numbers are up to 10 s old. Just after a start that page lacks keys:
what is absent is unknown, not 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests
from pydantic import SecretStr

from rollback_gate.errors import Unreachable
from rollback_gate.evidence.readings import Consumer, QueueReading
from rollback_gate.model import Unmeasured
from rollback_gate.platform import web
from rollback_gate.profile.systems import RabbitmqQueue
from rollback_gate.redaction import cut

_MOST_BYTES = 16 << 20
_NOT_FINE, _LOGIN = 300, 401
_NO_STATISTICS_YET = -1
_KEPT = 2  # delivery mode: survives a restart of the broker


@dataclass(frozen=True)
class RabbitmqAdapter:
    queue: RabbitmqQueue
    limit_s: float
    password: SecretStr | None

    def read(self) -> QueueReading | Unmeasured:
        what = f"the queue {self.queue.queue}"
        try:
            totals, page = self._totals(), self._get(f"queues/{self._vhost}/{quote(self.queue.queue, safe='')}")
            return QueueReading(
                depth=_count(totals["messages_ready"]),
                in_flight=_count(totals["messages_unacknowledged"]),
                consumers=self._consumers(page),
                finished=_finished(page),
            )
        except Unreachable as error:
            return Unmeasured(what, error.message)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            return Unmeasured(what, f"{self.queue.address} answers something else than RabbitMQ would ({error!r})")

    def send(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        for task in tasks:
            message = {
                "properties": {"delivery_mode": _KEPT, "content_type": "application/json", **self.queue.properties},
                "routing_key": self.queue.queue,
                "payload": json.dumps(task),
                "payload_encoding": "string",
            }
            answer = self._ask(f"exchanges/{self._vhost}/amq.default/publish", "POST", json.dumps(message).encode())
            if not (isinstance(answer, dict) and answer.get("routed") is True):
                remedy = "check queue.queue and queue.vhost"
                raise Unreachable(f"RabbitMQ has no queue {self.queue.queue} to put the task into", remedy)

    @property
    def _vhost(self) -> str:
        return quote(self.queue.vhost, safe="")

    def _totals(self) -> Mapping[str, Any]:
        name = quote(f"^{re.escape(self.queue.queue)}$", safe="")
        asks = "disable_stats=true&enable_queue_totals=true&use_regex=true&page=1&page_size=100"
        rows: list[Mapping[str, Any]] = self._get(f"queues/{self._vhost}?{asks}&name={name}")["items"]
        own = next(
            (row for row in rows if row["name"] == self.queue.queue), None
        )  # the filter ignores upper and lower case
        if own is None:
            remedy = "check queue.queue and queue.vhost"
            raise Unreachable(
                f"RabbitMQ has no queue {self.queue.queue} in the virtual host {self.queue.vhost}", remedy
            )
        return own

    def _consumers(self, page: Mapping[str, Any]) -> tuple[Consumer, ...] | Unmeasured:
        what = "the queue's consumers"
        if self.queue.consumers_unlisted:
            return Unmeasured(what, self.queue.consumers_unlisted)
        if not _has_statistics(page):
            return Unmeasured(what, "RabbitMQ has no statistics of it, or none yet after a start: verify again")
        return tuple(_consumer(row) for row in page["consumer_details"])

    def _get(self, path: str) -> Any:
        return self._ask(path, "GET", None)

    def _ask(self, path: str, method: str, body: bytes | None) -> Any:
        """Sends a request, never through a proxy: the address is internal, and a task contains a document."""
        address, secret = self.queue.address, self.password.get_secret_value() if self.password else ""
        login = (self.queue.user, secret)
        question = web.Question(
            f"http://{address}/api/{path}", self.limit_s, _MOST_BYTES, False, method, body=body, login=login
        )
        remedy = "check queue.address, that RabbitMQ runs, and its management plugin"
        try:
            answer = web.ask(question)
        except (requests.RequestException, OSError) as error:
            why = str(error) if isinstance(error, web.NotWhole) else type(error).__name__
            raise Unreachable(f"RabbitMQ at {address} does not answer: {why}", remedy) from error
        if answer.status == _LOGIN:
            remedy = f"check queue.user, its tag `management`, and {self.queue.password_env} or queue.password_file"
            raise Unreachable(f"RabbitMQ at {address} refuses {self.queue.user}: {_reason(answer)}", remedy)
        if answer.status >= _NOT_FINE:
            raise Unreachable(f"RabbitMQ at {address} answers {answer.status}: {_reason(answer)}", remedy)
        try:
            return json.loads(answer.content)
        except ValueError as error:
            raise Unreachable(f"{address} answers something else than RabbitMQ would ({error})", remedy) from error


def _has_statistics(page: Mapping[str, Any]) -> bool:
    collected = page.get("garbage_collection", {}).get("max_heap_size", _NO_STATISTICS_YET)
    return "consumer_details" in page and collected != _NO_STATISTICS_YET


def _consumer(row: Mapping[str, Any]) -> Consumer:
    """Its connection may have ended just now: then it has no address, and is nobody's."""
    channel = row["channel_details"]
    address = f"{channel['peer_host']}:{channel['peer_port']}" if isinstance(channel, Mapping) else "a lost connection"
    return Consumer(str(row.get("consumer_tag", "")), address)


def _finished(page: Mapping[str, Any]) -> int | Unmeasured:
    if not _has_statistics(page):
        return Unmeasured("finished tasks", "RabbitMQ has no statistics of the queue, or none yet after a start")
    counts = page.get("message_stats", {})
    return _count(counts.get("ack", 0)) + _count(counts.get("deliver_no_ack", 0))


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _reason(answer: web.Answer) -> str:
    try:
        return cut(str(json.loads(answer.content)["reason"]), 200)
    except (ValueError, KeyError, TypeError):
        return cut(answer.reason or "nothing", 200)
