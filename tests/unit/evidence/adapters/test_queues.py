"""One table for all kinds of queue: what is right is read, and nothing else passes for an empty queue."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr, TypeAdapter

from rollback_gate.errors import Unreachable, WrongSetting
from rollback_gate.evidence.adapters import upstream_http
from rollback_gate.evidence.adapters.extras import needing
from rollback_gate.evidence.adapters.queue_command import CommandAdapter
from rollback_gate.evidence.adapters.queue_nsq import NsqAdapter
from rollback_gate.evidence.adapters.queue_redis import RedisAdapter
from rollback_gate.evidence.queue import Queue, of
from rollback_gate.evidence.readings import QueueReading, UpstreamState
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import SubprocessRunner, allowed
from rollback_gate.profile import systems
from tests.unit.builders import phase1
from tests.unit.evidence.adapters import servers

LIMIT_S = 0.7
Made = AbstractContextManager[Queue]
Maker = Callable[[Path], Made]
SECTION: TypeAdapter[Any] = TypeAdapter(systems.Queue)


def nsq(server: Callable[[], AbstractContextManager[str]]) -> Maker:
    @contextmanager
    def made(_: Path) -> Iterator[Queue]:
        with server() as address:
            yield NsqAdapter(systems.NsqQueue(kind="nsq", address=address, topic="t", channel="c"), LIMIT_S)

    return made


def by_command(script: str) -> Maker:
    @contextmanager
    def made(_: Path) -> Iterator[Queue]:
        queue = systems.CommandQueue(kind="command", read=(sys.executable, "-c", script))
        yield CommandAdapter(queue, LIMIT_S, SubprocessRunner(allowed({})))

    return made


def in_redis(
    fill: Callable[[redis.Redis], object] | None,
    server: Callable[[Path], AbstractContextManager[str]] = servers.a_redis,
    password: str = "",
    **keys: Any,
) -> Maker:
    @contextmanager
    def made(folder: Path) -> Iterator[Queue]:
        with server(folder) as address:
            host, _, port = address.rpartition(":")
            if fill is not None:
                with redis.Redis(host, int(port)) as client:
                    fill(client)
            queue = SECTION.validate_python({"kind": "redis", "address": address, "key": "q", **keys})
            yield RedisAdapter(queue, LIMIT_S, SecretStr(password) if password else None)

    return made


def stream(client: redis.Redis) -> None:
    client.xgroup_create("q", "g", mkstream=True)
    for number in range(3):
        client.xadd("q", {"task": str(number)})
    client.xreadgroup("g", "c1", {"q": ">"}, count=1)


def trimmed(client: redis.Redis) -> None:
    """An entry that waits is deleted: Redis does not know how many are left."""
    stream(client)
    client.xdel("q", client.execute_command("XRANGE", "q", "-", "+")[2][0])  # type: ignore[no-untyped-call]


def topic(depth: int, in_flight: int) -> dict[str, Any]:
    client = {"hostname": "h", "remote_address": "10.0.0.2:1", "finish_count": 4}
    channel = {"channel_name": "c", "depth": depth, "in_flight_count": in_flight, "clients": [client]}
    return {"topics": [{"topic_name": "t", "depth": 0, "channels": [channel]}]}


def locked(folder: Path) -> AbstractContextManager[str]:
    return servers.a_redis(folder, "secret")


def printing(**state: Any) -> str:
    return f"print({json.dumps(json.dumps(state))})"


RIGHT = {
    "nsq": (nsq(lambda: servers.http(200, topic(2, 1))), (2, 1, 1, 4)),
    "redis, a list": (in_redis(lambda client: client.lpush("q", "a", "b")), (2, None, 0, None)),
    "redis, priorities and what is in work": (
        in_redis(
            lambda client: [client.lpush(key, "a") for key in ("q", "q-high", "q-busy")],
            more=("q-high",),
            in_work="q-busy",
        ),
        (2, None, 0, None),
    ),
    "redis, a stream": (in_redis(stream, group="g"), (2, None, 0, 0)),
    "redis, with a password": (in_redis(None, locked, "secret"), (0, None, 0, None)),
    "command": (
        by_command(printing(depth=2, in_flight=1, finished=4, consumers=[{"hostname": "h", "address": "10.0.0.2:1"}])),
        (2, 1, 1, 4),
    ),
    "command that knows the depth only": (by_command(printing(depth=2)), (2, None, None, None)),
}
EMPTY = {
    "nsq, never used": nsq(lambda: servers.http(200, {"topics": []})),
    "redis, no such key": in_redis(None),
    "command": by_command(printing(depth=0, in_flight=0, finished=0, consumers=[])),
}
WRONG = {
    "nsq unauthorised": (nsq(lambda: servers.http(401, "who are you?")), "401"),
    "nsq unreachable": (nsq(servers.closed), "does not answer"),
    "nsq slow": (nsq(servers.silent), "no whole answer within 0.7 s"),
    "nsq malformed": (nsq(lambda: servers.http(200, "<html>")), "something else"),
    "nsq of another shape": (nsq(lambda: servers.http(200, ["a", "list"])), "something else"),
    "redis unauthorised": (in_redis(None, locked), "refuses the login"),
    "redis, wrong password": (in_redis(None, locked, "wrong"), "refuses the login"),
    "redis unreachable": (in_redis(None, lambda _: servers.closed()), "Connection refused"),
    "redis slow": (in_redis(None, lambda _: servers.silent()), "does not answer as needed"),
    "redis malformed": (
        in_redis(None, lambda _: servers.saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        "does not answer",
    ),
    "redis, another type": (in_redis(lambda client: client.set("q", "text")), "WRONGTYPE"),
    "redis, no such stream": (in_redis(None, group="g"), "no such key"),
    "redis, no such group": (in_redis(stream, group="other"), "has no group other"),
    "redis, a stream that was cut": (in_redis(trimmed, group="g"), "cannot tell how many"),
    "command unauthorised": (by_command("raise SystemExit('403 forbidden')"), "403 forbidden"),
    "command slow": (by_command("import time; time.sleep(60)"), "did not end within"),
    "command that prints nothing": (by_command("pass"), "no JSON"),
    "command malformed": (by_command(printing(depth="many")), "depth"),
    "command with a count below 0": (by_command(printing(depth=-1)), "depth"),
    "command with another word": (by_command(printing(depth=1, deepth=1)), "deepth"),
}


def known(value: object) -> object:
    """None for what this kind cannot tell; the number of consumers."""
    if isinstance(value, Unmeasured):
        return None
    return len(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(("made", "expected"), RIGHT.values(), ids=RIGHT)
def test_what_is_there_is_read(made: Maker, expected: tuple[object, ...], tmp_path: Path) -> None:
    """Depth, in work, consumers, finished; what a kind cannot tell is Unmeasured, not zero."""
    with made(tmp_path) as queue:
        found = queue.read()
    assert isinstance(found, QueueReading), found
    assert (found.depth, *map(known, (found.in_flight, found.consumers, found.finished))) == expected


@pytest.mark.parametrize("made", EMPTY.values(), ids=EMPTY)
def test_an_empty_queue_is_empty(made: Maker, tmp_path: Path) -> None:
    with made(tmp_path) as queue:
        found = queue.read()
    assert isinstance(found, QueueReading)
    assert (found.depth, found.listed) == (0, ())


@pytest.mark.parametrize(("made", "words"), WRONG.values(), ids=WRONG)
def test_anything_else_is_unmeasured_and_says_why(made: Maker, words: str, tmp_path: Path) -> None:
    with made(tmp_path) as queue:
        found = queue.read()
    assert isinstance(found, Unmeasured), found
    assert words in found.reason


@pytest.mark.parametrize("name", [name for name in WRONG if "unreachable" in name or "unauthorised" in name])
def test_what_cannot_be_sent_is_said(name: str, tmp_path: Path) -> None:
    made, _ = WRONG[name]
    with made(tmp_path) as queue, pytest.raises(Unreachable) as caught:
        queue.send([{"task": 1}])
    assert caught.value.remedy


# --- sending, and who reads


@pytest.mark.parametrize(
    ("keys", "taken"),
    [
        ({}, lambda client: client.rpop("q")),
        ({"push": "right"}, lambda client: client.lpop("q")),
        ({"group": "g"}, lambda client: client.execute_command("XRANGE", "q", "-", "+")[3][1][b"task"]),
    ],
    ids=["left", "right", "stream"],
)
def test_redis_gets_tasks_in_their_order(
    keys: dict[str, Any], taken: Callable[[redis.Redis], bytes], tmp_path: Path
) -> None:
    """At the end at which the worker's own producers add."""
    fill = stream if "group" in keys else None
    with servers.a_redis(tmp_path) as address, in_redis(fill, lambda _: served(address), **keys)(tmp_path) as queue:
        queue.send([{"n": 1}, {"n": 2}])
        with redis.Redis(port=int(address.rpartition(":")[2])) as client:
            assert json.loads(taken(client)) == {"n": 1}


