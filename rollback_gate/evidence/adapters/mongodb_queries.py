"""Queries and pipelines for MongoDB. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

from rollback_gate.evidence.dated import LOST_AFTER_S
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.instant import Instant
from rollback_gate.profile.live import Trace
from rollback_gate.profile.systems import MongodbDatabase

_PROBE_ID = rf"^{PROBE_PREFIX}(?:job-)?\d{{8}}T\d{{6}}Z-[0-9a-f]{{4}}(?:-\d+\.jpg)?$"
_NO_DATES = ["string", "number", "object", "bool", "timestamp", "objectId", "binData"]
_NO_FIELDS = ["array", "string", "number", "bool", "binData", "date", "objectId"]


def no_fields(database: MongodbDatabase) -> list[dict[str, Any]]:
    """One query for each parent of the mark's path that matches values without fields."""
    parts = database.new_mark.split(".")
    return [{".".join(parts[:number]): {"$type": _NO_FIELDS}} for number in range(1, len(parts))] or [
        {"_id": None}
    ]  # $or needs at least one


def untimed_of_the_change(database: MongodbDatabase) -> dict[str, Any]:
    """Query: documents without a creation time that carry the mark, or have no fields where it would be."""
    marks = [{database.new_mark: {"$exists": True}}, *no_fields(database)]
    # By types that an index supports, if there is one: "not a date" would scan the whole collection.
    no_date = [{database.created_at: None}, {database.created_at: {"$type": _NO_DATES}}]
    return {"$and": [{"$or": no_date}, {"$or": marks}]}


def series_pipeline(database: MongodbDatabase, since: Instant, bucket_s: float) -> list[dict[str, Any]]:
    """Pipeline: per bucket the number of documents, and count, sum and sum of squares of scores within 0..1."""
    created, score = f"${database.created_at}", f"${database.score}"
    first, is_share = since.to_datetime(), {"$and": [{"$gte": ["$score", 0]}, {"$lte": ["$score", 1]}]}
    share = {"$cond": [is_share, "$score", 0]}
    number = {"$isNumber": "$score"}
    return [
        {"$match": {database.created_at: {"$gte": first}, "_id": {"$not": re.compile(f"^{PROBE_PREFIX}")}}},
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


def baseline_pipeline(
    database: MongodbDatabase, start: datetime.datetime, end: datetime.datetime
) -> list[dict[str, Any]]:
    """Pipeline: count, mean and deviation of unmarked organic scores, and when the first and the last was saved."""
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


def of_lost_probes(now: Instant) -> tuple[Callable[[Trace], dict[str, Any] | None], ...]:
    """Queries for the documents and for the jobs of forgotten probes, by the collection of a trace."""
    stamp = f"{now.plus(-LOST_AFTER_S).to_datetime():%Y%m%dT%H%M%SZ}"

    def old(begin: str) -> dict[str, str]:
        return {"$regex": _PROBE_ID, "$gte": f"{begin}0", "$lt": f"{begin}{stamp}"}

    def document(trace: Trace) -> dict[str, Any] | None:
        job = f"{PROBE_PREFIX}job-"
        return {trace.field: old(PROBE_PREFIX), trace.job_field: old(job)} if trace.job_field else None

    def job(trace: Trace) -> dict[str, Any] | None:
        return {trace.field: old(f"{PROBE_PREFIX}job-")}

    return document, job
