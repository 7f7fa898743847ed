"""By what a queue or a database is recognised among a project's containers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

KINDS = {  # by a word of the image or the command, or a program's name: section, kind and port
    "redis": ("queue", "redis", 6379),
    "rabbitmq": ("queue", "rabbitmq", 15672),
    "beam.smp": ("queue", "rabbitmq", 15672),
    "nsqd": ("queue", "nsq", 4151),
    "postgres": ("database", "postgresql", 5432),
    "mongo": ("database", "mongodb", 27017),
}
_NO_SCORES = ("id", "_id", "uuid", "created_at", "created", "inserted_at")


def queue_values(kind: str, address: str, name: str) -> dict[str, Any]:
    """The keys of [queue]. `name`: of the queue, "" if it is not known. None: to be found."""
    known = {"address": address}
    if kind == "redis":
        return {**known, "key": name or None}
    if kind == "rabbitmq":
        return {**known, "queue": name or None, "user": "guest"}
    return {**known, "topic": None, "channel": None}


def database_values(
    kind: str, address: str, connection: Mapping[str, str], table: str, columns: Sequence[str]
) -> dict[str, Any]:
    """The keys of [database]. `columns`: that the worker fills. None: to be found.

    The first is what every version fills, the last what the change has added.
    """
    own = [column for column in columns if column not in _NO_SCORES]
    return {
        "address": address,
        "name": connection.get("name"),
        "user": connection.get("user"),
        "table" if kind == "postgresql" else "collection": table or None,
        "score": own[0] if own else None,
        "new_mark": own[-1] if len(own) > 1 else None,
    }
