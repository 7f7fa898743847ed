"""A real RabbitMQ: what its management API tells, what it tells late, and what it does not tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pika
import pytest
from pydantic import SecretStr

from rollback_gate.errors import Unreachable
from rollback_gate.evidence.adapters.queue_rabbitmq import RabbitmqAdapter
from rollback_gate.evidence.readings import QueueReading
from rollback_gate.model import Unmeasured
from rollback_gate.profile.systems import RabbitmqQueue
from tests.unit.evidence.adapters import servers
from tests.unit.evidence.adapters.servers import Rabbit

# What the page of a queue lacks just after a start: captured from RabbitMQ 3.10.8, with 21 messages in it.
TOTALS = {"items": [{"name": "q", "messages_ready": 2, "messages_unacknowledged": 1}]}
JUST_STARTED = {"garbage_collection": {"max_heap_size": -1}, "consumer_details": [], "name": "q"}
COLLECTED = {"garbage_collection": {"max_heap_size": 0}, "consumer_details": [], "name": "q"}


def adapter(address: str, queue: str, password: str = "guest", user: str = "guest", **keys: Any) -> RabbitmqAdapter:
    section = RabbitmqQueue(kind="rabbitmq", address=address, queue=queue, user=user, **keys)
    return RabbitmqAdapter(section, 5, SecretStr(password))


@pytest.fixture
def queue(rabbit: Rabbit, request: pytest.FixtureRequest) -> RabbitmqAdapter:
    """A queue of its own, with a name that has to be escaped."""
    name = f"q.{request.node.name}/+"
    rabbit.ask("PUT", f"queues/%2F/{name.replace('/', '%2F').replace('+', '%2B')}", durable=True)
    return adapter(rabbit.management, name)


@contextmanager
def consuming(rabbit: Rabbit, queue: str) -> Iterator[Any]:
    """Takes one message at a time, and finishes none by itself."""
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", rabbit.amqp_port))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    yield channel.consume(queue, inactivity_timeout=10), channel
    connection.close()


def read(adapter: RabbitmqAdapter) -> QueueReading:
    found = adapter.read()
    assert isinstance(found, QueueReading), found
    return found


def test_what_is_sent_waits_is_in_work_and_is_finished(rabbit: Rabbit, queue: RabbitmqAdapter) -> None:
    assert (read(queue).depth, read(queue).in_flight) == (0, 0)
    queue.send([{"n": 1}, {"n": 2}])
    assert read(queue).depth == 2
    with consuming(rabbit, queue.queue.queue) as (messages, channel):
        method, _, body = next(messages)
        assert json.loads(body) == {"n": 1}
        assert (read(queue).depth, read(queue).in_flight) == (1, 1)
        servers.until(lambda: len(read(queue).listed) == 1, "the consumer")
        assert read(queue).listed[0].address.startswith("127.0.0.1:")
        channel.basic_ack(method.delivery_tag)
        next(messages)
        servers.until(lambda: read(queue).finished == 1, "its end")
    servers.until(lambda: not read(queue).listed, "its going")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "wrong"}, "Login failed"),
        ({"queue": "never declared"}, "has no queue never declared in the virtual host /"),
        ({"vhost": "elsewhere"}, "404"),
    ],
)
def test_what_it_refuses_is_said(rabbit: Rabbit, change: dict[str, str], words: str) -> None:
    one = adapter(**{"address": rabbit.management, "queue": "q", **change})
    found = one.read()
    assert isinstance(found, Unmeasured)
    assert words in found.reason
    with pytest.raises(Unreachable):
        one.send([{"n": 1}])


def test_a_user_who_may_not_ask_is_told_what_is_missing(rabbit: Rabbit) -> None:
    rabbit.ask("PUT", "users/nobody", password="secret", tags="")
    found = adapter(rabbit.management, "q", "secret", "nobody").read()
    assert isinstance(found, Unmeasured)
    assert "Not management user" in found.reason


def test_a_node_that_hangs_is_unmeasured(rabbit: Rabbit, queue: RabbitmqAdapter) -> None:
    """It takes the connection, and never answers."""
    with rabbit.frozen():
        found = RabbitmqAdapter(queue.queue, 0.5, queue.password).read()
    assert isinstance(found, Unmeasured)
    assert "no whole answer within 0.5 s" in found.reason or "ReadTimeout" in found.reason


# --- answers that a test cannot bring about at will


@contextmanager
def answering(totals: Any, page: Any) -> Iterator[RabbitmqAdapter]:
    def of(path: str) -> Any:
        return totals if "enable_queue_totals" in path else page

    with servers.http(200, of) as address:
        yield adapter(address, "q")


def test_just_after_a_start_what_is_absent_is_unknown() -> None:
    """21 messages, and the page of the queue says nothing of them, nor of the workers."""
    with answering(TOTALS, JUST_STARTED) as one:
        found = read(one)
    assert (found.depth, found.in_flight) == (2, 1)
    assert isinstance(found.consumers, Unmeasured) and isinstance(found.finished, Unmeasured)


def test_without_statistics_consumers_are_unknown() -> None:
    with answering(TOTALS, {"name": "q", "state": "live"}) as one:
        assert isinstance(read(one).consumers, Unmeasured)


def test_a_consumer_whose_connection_just_ended_is_nobodys() -> None:
    row = {"channel_details": [], "consumer_tag": "c"}
    with answering(TOTALS, COLLECTED | {"consumer_details": [row]}) as one:
        assert [consumer.address for consumer in read(one).listed] == ["a lost connection"]


@pytest.mark.parametrize(
    "totals",
    [
        {"items": [{"name": "q"}]},
        {"items": [{"name": "q", "messages_ready": None, "messages_unacknowledged": 0}]},
        {"items": [{"name": "q", "messages_ready": -1, "messages_unacknowledged": 0}]},
        {"items": "q"},
        ["q"],
    ],
)
def test_another_shape_is_unmeasured(totals: Any) -> None:
    with answering(totals, COLLECTED) as one:
        assert isinstance(one.read(), Unmeasured)


@pytest.mark.parametrize("server", [servers.closed, servers.silent, lambda: servers.saying(b"+PONG\r\n")])
def test_something_else_is_unmeasured(server: Callable[[], Any]) -> None:
    with server() as address:
        one = RabbitmqAdapter(adapter(address, "q").queue, 0.5, None)
        assert isinstance(one.read(), Unmeasured)
        with pytest.raises(Unreachable):
            one.send([{}])


def test_a_profile_that_says_why_lists_no_consumers() -> None:
    with servers.http(200, lambda path: TOTALS if "totals" in path else COLLECTED) as address:
        found = read(adapter(address, "q", consumers_unlisted="a shared queue"))
    assert isinstance(found.consumers, Unmeasured)


def test_a_queue_whose_name_differs_in_case_is_another_one() -> None:
    """The filter of the management API ignores the case."""
    other = {"name": "Q", "messages_ready": 0, "messages_unacknowledged": 0}
    with answering({"items": [other, *TOTALS["items"]]}, COLLECTED) as one:
        assert read(one).depth == 2
    with answering({"items": [other]}, COLLECTED) as one:
        assert isinstance(one.read(), Unmeasured)


def test_messages_that_need_no_acknowledgement_are_finished_too() -> None:
    with answering(TOTALS, COLLECTED | {"message_stats": {"ack": 2, "deliver_no_ack": 3}}) as one:
        assert read(one).finished == 5
