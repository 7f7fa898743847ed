"""Statements that remove the traces of probes from PostgreSQL. Pure."""

from __future__ import annotations

from psycopg.sql import SQL, Composed, Identifier, Literal

from rollback_gate.evidence.adapters.postgresql_queries import any_of, table
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.profile.live import Trace
from rollback_gate.profile.systems import PostgresqlDatabase

_PROBE_ID = rf"^{PROBE_PREFIX}(job-)?\d{{8}}T\d{{6}}Z-[0-9a-f]{{4}}(-\d+\.jpg)?$"


def remove(trace: Trace, kept: SQL | Composed) -> Composed:
    """Parameter: ids."""
    return SQL("DELETE FROM {} AS t WHERE {}::text = ANY(%(ids)s) AND NOT {}").format(
        table(trace.collection), Identifier(trace.field), kept
    )


def remove_lost(trace: Trace, kept: SQL | Composed, stamp: str) -> Composed:
    """Traces of probes from before `stamp` that nobody remembers: of jobs, and of documents that also name a job."""
    ways = [_lost(trace.field, f"{PROBE_PREFIX}job-", stamp)]
    if trace.job_field:
        document, job = _lost(trace.field, PROBE_PREFIX, stamp), _lost(trace.job_field, f"{PROBE_PREFIX}job-", stamp)
        ways.append(SQL("({} AND {})").format(document, job))
    return SQL("DELETE FROM {} AS t WHERE {} AND NOT {}").format(table(trace.collection), any_of(ways), kept)


def _lost(field: str, begin: str, stamp: str) -> Composed:
    """By bytes: another collation would compare these texts otherwise."""
    return SQL('({0}::text ~ {1} AND {0}::text COLLATE "C" >= {2} AND {0}::text COLLATE "C" < {3})').format(
        Identifier(field), Literal(_PROBE_ID), Literal(f"{begin}0"), Literal(f"{begin}{stamp}")
    )


def kept(database: PostgresqlDatabase, with_time: bool) -> SQL | Composed:
    """Rows with the mark are evidence, in whatever table or view they stand; those of other tables have none.

    Parameter, with a time: keep_since. A row without a time is kept, too.
    """
    if not with_time:
        return SQL("false")
    column, *parts = database.new_mark.split(".")
    own = SQL("to_jsonb(t) -> {}").format(Literal(column))
    mark = SQL("({} #> {}) IS NOT NULL").format(own, Literal(parts))
    if not parts:
        mark = SQL("coalesce({}, 'null') <> 'null'").format(own)
    since = SQL("coalesce((to_jsonb(t) ->> {})::timestamptz >= %(keep_since)s, true)").format(
        Literal(database.created_at)
    )
    return SQL("({} AND {})").format(mark, since)
