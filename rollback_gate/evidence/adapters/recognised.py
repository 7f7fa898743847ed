"""By what a queue or a database is recognised among a project's containers, and which keys it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rollback_gate.evidence import consumers
from rollback_gate.evidence.adapters import environment, fields, looked_up, recognised_postgresql
from rollback_gate.evidence.adapters.known import Found, Known, Sample
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica

KINDS = {  # by a word of the image or the command, or a program's name: section, kind and port
    "redis": ("queue", "redis", 6379),
    "rabbitmq": ("queue", "rabbitmq", 15672),
    "beam.smp": ("queue", "rabbitmq", 15672),
    "nsqd": ("queue", "nsq", 4151),
    "postgres": ("database", "postgresql", 5432),
    "mongo": ("database", "mongodb", 27017),
}
_BY_ANOTHER_PORT = frozenset(("nsq", "rabbitmq"))  # than their clients'
_NAMES_ADDRESS = re.compile(r"(?i)(host|addr|address|addresses|ur[il]|server|dsn|broker)s?$")
_PLACE = re.compile(r"(?:[a-z+]+://)?(?:[^@/]*@)?([\w.-]+)(?::(\d+))?(?:[/?].*)?$")
_SOURCE, _ENVIRONMENT = "the worker's source", "the containers' environment"


def named_in(variables: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Kind and address by section, of systems that rows NAME=value name: they may run anywhere.

    A host without a dot is a name inside the containers' network.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, value in (row.partition("=")[::2] for row in variables):
        is_address = "://" in value or _NAMES_ADDRESS.search(name)
        known = next(
            (one for word, one in KINDS.items() if word in f"{name} {value.partition('://')[0]}".lower()), None
        )
        place = _PLACE.match(value.partition(",")[0])
        if known and is_address and place and "." in place[1]:
            section, kind, port = known
            found.setdefault(section, (kind, f"{place[1]}:{port if kind in _BY_ANOTHER_PORT else place[2] or port}"))
    return found


def section_of(kind: str, address: str, around: Known) -> Found:
    """The section of a queue or database of this kind."""
    match kind:
        case "redis":
            values: dict[str, Any] = {"address": address, "key": around.queue_of(kind) or None}
            values |= {"group": around.group} if around.group else {"push": "right"} if around.pops_left else {}
            if number := environment.redis_database(around.variables):
                values["database"] = number
            return Found(values, {"key": _SOURCE, "group": _SOURCE, "database": _ENVIRONMENT})
        case "rabbitmq":
            name = around.queue_of(kind) or None
            return Found({"address": address, "queue": name, "user": "guest"}, {"queue": _SOURCE})
        case "nsq":
            return _nsq(address, around)
        case "postgresql":
            return recognised_postgresql.section_of(address, around)
        case _:
            return _mongodb(address, around)


def _nsq(address: str, around: Known) -> Found:
    """The channel that the project's own services read."""
    channels = looked_up.channels_of(address, around.limit_s)
    if isinstance(channels, Unmeasured):
        return Found({"address": address, "topic": None, "channel": None}, look_for=_of_both(channels.reason))
    readers = {one: _readers(one, around.replicas) for one in channels}
    own = [one for one in channels if readers[one]]
    if len(own) != 1:
        rows = ", ".join(f"{one.topic}/{one.name}" for one in own or channels) or "none"
        look_for = _of_both(f"the one that the workers read, of: {rows}")
        return Found({"address": address, "topic": None, "channel": None}, look_for=look_for)
    others = [f"{one.topic}/{one.name}" for one in channels if one != own[0]]
    why = f"nsqd lists {', '.join(sorted(readers[own[0]]))} as its reader"
    values = {"address": address, "topic": own[0].topic, "channel": own[0].name}
    told = {"channel": f"{why}; there is also {', '.join(others)}" if others else why}
    return Found(values, told, readers=readers[own[0]])


def _of_both(why: str) -> dict[str, str]:
    return {"topic": why, "channel": why}


def _readers(channel: looked_up.Channel, replicas: Iterable[Replica]) -> frozenset[str]:
    rows = list(replicas)
    return frozenset(r.service for r in rows for c in channel.consumers if consumers.is_consumer(c, r))


def _mongodb(address: str, around: Known) -> Found:
    known = {
        **environment.connection("mongodb", around.others),
        **environment.connection("mongodb", around.variables),
    }
    values: dict[str, Any] = {"address": address, "name": known.get("name"), "user": known.get("user")}
    if known.get("auth_source", "admin") != "admin":
        values["auth_source"] = known["auth_source"]
    why, wanted = dict.fromkeys(("name", "user"), _ENVIRONMENT), ("collection", "score", "new_mark")
    lacking = {**values, **dict.fromkeys(wanted)}
    if around.password is None:
        hint = "set ROLLBACK_GATE_DATABASE_PASSWORD, and the documents are looked at"
        return Found(lacking, why, dict.fromkeys(wanted, hint))
    samples = looked_up.samples_of(address, known, around.password, around.changed_at, around.limit_s)
    if isinstance(samples, Unmeasured):
        return Found(lacking, why, dict.fromkeys(wanted, samples.reason))
    rows = [(one.collection, *_fields(one)) for one in samples]
    scored = [row for row in rows if row[1]]
    chosen = scored if len(scored) == 1 else [row for row in scored if row[2]]
    if len(chosen) != 1:
        names = ", ".join(row[0] for row in scored or rows) or "there is none"
        return Found(lacking, why, dict.fromkeys(wanted, f"which collection holds the documents? {names}"))
    collection, score, mark = chosen[0]
    values |= {"collection": collection, "score": score, "new_mark": mark or None}
    why |= {"collection": "its documents have a score", "score": "a share in nearly every document"}
    why |= {"new_mark": "documents since the change have it, those before have not"}
    return Found(values, why, {"new_mark": "a field that only the change writes"})


def _fields(sample: Sample) -> tuple[str, str]:
    """Score and mark."""
    return fields.score_of([*sample.before, *sample.since]), fields.mark_of(sample.before, sample.since)