@contextmanager
def served(address: str) -> Iterator[str]:
    yield address


def test_redis_lists_who_takes_from_this_database(tmp_path: Path) -> None:
    """Whoever waits, by address; nobody else, and none of another database."""
    with servers.a_redis(tmp_path) as address, ExitStack() as stack:
        port = int(address.rpartition(":")[2])
        for database, command in ((0, b"BRPOP q 0"), (1, b"BRPOP q 0"), (0, b"PING")):
            worker = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            name = f"CLIENT SETNAME worker-{database}\r\nSELECT {database}\r\n"
            worker.sendall(name.encode() + command + b"\r\n")
        queue = stack.enter_context(in_redis(None, lambda _: served(address))(tmp_path))
        servers.until(lambda: len(listed(queue)) == 1, "the worker")
        (consumer,) = listed(queue)
    assert (consumer.hostname, consumer.address.rpartition(":")[0]) == ("worker-0", "127.0.0.1")


def listed(queue: Queue) -> tuple[Any, ...]:
    found = queue.read()
    assert isinstance(found, QueueReading)
    return found.listed


def test_a_profile_that_says_why_lists_no_consumers(tmp_path: Path) -> None:
    with in_redis(None, consumers_unlisted="other teams share it")(tmp_path) as queue:
        found = queue.read()
    assert isinstance(found, QueueReading)
    assert isinstance(found.consumers, Unmeasured)


