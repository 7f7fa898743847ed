"""What is known around a queue or a database, and what is found of it: for a proposed profile. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from rollback_gate.instant import Instant
from rollback_gate.platform.replica import Replica


@dataclass(frozen=True)
class Known:
    """What else is known: the workers' variables as NAME=value and those of all containers, the project's own services,
    and of its source:

    `queue_of`: the name of the queue that it reads, by kind; the `group` by which it reads a stream; the `table` and
    the `columns` that it fills, and the `connection` that it opens. `changed_at`: since when the change runs.
    """

    queue_of: Callable[[str], str]
    group: str
    table: str
    columns: Sequence[str]
    connection: Mapping[str, str]
    pops_left: bool
    variables: Sequence[str]
    others: Sequence[str]
    replicas: Sequence[Replica]
    password: SecretStr | None
    changed_at: Instant
    limit_s: float


@dataclass(frozen=True)
class Sample:
    """Documents of a collection or table: the last before a moment and the first since, by the field `at`."""

    collection: str
    before: Sequence[Mapping[str, Any]]
    since: Sequence[Mapping[str, Any]]
    at: str


@dataclass(frozen=True)
class Found:
    """`values`: the keys of its section; None: to be found, as `look_for` says. `why`: where a value is from.

    `readers`: services that the queue lists as its consumers.
    """

    values: Mapping[str, Any]
    why: Mapping[str, str] = field(default_factory=dict)
    look_for: Mapping[str, str] = field(default_factory=dict)
    readers: frozenset[str] = frozenset()
