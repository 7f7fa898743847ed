"""Sections on the systems around the workers: queue, database, upstream. `kind` chooses the adapter of each."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from rollback_gate.profile.base import Address, Name, Section, Url

Argv = Annotated[tuple[str, ...], Field(min_length=1)]


class _Queue(Section):
    """What all queues have. `message_timeout_s`: when the queue redelivers an unfinished message.

    `consumers_unlisted`: why it cannot be listed who reads the queue; the record shows it beside a GO. `connections`:
    those with which each replica consumes.
    """

    message_timeout_s: float = Field(default=60, gt=0, le=86_400)
    consumers_unlisted: str = ""
    connections: int = Field(default=1, ge=1, le=1000)

    @property
    def known_channels(self) -> tuple[str, ...]:
        """Channels of the same topic whose consumers are unrelated to the change."""
        return ()

    @property
    def lists_within_s(self) -> float:
        """How long after it has connected a consumer may not be listed yet, in seconds."""
        return 0


class NsqQueue(_Queue):
    """nsqd's HTTP interface. `other_channels`: of the same topic, whose consumers are unrelated to the change."""

    kind: Literal["nsq"]
    address: Address
    topic: Name
    channel: Name
    other_channels: tuple[str, ...] = ()

    @property
    def known_channels(self) -> tuple[str, ...]:
        """Channels of the same topic whose consumers are unrelated to the change."""
        return self.other_channels

    @property
    def by_hand(self) -> tuple[str, str]:
        """The command that reads it by hand, and the healthy result."""
        url = f"http://{self.address}/stats?format=json&topic={self.topic}"
        return f"curl -s {shlex.quote(url)}", f"channel {self.channel}: one client per replica, depth not growing"


class RedisQueue(_Queue):
    """A list, or a stream with its consumer group. `key`: its name; `database`: the number of the Redis database.

    `more`: further lists whose length counts as depth too (Celery's priorities). `in_work`: the list into which
    workers move what they have in hand; "" if there is none. `group`: of a stream; "" for a list. `field`: of a
    stream's entry, holds the task. `push`: the end of a list at which producers add: left is LPUSH, for workers that
    use BRPOP. A password is optional: it is taken from `password_env`, if that is set.
    """

    kind: Literal["redis"]
    address: Address
    key: str = Field(min_length=1)
    database: int = Field(default=0, ge=0)
    user: str = ""
    password_env: Name = "ROLLBACK_GATE_QUEUE_PASSWORD"
    password_file: Path | None = None
    more: tuple[str, ...] = ()
    in_work: str = ""
    group: str = ""
    field: str = "task"
    push: Literal["left", "right"] = "left"

    @model_validator(mode="after")
    def _is_a_list_or_a_stream(self) -> Self:
        if self.group and (self.more or self.in_work):
            raise ValueError("more and in_work are of lists; a queue with a group is a stream")
        return self

    @property
    def by_hand(self) -> tuple[str, str]:
        """The command that reads it by hand, and the healthy result."""
        host, _, port = self.address.rpartition(":")
        ask = f"redis-cli -h {shlex.quote(host.strip('[]'))} -p {port} -n {self.database} --askpass"
        what = f"XINFO GROUPS {shlex.quote(self.key)}" if self.group else f"LLEN {shlex.quote(self.key)}"
        return f"{ask} {what}", "lag not growing" if self.group else "not growing"


class RabbitmqQueue(_Queue):
    """RabbitMQ's management API. `user` needs the tag `management`, and any permission on `vhost`.

    `properties`: of a message, as the worker expects them (Celery's headers, for example).
    """

    kind: Literal["rabbitmq"]
    address: Address
    vhost: str = "/"
    queue: str = Field(min_length=1)
    user: str
    password_env: Name = "ROLLBACK_GATE_QUEUE_PASSWORD"
    password_file: Path | None = None
    properties: dict[str, Any] = Field(default_factory=dict)

    @property
    def lists_within_s(self) -> float:
        """Two of RabbitMQ's intervals (`collect_statistics_interval`, 5 s)."""
        return 10

    @property
    def by_hand(self) -> tuple[str, str]:
        """The command that reads it by hand, and the healthy result."""
        url = f"http://{self.address}/api/queues/{quote(self.vhost, safe='')}/{quote(self.queue, safe='')}"
        return f"curl -s -u {shlex.quote(self.user)} {shlex.quote(url)}", "one consumer per replica, ready not growing"


class CommandQueue(_Queue):
    """Commands of one's own. `read` prints the queue's state as JSON; `send` gets one task per line on its input.

    The state is `{"depth": 2, "in_flight": 1, "deferred": 0, "finished": 4, "paused": false, "consumers":
    [{"hostname": "4a5b6c7d8e9f", "address": "172.18.0.5:4711", "finished": 4}]}`. Only `depth` is required: what is
    left out, it cannot tell.

    `variables`: names of environment variables that they need in addition to the standard ones.
    """

    kind: Literal["command"]
    read: Argv
    send: tuple[str, ...] = ()
    variables: tuple[Name, ...] = ()

    @property
    def by_hand(self) -> tuple[str, str]:
        """The command that reads it by hand, and the healthy result."""
        return shlex.join(self.read), "one consumer per replica, depth not growing"


Queue = Annotated[NsqQueue | RedisQueue | RabbitmqQueue | CommandQueue, Field(discriminator="kind")]


class _Database(Section):
    """What all databases have. `has_other_writers`: other programs write documents too, so that one which no replica's
    log shows is not held against the rollback.
    """

    has_other_writers: bool = False


