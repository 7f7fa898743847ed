"""What a table shows to who does not know its columns yet: for a proposed profile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from rollback_gate.errors import Unreachable
from rollback_gate.evidence.adapters import postgresql_queries as queries
from rollback_gate.evidence.adapters.known import Sample
from rollback_gate.evidence.adapters.postgresql_session import Session
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.profile.systems import PostgresqlDatabase, quoted

_SAMPLE = 50
_TELLING = ("created_at", "created", "inserted", "stored", "saved", "processed", "_at")  # in the order of preference


def sample_of(
    database: PostgresqlDatabase, password: SecretStr, moment: Instant, limit_s: float
) -> Sample | Unmeasured:
    """Rows by their time: the last ones before a moment, and the first ones since. Never raises.

    Of the section only the address, the login and the table count.
    """
    session = Session(database, password, limit_s)
    try:
        (columns,) = session.read((queries.COLUMNS, {"table": quoted(database.table)}))
        at = _time_of((name, kind) for name, kind, _ in columns)
        if not at:
            return Unmeasured("the rows", f"{database.table} has no column with a time")
        parts = {"table": queries.table(database.table), "at": Identifier(at)}
        form = "SELECT to_jsonb(t) FROM {table} t WHERE {at} %s %%(moment)s ORDER BY {at} %s LIMIT %%(most)s"
        asked = {"moment": moment.to_datetime(), "most": _SAMPLE}
        sides = [SQL(form % side).format(**parts) for side in (("<", "DESC"), (">=", "ASC"))]
        before, since = session.read(*((statement, asked) for statement in sides))
    except Unreachable as error:
        return Unmeasured("the rows", f"{error.message}; {error.remedy}")
    return Sample(database.table, [row[0] for row in before], [row[0] for row in since], at)


def _time_of(columns: Iterable[tuple[Any, ...]]) -> str:
    """The column that sounds most like the time of creation; "" for none."""
    names = [str(name) for name, kind in columns if str(kind).startswith("timestamp")]
    return next((name for word in _TELLING for name in names if word in name), next(iter(names), ""))
