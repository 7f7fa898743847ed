"""Stored documents: the queries, and pure parsing of their results."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pymongo
from bson import ObjectId
from bson.errors import BSONError
from pydantic import SecretStr
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from rollback_gate.change.reading import Baseline
from rollback_gate.errors import Unreachable
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.evidence.readings import Bucket, DocumentReading, DocumentsReading, Series
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.profile.live import Trace
from rollback_gate.profile.schema import Profile
from rollback_gate.redaction import cut

MOST = 5000
MANY = 50_000
_OUT_OF_TIME = 50  # MongoDB's MaxTimeMSExpired
_MAY_NOT = 13
_LOST_AFTER_S = 3600
_PROBE_ID = rf"^{PROBE_PREFIX}(?:job-)?\d{{8}}T\d{{6}}Z-[0-9a-f]{{4}}(?:-\d+\.jpg)?$"
_ABSENT = object()
_INT64_DIGITS = 19
_SOME = 5
_NO_DATES = ["string", "number", "object", "bool", "timestamp", "objectId", "binData"]
_NO_FIELDS = ["array", "string", "number", "bool", "binData", "date", "objectId"]


@dataclass(frozen=True)
class Documents:
    """The deployment's database, with a time limit on every call."""

    client: pymongo.MongoClient[dict[str, Any]]
    profile: Profile

    def since(self, boundary: Instant, until: Instant | None = None) -> DocumentsReading | Unmeasured:
        """Documents created at or after the boundary, newest first.

        `until`: later creation times are impossible, and are not believed.
        """
        column = self.profile.database.created_at
        window = {column: {"$gte": boundary.to_datetime()}}
        try:
            with _answering(self):
                cursor = self._collection().find(window, self._projection())
                rows = list(cursor.sort(column, pymongo.DESCENDING).limit(MOST + 1).batch_size(MOST + 1))
                untimed = self._collection().find(untimed_of_the_change(self.profile), {"_id": 1}).limit(_SOME)
                ids = tuple(str(row["_id"]) for row in untimed)
                shapeless = self._shapeless(window)
                advice = self._advice()
        except Unreachable as error:
            return Unmeasured("documents since the boundary", f"{error.message}; {error.remedy}")
        found = [parse(row, self.profile, shapeless) for row in rows[:MOST]]
        known, ahead = dated(found, until)
        ids = tuple(dict.fromkeys((*ids, *ahead)))[:_SOME]
        return DocumentsReading(boundary, known, truncated=len(rows) > MOST, advice=advice, untimed=ids)

    def series(self, since: Instant, bucket_s: float) -> Series | Unmeasured:
        """Completeness over time, without probes; aggregated by the server, for any number of documents."""
        try:
            with _answering(self):
                rows = list(self._collection().aggregate(series_pipeline(self.profile, since, bucket_s)))
        except Unreachable as error:
            return Unmeasured("completeness", f"{error.message}; {error.remedy}")
        return series_of(rows, since, bucket_s)

    def _advice(self) -> str:
        """Advice to create an index, without which every query scans the collection; "" if it is small or indexed."""
        count = self._collection().estimated_document_count()
        if count < MANY or self.has_index():
            return ""
        return f"{index_advice(self.profile)}: {count} documents are looked through each time"

    def has_index(self) -> bool:
        """True if the creation time is indexed. Raises PyMongoError."""
        first_keys = [index["key"][0][0] for index in self._collection().index_information().values()]
        return self.profile.database.created_at in first_keys

    def by_id(self, ids: Iterable[str]) -> dict[str, DocumentReading]:
        """The stored ones of these documents, by id. Raises Unreachable."""
        with _answering(self):
            named = {"_id": {"$in": [form for name in ids for form in _forms(name)]}}
            rows, shapeless = list(self._collection().find(named, self._projection())), self._shapeless(named)
        return {str(row["_id"]): parse(row, self.profile, shapeless) for row in rows}

    def _shapeless(self, which: Mapping[str, Any]) -> frozenset[str]:
        """Ids of documents with no fields where the mark would be; a projection does not return such values."""
        rows = self._collection().find({**which, "$or": _no_fields(self.profile)}, {"_id": 1})
        return frozenset(str(row["_id"]) for row in rows)

    def remove_traces(self, ids: Iterable[str], keep_marked_since: Instant | None) -> int:
        """Removes traces of probes, by the ids of their documents and jobs; returns the count. Raises Unreachable.

        `keep_marked_since`: documents with the change's mark that are not older are evidence, and are kept.
        """
        named = {"$in": [name for name in ids if name.startswith(PROBE_PREFIX)]}
        return self._removed(lambda trace: {trace.field: named}, keep_marked_since) if named["$in"] else 0

    def remove_lost_traces(self, now: Instant, keep_marked_since: Instant | None) -> int:
        """Removes traces of forgotten probes: ids in the gate's format, at least one hour old. Returns the count.

        A document's id alone is no proof of its origin: it must also name one of the gate's jobs.
        `keep_marked_since` as above. Raises Unreachable.
        """
        stamp = f"{now.plus(-_LOST_AFTER_S).to_datetime():%Y%m%dT%H%M%SZ}"

        def old(begin: str) -> dict[str, str]:
            return {"$regex": _PROBE_ID, "$gte": f"{begin}0", "$lt": f"{begin}{stamp}"}

        def document(trace: Trace) -> dict[str, Any] | None:
            job = f"{PROBE_PREFIX}job-"
            return {trace.field: old(PROBE_PREFIX), trace.job_field: old(job)} if trace.job_field else None

        def job(trace: Trace) -> dict[str, Any] | None:
            return {trace.field: old(f"{PROBE_PREFIX}job-")}

        return sum(self._removed(which, keep_marked_since) for which in (document, job))

    def _removed(self, which: Callable[[Trace], dict[str, Any] | None], keep_marked_since: Instant | None) -> int:
        """`which`: the query for a trace's collection; None to remove nothing from it."""
        removed, database = 0, self.profile.database
        kept: dict[str, Any] = {database.new_mark: {"$exists": True}}
        if keep_marked_since:
            kept[database.created_at] = {"$gte": keep_marked_since.to_datetime()}
        with _answering(self):
            for trace in self.profile.probe.traces:
                wanted = which(trace)
                if wanted is None:
                    continue
                if keep_marked_since and trace.collection == database.collection:
                    wanted["$nor"] = [kept]
                removed += self._database()[trace.collection].delete_many(wanted).deleted_count
        return removed

    def normal_before(self, until: Instant, span_s: float) -> Baseline | Unmeasured | None:
        """Completeness before the change, from unmarked documents with a score in the `span_s` seconds before `until`.

        Ends at the first marked document if that is earlier than `until`. None for fewer than two documents.
        """
        database = self.profile.database
        column = database.created_at
        try:
            with _answering(self):
                window = {"$type": "date", "$gte": until.plus(-span_s).to_datetime()}
                marked = self._collection().find_one(
                    {database.new_mark: {"$exists": True}, column: window},
                    {column: 1},
                    sort=[(column, pymongo.ASCENDING)],
                )
                first = _field(marked, column) if marked else None
                end = min(until, Instant.from_datetime(first)) if isinstance(first, datetime.datetime) else until
                pipeline = baseline_pipeline(self.profile, end.plus(-span_s).to_datetime(), end.to_datetime())
                rows = list(self._collection().aggregate(pipeline))
        except Unreachable as error:
            return Unmeasured("what was normal before the change", f"{error.message}; {error.remedy}")
        return baseline_of(rows)

    def ping(self) -> None:
        """Checks that the database answers and the user may read the collection. Raises Unreachable."""
        with _answering(self):
            self._collection().find_one({}, {"_id": 1})

    def close(self) -> None:
        self.client.close()

    def _database(self) -> Any:
        return self.client[self.profile.database.name]

    def _collection(self) -> Any:
        return self._database()[self.profile.database.collection]

    def _projection(self) -> dict[str, int]:
        database = self.profile.database
        return {"_id": 1, database.created_at: 1, database.score: 1, database.new_mark: 1}


