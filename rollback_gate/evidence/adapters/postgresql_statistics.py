"""What PostgreSQL counts by itself, for any number of documents. Pure."""

from __future__ import annotations

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from rollback_gate.evidence.adapters.postgresql_queries import marked, table, value
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.profile.systems import PostgresqlDatabase


def series(database: PostgresqlDatabase) -> Composed:
    """Per bucket: count of documents, of shares, of numbers; sum and sum of squares of shares.

    Parameters: since, width in seconds.
    """
    return SQL(
        "SELECT bucket, count(*), count(*) FILTER (WHERE score BETWEEN 0 AND 1), count(score),"
        " coalesce(sum(score) FILTER (WHERE score BETWEEN 0 AND 1), 0)::float8,"
        " coalesce(sum(score * score) FILTER (WHERE score BETWEEN 0 AND 1), 0)::float8"
        " FROM (SELECT floor((extract(epoch from {at}) - extract(epoch from %(since)s::timestamptz)) / %(width)s)"
        "::bigint AS bucket, {score} AS score FROM {table}"
        " WHERE {at} >= %(since)s AND isfinite({at}) AND NOT {probe}) AS rows"
        " GROUP BY bucket ORDER BY bucket"
    ).format(
        at=Identifier(database.created_at),
        score=_number(database.score),
        table=table(database.table),
        probe=_is_probe(database),
    )


def first_marked(database: PostgresqlDatabase) -> Composed:
    """When the first marked document was saved, in seconds since 1970. Parameter: since."""
    return SQL("SELECT extract(epoch from min({at}))::float8 FROM {table} WHERE {at} >= %(since)s AND {marked}").format(
        at=Identifier(database.created_at), table=table(database.table), marked=marked(database.new_mark)
    )


def baseline(database: PostgresqlDatabase) -> Composed:
    """Count, mean, deviation, first and last time of unmarked organic shares. Parameters: since, until."""
    return SQL(
        "SELECT count(*), avg(score)::float8, stddev_samp(score)::float8, min(at)::float8, max(at)::float8"
        " FROM (SELECT {score} AS score, extract(epoch from {at}) AS at FROM {table}"
        " WHERE {at} >= %(since)s AND {at} < %(until)s AND NOT {marked} AND NOT {probe}) AS rows"
        " WHERE score BETWEEN 0 AND 1"
    ).format(
        score=_number(database.score),
        at=Identifier(database.created_at),
        table=table(database.table),
        marked=marked(database.new_mark),
        probe=_is_probe(database),
    )


def _number(key: str) -> Composable:
    """The score as a number; null for anything else within JSON."""
    if "." not in key:
        return SQL("{}::numeric").format(Identifier(key))
    found = value(key)
    return SQL("CASE jsonb_typeof({0}) WHEN 'number' THEN ({0} #>> '{{}}')::numeric END").format(found)


def _is_probe(database: PostgresqlDatabase) -> Composed:
    return SQL("starts_with({}::text, {})").format(Identifier(database.id), Literal(PROBE_PREFIX))
