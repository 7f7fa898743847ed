"""Documents in a table of PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.sql import SQL, Composed
from pydantic import SecretStr

from rollback_gate.change.reading import Baseline
from rollback_gate.errors import Unreachable
from rollback_gate.evidence.adapters import postgresql_queries as queries
from rollback_gate.evidence.adapters import postgresql_removal as removal
from rollback_gate.evidence.adapters.postgresql_session import Session, index_advice
from rollback_gate.evidence.dated import LOST_AFTER_S, MANY, MOST
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.evidence.readings import Bucket, DocumentReading, DocumentsReading, Series
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.profile.live import Trace
from rollback_gate.profile.systems import PostgresqlDatabase
from rollback_gate.redaction import cut

_NUMBERS = frozenset({"number", "smallint", "integer", "bigint", "real", "double precision", "numeric"})
_FOR_EVER = "9999-12-31 00:00:00+00"


@dataclass(frozen=True)
class PostgresqlDocuments:
    database: PostgresqlDatabase
    traces: tuple[Trace, ...]
    password: SecretStr
    limit_s: float

    def since(self, boundary: Instant, until: Instant | None = None) -> DocumentsReading | Unmeasured:
        window = {"since": boundary.to_datetime(), "until": until.to_datetime() if until else _FOR_EVER}
        try:
            rows, ids, ((estimated, has_index),) = self._session.read(
                (queries.since(self.database), window),
                (queries.untimed(self.database), window),
                (queries.INDEX, {"table": self._name, "column": self.database.created_at}),
            )
        except Unreachable as error:
            return Unmeasured("documents since the boundary", f"{error.message}; {error.remedy}")
        advice = "" if has_index or estimated < MANY else f"{index_advice(self.database)}: {estimated:.0f} rows"
        found = tuple(_document(row) for row in rows[:MOST])
        return DocumentsReading(boundary, found, len(rows) > MOST, advice, tuple(row[0] for row in ids))

    def series(self, since: Instant, bucket_s: float) -> Series | Unmeasured:
        asked = {"since": since.to_datetime(), "width": bucket_s}
        try:
            (rows,) = self._session.read((queries.series(self.database), asked))
        except Unreachable as error:
            return Unmeasured("completeness", f"{error.message}; {error.remedy}")
        outside = sum(numbers - scored for _, _, scored, numbers, _, _ in rows)
        return Series(tuple(_bucket(row, since, bucket_s) for row in rows), bucket_s, outside)

    def by_id(self, ids: Iterable[str]) -> dict[str, DocumentReading]:
        (rows,) = self._session.read((queries.by_id(self.database), {"ids": list(ids)}))
        return {row[0]: _document(row) for row in rows}

    def remove_traces(self, ids: Iterable[str], keep_marked_since: Instant | None) -> int:
        named = [name for name in ids if name.startswith(PROBE_PREFIX)]
        if not named:
            return 0
        kept = self._kept(keep_marked_since)
        return self._session.remove(
            *((removal.remove(trace, kept[trace]), {"ids": named, **_time(keep_marked_since)}) for trace in self.traces)
        )

    def remove_lost_traces(self, now: Instant, keep_marked_since: Instant | None) -> int:
        stamp = f"{now.plus(-LOST_AFTER_S).to_datetime():%Y%m%dT%H%M%SZ}"
        kept, asked = self._kept(keep_marked_since), _time(keep_marked_since)
        return self._session.remove(*((removal.remove_lost(trace, kept[trace], stamp), asked) for trace in self.traces))

    def _kept(self, since: Instant | None) -> dict[Trace, SQL | Composed]:
        return {trace: removal.kept(self.database, trace, since is not None) for trace in self.traces}

    def normal_before(self, until: Instant, span_s: float) -> Baseline | Unmeasured | None:
        window = {"since": until.plus(-span_s).to_datetime()}
        try:
            (((first,),),) = self._session.read((queries.first_marked(self.database), window))
            end = until if first is None or not math.isfinite(first) else min(until, Instant.from_epoch_s(first))
            asked = {"since": end.plus(-span_s).to_datetime(), "until": end.to_datetime()}
            ((row,),) = self._session.read((queries.baseline(self.database), asked))
        except Unreachable as error:
            return Unmeasured("what was normal before the change", f"{error.message}; {error.remedy}")
        count, mean, deviation, begin, last = row
        if count < 2:
            return None
        times = " to ".join(Instant.from_epoch_s(at).short for at in (begin, last))
        return Baseline("", times, mean, deviation, count)

    def ping(self) -> None:
        database = self.database
        (columns,) = self._session.read((queries.COLUMNS, {"table": self._name}))
        named = (
            database.id,
            database.created_at,
            *(key.partition(".")[0] for key in (database.score, database.new_mark)),
        )
        if missing := sorted(set(named) - {name for (name,) in columns}):
            says = f"PostgreSQL at {database.address} has no table {database.table} with {', '.join(missing)}"
            raise Unreachable(says, "check database.table and the columns that the profile names")
        self._session.read((queries.by_id(database), {"ids": []}))

    def close(self) -> None:
        """Each call has a connection of its own."""

    @property
    def _session(self) -> Session:
        return Session(self.database, self.password, self.limit_s)

    @property
    def _name(self) -> str:
        return queries.table(self.database.table).as_string(None)


def _time(keep_since: Instant | None) -> Mapping[str, Any]:
    return {"keep_since": keep_since.to_datetime()} if keep_since else {}


def _document(row: tuple[Any, ...]) -> DocumentReading:
    name, at, text, kind, is_marked, is_shapeless = row
    score = float(text) if text is not None and kind in _NUMBERS else math.nan
    is_number, is_dated = math.isfinite(score), at is not None and math.isfinite(at)
    return DocumentReading(
        id=name,
        created_at=Instant.from_epoch_s(at) if is_dated else None,
        score=score if is_number else None,
        marked=is_marked,
        is_probe=name.startswith(PROBE_PREFIX),
        could_be_marked=is_shapeless,
        odd_score="" if is_number or text is None or kind == "null" else cut(text, 60),
    )


def _bucket(row: tuple[Any, ...], since: Instant, bucket_s: float) -> Bucket:
    number, count, scored, _, total, squares = row
    variance = (squares - total * total / scored) / (scored - 1) if scored > 1 else 0.0
    mean = total / scored if scored else 0.0
    return Bucket(since.plus(number * bucket_s), count, scored, mean, math.sqrt(max(0.0, variance)))