def connect(profile: Profile, password: SecretStr) -> Documents:
    """Creates the client; the first call connects."""
    host, _, port = profile.database.address.rpartition(":")
    limit_ms = int(profile.limits.answer_s * 1000)
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
        host,
        int(port),
        username=profile.database.user,
        password=password.get_secret_value(),
        authSource=profile.database.auth_source,
        appname="rollback-gate",
        directConnection=True,
        datetime_conversion="DATETIME_AUTO",  # one year out of range must not fail the whole query
        timeoutMS=limit_ms,
        serverSelectionTimeoutMS=limit_ms,
        connectTimeoutMS=limit_ms,
    )
    return Documents(client, profile)


def dated(
    found: Iterable[DocumentReading], until: Instant | None
) -> tuple[tuple[DocumentReading, ...], tuple[str, ...]]:
    """Documents with a possible time, and ids of the others that carry or could carry the mark."""
    rows = list(found)
    known = tuple(one for one in rows if one.created_at is None or until is None or one.created_at <= until)
    return known, tuple(one.id for one in rows if one not in known and (one.marked or one.could_be_marked))


def parse(row: Mapping[str, Any], profile: Profile, shapeless: Container[str] = ()) -> DocumentReading:
    """One document as stored. `shapeless`: ids of documents with no fields where the mark would be."""
    database = profile.database
    created = _field(row, database.created_at)
    score = _field(row, database.score)
    marks = list(_marks(row, database.new_mark.split(".")))
    is_number = isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)
    return DocumentReading(
        id=str(row["_id"]),
        created_at=Instant.from_datetime(created) if isinstance(created, datetime.datetime) else None,
        score=float(score) if is_number else None,
        odd_score="" if is_number or score is None or score is _ABSENT else cut(repr(score), 60),
        marked=True in marks,
        is_probe=str(row["_id"]).startswith(PROBE_PREFIX),
        could_be_marked=None in marks or str(row["_id"]) in shapeless,
    )


