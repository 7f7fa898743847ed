"""Documents in a table of PostgreSQL."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from rollback_gate.change.reading import Baseline
from rollback_gate.errors import Unreachable
from rollback_gate.evidence.adapters import postgresql_queries as queries
from rollback_gate.evidence.adapters import postgresql_removal as removal
from rollback_gate.evidence.adapters import postgresql_rows as rows_of
from rollback_gate.evidence.adapters import postgresql_statistics as statistics
from rollback_gate.evidence.adapters.postgresql_session import Rows, Session, index_advice
from rollback_gate.evidence.dated import LOST_AFTER_S, MANY, MOST, repeated
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.evidence.readings import DocumentReading, DocumentsReading, Series
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.profile.live import Trace
from rollback_gate.profile.systems import PostgresqlDatabase

_FOR_EVER = "9999-12-31 00:00:00+00"
_NO_TIME = {"since": _FOR_EVER, "until": _FOR_EVER}


@dataclass(frozen=True)
class PostgresqlDocuments:
    database: PostgresqlDatabase
    traces: tuple[Trace, ...]
    password: SecretStr
    limit_s: float

    def since(self, boundary: Instant, until: Instant | None = None) -> DocumentsReading | Unmeasured:
        window = {"since": boundary.to_datetime(), "until": until.to_datetime() if until else _FOR_EVER}
        try:
            rows, ids, ((ahead,),), ((estimated, has_index),), columns = self._session.read(
                (queries.since(self.database), window),
                (queries.untimed(self.database), window),
                (queries.ahead(self.database), window),
                (queries.INDEX, {"table": self._name, "column": self.database.created_at}),
                (queries.COLUMNS, {"table": self._name}),
            )
            self._refuse_other_columns(columns)
        except Unreachable as error:
            return Unmeasured("documents since the boundary", f"{error.message}; {error.remedy}")
        advice = "" if has_index or estimated < MANY else f"{index_advice(self.database)}: {estimated:.0f} rows"
        found = tuple(rows_of.document(row) for row in rows[:MOST])
        if twice := repeated(found):
            return Unmeasured("documents since the boundary", f"{self.database.table} has {twice} more than once")
        return DocumentsReading(boundary, found, len(rows) > MOST, advice, tuple(row[0] for row in ids), ahead)

    def series(self, since: Instant, bucket_s: float) -> Series | Unmeasured:
        asked = {"since": since.to_datetime(), "width": bucket_s}
        try:
            (rows,) = self._session.read((statistics.series(self.database), asked))
        except Unreachable as error:
            return Unmeasured("completeness", f"{error.message}; {error.remedy}")
        outside = sum(numbers - scored for _, _, scored, numbers, _, _ in rows)
        return Series(tuple(rows_of.bucket(row, since, bucket_s) for row in rows), bucket_s, outside)

    def by_id(self, ids: Iterable[str]) -> dict[str, DocumentReading]:
        names = list(ids)
        kind = self._kind_of_id() if names else "text"
        fitting = [name for name in names if rows_of.fits(name, kind)]
        if not fitting:
            return {}
        (rows,) = self._session.read((queries.by_id(self.database, kind), {"ids": fitting}))
        return {row[0]: rows_of.document(row) for row in rows}

    def _kind_of_id(self) -> queries.Kind:
        (columns,) = self._session.read((queries.COLUMNS, {"table": self._name}))
        return rows_of.kind_of({name: kind for name, kind, _ in columns}.get(self.database.id, ""))

    def remove_traces(self, ids: Iterable[str], keep_marked_since: Instant | None) -> int:
        named = [name for name in ids if name.startswith(PROBE_PREFIX)]
        if not named:
            return 0
        kept, asked = removal.kept(self.database, keep_marked_since is not None), _time(keep_marked_since)
        return self._session.remove(*((removal.remove(trace, kept), {"ids": named, **asked}) for trace in self.traces))

    def remove_lost_traces(self, now: Instant, keep_marked_since: Instant | None) -> int:
        stamp = f"{now.plus(-LOST_AFTER_S).to_datetime():%Y%m%dT%H%M%SZ}"
        kept, asked = removal.kept(self.database, keep_marked_since is not None), _time(keep_marked_since)
        return self._session.remove(*((removal.remove_lost(trace, kept, stamp), asked) for trace in self.traces))

    def normal_before(self, until: Instant, span_s: float) -> Baseline | Unmeasured | None:
        window = {"since": until.plus(-span_s).to_datetime()}
        try:
            (((first,),),) = self._session.read((statistics.first_marked(self.database), window))
            end = until if first is None or not math.isfinite(first) else min(until, Instant.from_epoch_s(first))
            asked = {"since": end.plus(-span_s).to_datetime(), "until": end.to_datetime()}
            ((row,),) = self._session.read((statistics.baseline(self.database), asked))
        except Unreachable as error:
            return Unmeasured("what was normal before the change", f"{error.message}; {error.remedy}")
        count, mean, deviation, begin, last = row
        if count < 2:
            return None
        times = " to ".join(Instant.from_epoch_s(at).short for at in (begin, last))
        return Baseline("", times, mean, deviation, count)

    def ping(self) -> None:
        (columns, _) = self._session.read(
            (queries.COLUMNS, {"table": self._name}), (queries.since(self.database), _NO_TIME)
        )
        self._refuse_other_columns(columns)

    def _refuse_other_columns(self, columns: Rows) -> None:
        """Raises Unreachable for a column that is not there, and for a mark that every row carries."""
        database, where = self.database, f"PostgreSQL at {self.database.address}: {self.database.table}"
        keys = (database.id, database.created_at, database.score, database.new_mark)
        named = (key.partition(".")[0] for key in keys)
        remedy = "check the table and the columns: database.table, id, created_at, score and new_mark"
        if missing := sorted(set(named) - {name for name, _, _ in columns}):
            raise Unreachable(f"{where} is not there, or has no column {', '.join(missing)}", remedy)
        if database.new_mark in {name for name, _, is_always_there in columns if is_always_there}:
            says = f"{where} has a value of {database.new_mark} in every row, old code's too: it is no mark"
            raise Unreachable(says, "name a column in database.new_mark that only the new code fills")

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