class _Server(_Database):
    """Keys are dotted paths within a document.

    `address`: as it is reached from where this tool runs. `created_at`: when it was saved; `score`: a share between 0
    and 1; `new_mark`: what only the new code writes: a document that has it is marked, whatever its value.
    """

    address: Address
    name: Name
    user: str
    password_env: Name = "ROLLBACK_GATE_DATABASE_PASSWORD"
    password_file: Path | None = None
    created_at: str = "created_at"
    score: str
    new_mark: str

    @property
    def says(self) -> str:
        """Where it is, in words."""
        return self.address


class MongodbDatabase(_Server):
    """A collection. `auth_source`: the database that knows the user."""

    kind: Literal["mongodb"]
    auth_source: Name = "admin"
    collection: Name

    def by_hand(self, since: str) -> str:
        """The command that counts the documents since then, with their mean score; it asks for the password."""
        later = f"{{{json.dumps(self.created_at)}: {{$gte: ISODate({json.dumps(since)})}}}}"
        mean = f"{{_id: null, n: {{$sum: 1}}, mean: {{$avg: {json.dumps('$' + self.score)}}}}}"
        query = f"db.getCollection({json.dumps(self.collection)}).aggregate([{{$match: {later}}}, {{$group: {mean}}}])"
        address = f"mongodb://{self.user}@{self.address}/{self.name}?authSource={self.auth_source}"
        return f"mongosh {shlex.quote(address)} --eval {shlex.quote(query)}"


def quoted(name: str) -> str:
    """A name of SQL as it must be written to be taken as it is."""
    return ".".join(f'"{part}"' if not re.fullmatch("[a-z_][a-z0-9_]*", part) else part for part in name.split("."))


Column = Annotated[str, Field(min_length=1, pattern=r"^[^\x00%\"]+$")]


class PostgresqlDatabase(_Server):
    """A table. A dotted key leads into a column of JSON: `data.quality.score`. `table` may have its schema before it.

    Times without a zone are UTC.
    """

    kind: Literal["postgresql"]
    table: Column
    id: Column = "id"
    created_at: Column = "created_at"
    score: Column
    new_mark: Column

    def by_hand(self, since: str) -> str:
        """The command that counts the documents since then, with their mean score; it asks for the password."""
        host, _, port = self.address.rpartition(":")
        column, _, inside = self.score.partition(".")
        score = f"({quoted(column)} #>> '{{{inside.replace('.', ',')}}}')::numeric" if inside else quoted(column)
        which = f"from {quoted(self.table)} where {quoted(self.created_at)} >= '{since}'"
        query = f"set timezone = 'UTC'; select count(*), avg({score}) {which}"
        login = f"psql -h {shlex.quote(host.strip('[]'))} -p {port} -U {shlex.quote(self.user)} -W"
        return f"{login} {shlex.quote(self.name)} -c {shlex.quote(query)}"


class CommandDatabase(_Database):
    """A command of one's own. It gets one question as JSON on its standard input, and prints one answer as JSON.

    - `{"ask": "since", "since": "2026-11-26T12:00:00Z", "limit": 5001}`: documents created since then, and
      those without a time, newest first: `{"documents": [{"id": "a", "created_at": "2026-11-26T12:00:01Z",
      "score": 0.3, "marked": false}]}`. `created_at` and `score` may be null; `marked`: it carries what only
      the new code writes.
    - `{"ask": "by_id", "ids": ["a"]}`: the stored ones of these, in the same form.
    - `{"ask": "remove", "ids": ["rollback-probe-..."]}`: removes every trace of these, and of nothing else:
      `{"removed": 1}`.

    `variables`: names of environment variables that it needs in addition to the standard ones.
    """

    kind: Literal["command"]
    command: Argv
    variables: tuple[Name, ...] = ()

    @property
    def says(self) -> str:
        """Where it is, in words."""
        return f"`{shlex.join(self.command)}`"

    def by_hand(self, since: str) -> str:
        """The command that lists the documents since then."""
        question = json.dumps({"ask": "since", "since": since, "limit": 100})
        return f"echo {shlex.quote(question)} | {shlex.join(self.command)}"


Database = Annotated[MongodbDatabase | PostgresqlDatabase | CommandDatabase, Field(discriminator="kind")]


class _Upstream(Section):
    """A system that the workers need and the change does not contain: while it is in trouble, nothing is judged.

    `name`: as messages call it, with its article ("fix the mail server first"). `answer_s`: limit for its answer.
    """

    name: str = Field(min_length=1)
    answer_s: float = Field(default=8, gt=0, le=600)


class Ask(Section):
    """One call that the worker makes too (JSON-RPC 2.0). Any answer passes but an error like `trouble`."""

    method: str = Field(min_length=1)
    params: dict[str, Any] = Field(default_factory=dict)
    trouble: re.Pattern[str] | None = None


class WebsocketUpstream(_Upstream):
    """`ask` None: only a WebSocket handshake is tried, which proves little."""

    kind: Literal["websocket"]
    address: Address
    ask: Ask | None = None


class HttpUpstream(_Upstream):
    """One GET. It answers with a status below 300, or with one of `accepts`, and without `trouble` in its text."""

    kind: Literal["http"]
    url: Url
    accepts: tuple[Annotated[int, Field(ge=300, le=599)], ...] = ()
    trouble: re.Pattern[str] | None = None


class TcpUpstream(_Upstream):
    """Only a connection is tried, which proves little."""

    kind: Literal["tcp"]
    address: Address


class CommandUpstream(_Upstream):
    """A command of one's own: exit status 0 if the upstream can serve the workers. `variables`: as for a queue."""

    kind: Literal["command"]
    command: Argv
    variables: tuple[Name, ...] = ()


Upstream = Annotated[
    WebsocketUpstream | HttpUpstream | TcpUpstream | CommandUpstream,
    Field(discriminator="kind"),
]
