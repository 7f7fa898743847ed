"""What a queue or a database tells to who does not know the names in it yet: for a proposed profile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple

import bson.errors
import pymongo
import pymongo.errors
import requests
from pydantic import SecretStr

from rollback_gate.evidence.adapters.known import Sample
from rollback_gate.evidence.adapters.mongodb_client import client_of
from rollback_gate.evidence.readings import Consumer
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform import web

_MOST_BYTES, _NOT_FINE, _SAMPLE = 16 << 20, 300, 50
_AT = "created_at"


class Channel(NamedTuple):
    topic: str
    name: str
    consumers: tuple[Consumer, ...]


def channels_of(address: str, limit_s: float) -> list[Channel] | Unmeasured:
    """The channels of an nsqd with who reads them. Never raises."""
    question = web.Question(f"http://{address}/stats", limit_s, _MOST_BYTES, by_proxy=False, query={"format": "json"})
    try:
        answer = web.ask(question)
        tree = json.loads(answer.content if answer.status < _NOT_FINE else b"")
        return [_channel(topic, row) for topic in (tree.get("data") or tree)["topics"] for row in topic["channels"]]
    except (requests.RequestException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Unmeasured("nsqd's channels", f"{address} does not tell them ({type(error).__name__})")


def _channel(topic: Mapping[str, Any], channel: Mapping[str, Any]) -> Channel:
    clients = channel.get("clients") or ()
    consumers = (Consumer(one.get("hostname", ""), one.get("remote_address", "")) for one in clients)
    return Channel(topic["topic_name"], channel["channel_name"], tuple(consumers))


def samples_of(
    address: str, known: Mapping[str, str], password: SecretStr, moment: Instant, limit_s: float
) -> list[Sample] | Unmeasured:
    """Documents of each collection of a MongoDB by `created_at`. `known`: its name, user and auth_source. Never raises.

    One that refuses or cannot be read is left out.
    """
    if lacking := [key for key in ("name", "user") if key not in known]:
        return Unmeasured("the collections", f"the database's {lacking[0]} is not known")
    try:
        with closing(client_of(address, known["user"], known.get("auth_source", "admin"), password, limit_s)) as client:
            database = client[known["name"]]
            names = [row["name"] for row in database.list_collections() if row.get("type") == "collection"]
            own = sorted(name for name in names if not name.startswith("system."))
            found = [_sample(database[name], moment) for name in own]
    except (pymongo.errors.PyMongoError, ValueError) as error:
        return Unmeasured("the collections", f"{address} does not show them ({type(error).__name__})")
    return [one for one in found if one is not None]


def _sample(collection: Any, moment: Instant) -> Sample | None:
    at = moment.to_datetime()
    try:
        before = list(collection.find({_AT: {"$lt": at}}).sort(_AT, pymongo.DESCENDING).limit(_SAMPLE))
        since = list(collection.find({_AT: {"$gte": at}}).sort(_AT, pymongo.ASCENDING).limit(_SAMPLE))
    except (pymongo.errors.PyMongoError, bson.errors.BSONError):
        return None
    return Sample(collection.name, before, since, _AT)
