"""What a queue or a database tells to who does not know the names in it yet: for a proposed profile."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import pymongo
import pymongo.errors
import requests
from pydantic import SecretStr

from rollback_gate.evidence.adapters.mongodb_client import client_of
from rollback_gate.evidence.readings import Consumer
from rollback_gate.model import Unmeasured
from rollback_gate.platform import web

_MOST_BYTES, _NOT_FINE, _SAMPLE = 16 << 20, 300, 50


class Channel(NamedTuple):
    topic: str
    name: str
    consumers: tuple[Consumer, ...]


def channels_of(address: str, limit_s: float) -> list[Channel] | Unmeasured:
    """The channels of an nsqd with who reads them. Never raises."""
    question = web.Question(f"http://{address}/stats", limit_s, _MOST_BYTES, by_proxy=False, query={"format": "json"})
    try:
        answer = web.ask(question)
        tree = json.loads(answer.content)
        return [_channel(topic, row) for topic in (tree.get("data") or tree)["topics"] for row in topic["channels"]]
    except (requests.RequestException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Unmeasured("nsqd's channels", f"{address} does not tell them ({type(error).__name__})")


def _channel(topic: Mapping[str, Any], channel: Mapping[str, Any]) -> Channel:
    clients = channel.get("clients") or ()
    consumers = (Consumer(one.get("hostname", ""), one.get("remote_address", "")) for one in clients)
    return Channel(topic["topic_name"], channel["channel_name"], tuple(consumers))


@dataclass(frozen=True)
class Sample:
    """Documents of a collection in the order of storing: the first ones and the last ones."""

    collection: str
    documents: Sequence[Mapping[str, Any]]


def samples_of(
    address: str, known: Mapping[str, str], password: SecretStr, limit_s: float
) -> list[Sample] | Unmeasured:
    """Documents of each collection of a MongoDB. `known`: its name, user and auth_source. Never raises."""
    try:
        client = client_of(address, known["user"], known.get("auth_source", "admin"), password, limit_s)
        with closing(client):
            database = client[known["name"]]
            return [_sample(database[name]) for name in sorted(database.list_collection_names())]
    except KeyError as error:
        return Unmeasured("the collections", f"the database's {error.args[0]} is not known")
    except (pymongo.errors.PyMongoError, ValueError) as error:
        return Unmeasured("the collections", f"{address} does not show them ({type(error).__name__})")


def _sample(collection: Any) -> Sample:
    """In the order of storing, which needs no index."""
    oldest, newest = (
        list(collection.find().sort("$natural", order).limit(_SAMPLE))
        for order in (pymongo.ASCENDING, pymongo.DESCENDING)
    )
    rows = {str(one["_id"]): one for one in (*oldest, *reversed(newest))}  # of a small one, both have all
    return Sample(collection.name, list(rows.values()))