def _marks(row: Any, parts: Sequence[str]) -> Iterator[bool | None]:
    """Whether the mark is there, for each element of a list on its path; None if there are no fields to search."""
    if not parts:
        yield True
    elif isinstance(row, Mapping):
        yield from _marks(row[parts[0]], parts[1:]) if parts[0] in row else (False,)
    elif isinstance(row, list):
        for element in row:
            yield from _marks(element, parts)
        yield None
    else:
        yield False if row is None else None


def _forms(name: str) -> list[Any]:
    """All values of an id that a log would print as `name`: text, number, ObjectId."""
    number = [int(name)] if name.isdecimal() and name.isascii() and len(name) < _INT64_DIGITS else []
    return [name, *number, *([ObjectId(name)] if ObjectId.is_valid(name) else [])]


def _no_fields(profile: Profile) -> list[dict[str, Any]]:
    """One query for each parent of the mark's path that matches values without fields."""
    parts = profile.database.new_mark.split(".")
    return [{".".join(parts[:number]): {"$type": _NO_FIELDS}} for number in range(1, len(parts))] or [
        {"_id": None}
    ]  # $or needs at least one


def untimed_of_the_change(profile: Profile) -> dict[str, Any]:
    """Query: documents without a creation time that carry the mark, or have no fields where it would be."""
    database = profile.database
    marks = [{database.new_mark: {"$exists": True}}, *_no_fields(profile)]
    # By types that an index supports, if there is one: "not a date" would scan the whole collection.
    no_date = [{database.created_at: None}, {database.created_at: {"$type": _NO_DATES}}]
    return {"$and": [{"$or": no_date}, {"$or": marks}]}


def series_pipeline(profile: Profile, since: Instant, bucket_s: float) -> list[dict[str, Any]]:
    """Pipeline: per bucket the number of documents, and count, sum and sum of squares of scores within 0..1."""
    created, score = f"${profile.database.created_at}", f"${profile.database.score}"
    first, is_share = since.to_datetime(), {"$and": [{"$gte": ["$score", 0]}, {"$lte": ["$score", 1]}]}
    share = {"$cond": [is_share, "$score", 0]}
    number = {"$isNumber": "$score"}
    return [
        {"$match": {profile.database.created_at: {"$gte": first}, "_id": {"$not": re.compile(f"^{PROBE_PREFIX}")}}},
        {
            "$project": {
                "bucket": {"$floor": {"$divide": [{"$subtract": [created, first]}, bucket_s * 1000]}},
                "score": score,
            }
        },
        {"$project": {"bucket": 1, "score": {"$cond": [{"$isNumber": "$score"}, {"$toDouble": "$score"}, None]}}},
        {
            "$group": {
                "_id": "$bucket",
                "documents": {"$sum": 1},
                "scored": {"$sum": {"$cond": [{"$and": [number, is_share]}, 1, 0]}},
                "numbers": {"$sum": {"$cond": [number, 1, 0]}},
                "sum": {"$sum": {"$cond": [number, share, 0]}},
                "squares": {"$sum": {"$cond": [number, {"$multiply": [share, share]}, 0]}},
            }
        },
        {"$sort": {"_id": 1}},
    ]


