"""Documents in MongoDB."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pymongo

from rollback_gate.change.reading import Baseline
from rollback_gate.errors import Unreachable
from rollback_gate.evidence.adapters import mongodb_queries as queries
from rollback_gate.evidence.adapters import mongodb_rows as rows_of
from rollback_gate.evidence.adapters.mongodb_errors import answering, index_advice
from rollback_gate.evidence.dated import MANY, MOST, SOME, dated
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.evidence.readings import DocumentReading, DocumentsReading, Series
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.profile.live import Trace
from rollback_gate.profile.systems import MongodbDatabase

Which = Callable[[Trace], dict[str, Any] | None]


@dataclass(frozen=True)
class MongodbDocuments:
    """`client` has the time limit of every call; `limit_s` is the same, for messages."""

    client: pymongo.MongoClient[dict[str, Any]]
    database: MongodbDatabase
    traces: tuple[Trace, ...]
    limit_s: float

    def since(self, boundary: Instant, until: Instant | None = None) -> DocumentsReading | Unmeasured:
        column = self.database.created_at
        window = {column: {"$gte": boundary.to_datetime()}}
        try:
            with self._answering():
                cursor = self._collection().find(window, self._projection())
                rows = list(cursor.sort(column, pymongo.DESCENDING).limit(MOST + 1).batch_size(MOST + 1))
                untimed = self._collection().find(queries.untimed_of_the_change(self.database), {"_id": 1}).limit(SOME)
                ids = tuple(str(row["_id"]) for row in untimed)
                shapeless = self._shapeless(window)
                advice = self._advice()
        except Unreachable as error:
            return Unmeasured("documents since the boundary", f"{error.message}; {error.remedy}")
        found = [rows_of.parse(row, self.database, shapeless) for row in rows[:MOST]]
        known, ahead = dated(found, until)
        ids = tuple(dict.fromkeys((*ids, *ahead)))[:SOME]
        return DocumentsReading(boundary, known, len(rows) > MOST, advice, ids, len(found) - len(known))

    def series(self, since: Instant, bucket_s: float) -> Series | Unmeasured:
        try:
            with self._answering():
                rows = list(self._collection().aggregate(queries.series_pipeline(self.database, since, bucket_s)))
        except Unreachable as error:
            return Unmeasured("completeness", f"{error.message}; {error.remedy}")
        return rows_of.series_of(rows, since, bucket_s)

    def _advice(self) -> str:
        """Advice to create an index, without which every query scans the collection; "" if it is small or indexed."""
        count = self._collection().estimated_document_count()
        if count < MANY or self._has_index():
            return ""
        return f"{index_advice(self.database)}: {count} documents are looked through each time"

    def _has_index(self) -> bool:
        first_keys = [index["key"][0][0] for index in self._collection().index_information().values()]
        return self.database.created_at in first_keys

    def by_id(self, ids: Iterable[str]) -> dict[str, DocumentReading]:
        with self._answering():
            named = {"_id": {"$in": [form for name in ids for form in rows_of.forms(name)]}}
            rows, shapeless = list(self._collection().find(named, self._projection())), self._shapeless(named)
        return {str(row["_id"]): rows_of.parse(row, self.database, shapeless) for row in rows}

    def _shapeless(self, which: Mapping[str, Any]) -> frozenset[str]:
        """Ids of documents with no fields where the mark would be; a projection does not return such values."""
        rows = self._collection().find({**which, "$or": queries.no_fields(self.database)}, {"_id": 1})
        return frozenset(str(row["_id"]) for row in rows)

    def remove_traces(self, ids: Iterable[str], keep_marked_since: Instant | None) -> int:
        named = {"$in": [name for name in ids if name.startswith(PROBE_PREFIX)]}
        return self._removed(lambda trace: {trace.field: named}, keep_marked_since) if named["$in"] else 0

    def remove_lost_traces(self, now: Instant, keep_marked_since: Instant | None) -> int:
        return sum(self._removed(which, keep_marked_since) for which in queries.of_lost_probes(now))

    def _removed(self, which: Which, keep_marked_since: Instant | None) -> int:
        """`which`: the query for a trace's collection; None to remove nothing from it."""
        removed, database = 0, self.database
        kept: dict[str, Any] = {database.new_mark: {"$exists": True}}
        if keep_marked_since:
            kept[database.created_at] = {"$gte": keep_marked_since.to_datetime()}
        with self._answering():
            for trace in self.traces:
                wanted = which(trace)
                if wanted is None:
                    continue
                if keep_marked_since and trace.collection == database.collection:
                    wanted["$nor"] = [kept]
                removed += self._database()[trace.collection].delete_many(wanted).deleted_count
        return removed

    def normal_before(self, until: Instant, span_s: float) -> Baseline | Unmeasured | None:
        database, column = self.database, self.database.created_at
        try:
            with self._answering():
                window = {"$type": "date", "$gte": until.plus(-span_s).to_datetime()}
                carrying = {database.new_mark: {"$exists": True}, column: window}
                marked = self._collection().find_one(carrying, {column: 1}, sort=[(column, pymongo.ASCENDING)])
                first = rows_of.field(marked, column) if marked else None
                end = min(until, Instant.from_datetime(first)) if isinstance(first, datetime.datetime) else until
                pipeline = queries.baseline_pipeline(database, end.plus(-span_s).to_datetime(), end.to_datetime())
                rows = list(self._collection().aggregate(pipeline))
        except Unreachable as error:
            return Unmeasured("what was normal before the change", f"{error.message}; {error.remedy}")
        return rows_of.baseline_of(rows)

    def ping(self) -> None:
        with self._answering():
            self._collection().find_one({}, {"_id": 1})

    def close(self) -> None:
        self.client.close()

    def _answering(self) -> AbstractContextManager[None]:
        return answering(self.client, self.database, self.limit_s)

    def _database(self) -> Any:
        return self.client[self.database.name]

    def _collection(self) -> Any:
        return self._database()[self.database.collection]

    def _projection(self) -> dict[str, int]:
        return {"_id": 1, self.database.created_at: 1, self.database.score: 1, self.database.new_mark: 1}