def test_a_command_gets_one_task_per_line(tmp_path: Path) -> None:
    keep = f"import sys; open({str(tmp_path / 'sent')!r}, 'w').write(sys.stdin.read())"
    queue = systems.CommandQueue(kind="command", read=("true",), send=(sys.executable, "-c", keep))
    CommandAdapter(queue, 5, SubprocessRunner(allowed({}))).send([{"n": 1}, {"n": 2}])
    assert [json.loads(line)["n"] for line in (tmp_path / "sent").read_text().splitlines()] == [1, 2]


def test_the_password_comes_from_where_the_profile_says(tmp_path: Path) -> None:
    """From its variable, or its file; one that cannot be read is named before anything is asked."""
    (tmp_path / "password").write_text("secret\n")
    with servers.a_redis(tmp_path, "secret") as address:
        keys = {"kind": "redis", "address": address, "key": "q"}
        for more, environ in (
            ({"password_env": "OWN"}, {"OWN": "secret"}),
            ({"password_file": tmp_path / "password"}, {}),
        ):
            profile = phase1().model_copy(update={"queue": SECTION.validate_python({**keys, **more})})
            assert isinstance(of(profile, environ).read(), QueueReading)
        gone = SECTION.validate_python({**keys, "password_file": tmp_path / "gone"})
        broken = of(phase1().model_copy(update={"queue": gone}), {})
        unread = broken.read()
        assert isinstance(unread, Unmeasured)
        assert "gone cannot be read" in unread.reason
        with pytest.raises(Unreachable):
            broken.send([{}])


def test_a_missing_client_library_is_named() -> None:
    with pytest.raises(WrongSetting, match=r"rollback-gate\[redis\]"), needing("redis", "queue.kind"):
        raise ImportError("No module named 'redis'")


@pytest.mark.parametrize(
    ("fill", "is_proven"),
    [
        (None, False),
        (lambda client: client.lpush("q", "a"), True),
        (lambda client: client.sadd("_kombu.binding.q", "a"), True),
        (lambda client: client.sadd("rq:queues", "q"), True),
        (lambda client: client.lpush("queue-of-another-name", "a"), False),
    ],
)
def test_an_empty_list_is_not_there_and_neither_is_one_of_another_name(
    fill: Callable[[redis.Redis], object] | None, is_proven: bool, tmp_path: Path
) -> None:
    """A key that is mistyped reads as an empty queue: nothing shows then that it is the right one."""
    with in_redis(fill)(tmp_path) as queue:
        found = queue.read()
    assert isinstance(found, QueueReading)
    assert bool(found.unproven) is not is_proven


def test_nothing_is_sent_into_a_stream_that_is_not_there(tmp_path: Path) -> None:
    """A mistyped one would be created, and nobody would read it."""
    with servers.a_redis(tmp_path) as address, in_redis(None, lambda _: served(address), group="g")(tmp_path) as queue:
        with pytest.raises(Unreachable, match="there is no stream q"):
            queue.send([{"n": 1}])
        with redis.Redis(port=int(address.rpartition(":")[2])) as client:
            assert not client.exists("q")


def test_none_in_work_is_told_and_some_may_be_of_the_dead(tmp_path: Path) -> None:
    with in_redis(lambda client: client.xgroup_create("q", "g", mkstream=True), group="g")(tmp_path) as queue:
        found = queue.read()
    assert isinstance(found, QueueReading)
    assert found.in_flight == 0


@pytest.mark.parametrize("kind", ["nsq", "http"])
def test_an_address_that_redirects_is_not_the_one_that_was_meant(kind: str) -> None:
    """A login page before a server that is down answers 200."""
    with servers.http(200, "log in") as login, servers.redirecting(f"http://{login}/") as address:
        if kind == "nsq":
            queue = NsqAdapter(systems.NsqQueue(kind="nsq", address=address, topic="t", channel="c"), LIMIT_S)
            with pytest.raises(Unreachable, match="302"):
                queue.send([{}])
            assert isinstance(queue.read(), Unmeasured)
        else:
            section = systems.HttpUpstream(kind="http", name="x", url=f"http://{address}/health")
            assert upstream_http.read(section).state is UpstreamState.IN_TROUBLE