def baseline_pipeline(profile: Profile, start: datetime.datetime, end: datetime.datetime) -> list[dict[str, Any]]:
    """Pipeline: count, mean and deviation of unmarked organic scores, and when the first and the last was saved."""
    database = profile.database
    created, score = f"${database.created_at}", f"${database.score}"
    return [
        {
            "$match": {
                database.created_at: {"$gte": start, "$lt": end},
                database.new_mark: {"$exists": False},
                database.score: {"$type": "number", "$gte": 0, "$lte": 1},
                "_id": {"$not": re.compile(f"^{PROBE_PREFIX}")},
            }
        },
        {
            "$group": {
                "_id": None,
                "documents": {"$sum": 1},
                "mean": {"$avg": score},
                "deviation": {"$stdDevSamp": score},
                "first": {"$min": created},
                "last": {"$max": created},
            }
        },
    ]


def baseline_of(rows: Iterable[Mapping[str, Any]]) -> Baseline | None:
    """The baseline from that pipeline's row; None for fewer than two documents."""
    for row in rows:
        if row["documents"] >= 2:
            first, last = (Instant.from_datetime(row[key]) for key in ("first", "last"))
            return Baseline("", f"{first.short} to {last.short}", row["mean"], row["deviation"], row["documents"])
    return None


def series_of(rows: Iterable[Mapping[str, Any]], since: Instant, bucket_s: float) -> Series:
    """The series from the pipeline's rows."""
    buckets, outside = [], 0
    for row in rows:
        count, total = row["scored"], row["sum"]
        outside += row["numbers"] - count
        variance = (row["squares"] - total * total / count) / (count - 1) if count > 1 else 0.0
        start = since.plus(float(row["_id"]) * bucket_s)
        buckets.append(
            Bucket(start, row["documents"], count, total / count if count else 0.0, math.sqrt(max(0.0, variance)))
        )
    return Series(tuple(buckets), bucket_s, outside)


def _field(row: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(row, Mapping) or part not in row:
            return _ABSENT
        row = row[part]
    return row


@contextmanager
def _answering(documents: Documents) -> Iterator[None]:
    profile = documents.profile
    address = profile.database.address
    try:
        yield
    except (PyMongoError, BSONError, ConfigurationError, OSError, ValueError) as error:
        refusal = error if isinstance(error, OperationFailure) else _refusal(documents.client)
        if isinstance(error, PyMongoError) and _is_out_of_time(error) and (refusal is None or refusal is error):
            says = f"MongoDB at {address} did not answer within limits.answer_s, {profile.limits.answer_s:.0f} s"
            raise Unreachable(says, f"{index_advice(profile)}, or raise limits.answer_s") from error
        if refusal is not None:
            if refusal.code == _MAY_NOT:
                remedy = f"grant {profile.database.user} readWrite on {profile.database.name}; is it the right user?"
                raise Unreachable(f"MongoDB at {address} refused: {_first_line(refusal)}", remedy) from error
            remedy = f"check database.user and the password ({profile.database.password_env} or database.password_file)"
            raise Unreachable(f"MongoDB at {address} refused: {_first_line(refusal)}", remedy) from error
        raise Unreachable(
            f"MongoDB at {address} does not answer: {_first_line(error)}",
            f"check that it runs and that {address} is where it can be reached from here",
        ) from error


def _refusal(client: pymongo.MongoClient[dict[str, Any]]) -> OperationFailure | None:
    """The refused login, if any: after one, the driver reports the server as unknown and the next call times out."""
    errors = (server.error for server in client.topology_description.server_descriptions().values())
    return next((one for one in errors if isinstance(one, OperationFailure)), None)


def _is_out_of_time(error: PyMongoError) -> bool:
    if isinstance(error, OperationFailure):
        return error.timeout or error.code == _OUT_OF_TIME
    return error.timeout and not isinstance(error, ServerSelectionTimeoutError)


def index_advice(profile: Profile) -> str:
    """Advice with the mongosh command that creates the index."""
    database = profile.database
    return f"an index makes this fast: db.{database.collection}.createIndex({{{database.created_at}: 1}})"


def _first_line(error: BaseException) -> str:
    return cut(str(error).split(", full error")[0].split(", Timeout:")[0], 200)
