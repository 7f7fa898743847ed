"""A queue in Redis: a list, as Celery, RQ and most others use it, or a stream with a consumer group.

Redis lists its clients, and never names the key that they wait for. Consumers are those of this database whose last
command takes tasks: a worker that uses the same connection for other commands while it is busy is not listed then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.retry import Retry

from rollback_gate.errors import Unreachable
from rollback_gate.evidence.readings import Consumer, QueueReading
from rollback_gate.model import Unmeasured
from rollback_gate.platform.deadline import within
from rollback_gate.profile.systems import RedisQueue
from rollback_gate.redaction import cut

T = TypeVar("T")
_TAKES = frozenset(
    {"blpop", "brpop", "blmove", "brpoplpush", "blmpop", "lpop", "rpop", "lmove", "rpoplpush", "lmpop", "xreadgroup"}
)


@dataclass(frozen=True)
class RedisAdapter:
    queue: RedisQueue
    limit_s: float
    password: SecretStr | None

    def read(self) -> QueueReading | Unmeasured:
        try:
            return self._asked(self._stream if self.queue.group else self._list)
        except Unreachable as error:
            return Unmeasured(f"the queue {self.queue.key}", error.message)

    def send(self, tasks: Iterable[Mapping[str, Any]]) -> None:
        texts = [json.dumps(task) for task in tasks]
        self._asked(lambda client: self._push(client, texts))

    def _list(self, client: redis.Redis) -> QueueReading:
        queue = self.queue
        depth = sum(_length(client, key) for key in (queue.key, *queue.more))
        nowhere = Unmeasured("tasks in work", "no list of Redis has them (queue.in_work names one)")
        in_work = _in_work(_length(client, queue.in_work)) if queue.in_work else nowhere
        uncounted = Unmeasured("finished tasks", "lists count none")
        unproven = "" if self._is_known(client) else f"Redis has no key {queue.key}: empty, or of another name"
        return QueueReading(depth, in_work, self._consumers(client), uncounted, unproven=unproven)

    def _is_known(self, client: redis.Redis) -> bool:
        """An empty list does not exist; Celery and RQ register the names of their queues elsewhere."""
        queue = self.queue
        celery = client.exists(queue.key, *queue.more, f"_kombu.binding.{queue.key}")
        return bool(celery) or bool(client.sismember("rq:queues", queue.key))

    def _stream(self, client: redis.Redis) -> QueueReading:
        """By the group's own numbers: the stream's length is its history, not its depth."""
        groups = client.xinfo_groups(self.queue.key)
        group = next((one for one in groups if one["name"] == self.queue.group), None)
        if group is None:
            raise _Odd(f"stream {self.queue.key} has no group {self.queue.group}: correct queue.group")
        lag, read, pending = group.get("lag"), group.get("entries-read"), int(group["pending"])
        if lag is None:
            raise _Odd(f"Redis cannot tell how many entries of {self.queue.key} wait (lag is null)")
        uncounted = Unmeasured("finished tasks", "Redis does not know how many entries were read")
        finished = uncounted if read is None else max(0, int(read) - pending)
        return QueueReading(int(lag), _in_work(pending), self._consumers(client), finished)

    def _consumers(self, client: redis.Redis) -> tuple[Consumer, ...] | Unmeasured:
        if self.queue.consumers_unlisted:
            return Unmeasured("the queue's consumers", self.queue.consumers_unlisted)
        rows = [row for row in client.client_list() if row["cmd"] in _TAKES and int(row["db"]) == self.queue.database]
        return tuple(Consumer(row.get("name", ""), row["addr"]) for row in rows)

    def _push(self, client: redis.Redis, texts: list[str]) -> None:
        queue = self.queue
        if queue.group:
            with client.pipeline() as all_at_once:
                for text in texts:
                    all_at_once.xadd(queue.key, {queue.field: text}, nomkstream=True)
                if None in all_at_once.execute():
                    raise _Odd(f"there is no stream {queue.key}: correct queue.key")
        elif queue.push == "left":
            client.lpush(queue.key, *texts)
        else:
            client.rpush(queue.key, *texts)

    def _asked(self, what: Callable[[redis.Redis], T]) -> T:
        """Raises Unreachable. One connection, no second try: both would multiply the time that it may take."""
        address = self.queue.address
        try:
            return within(self.limit_s, lambda: self._connected(what))
        except AuthenticationError as error:
            remedy = f"check queue.user and the password ({self.queue.password_env} or queue.password_file)"
            raise Unreachable(f"Redis at {address} refuses the login: {_first(error)}", remedy) from error
        except NoPermissionError as error:
            remedy = f"grant {self.queue.user or 'this user'} what it says"
            raise Unreachable(f"Redis at {address} refuses: {_first(error)}", remedy) from error
        except _Odd as error:
            raise Unreachable(str(error), "check [queue] in the profile") from error
        except (RedisError, OSError) as error:
            remedy = "check queue.address and that Redis runs"
            raise Unreachable(f"Redis at {address} does not answer as needed: {_first(error)}", remedy) from error
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
            remedy = "is it Redis that runs at queue.address?"
            raise Unreachable(f"{address} answers something else than Redis would ({error!r})", remedy) from error

    def _connected(self, what: Callable[[redis.Redis], T]) -> T:
        host, _, port = self.queue.address.rpartition(":")
        with redis.Redis(
            host.strip("[]"),
            int(port),
            self.queue.database,
            username=self.queue.user or None,
            password=self.password.get_secret_value() if self.password else None,
            socket_connect_timeout=self.limit_s,
            socket_timeout=self.limit_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,
            decode_responses=True,
        ) as client:
            return what(client)


def _in_work(count: int) -> int | Unmeasured:
    """None are none; others may have been left by a worker that died: Redis keeps them for ever."""
    return Unmeasured("tasks in work", f"{count} are in work, or left by workers that died") if count else 0


class _Odd(Exception):
    """An answer of Redis that does not fit the profile."""


def _length(client: redis.Redis, key: str) -> int:
    return int(client.llen(key))


def _first(error: BaseException) -> str:
    return cut(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)
