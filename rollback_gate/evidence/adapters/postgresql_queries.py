"""Statements for PostgreSQL, with every name quoted. Pure.

A dotted key leads into a column of JSON. Where a value on the way is no object, it has no fields: the mark could not
be searched for there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal as Literal_
from typing import LiteralString

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from rollback_gate.evidence.dated import MOST, SOME
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.profile.systems import PostgresqlDatabase

Kind = Literal_["number", "uuid", "text"]
_ARRAYS: dict[Kind, LiteralString] = {"number": "numeric[]", "uuid": "uuid[]", "text": "text[]"}
_NO_OBJECT = ("string", "number", "boolean", "array")


def table(name: str) -> Identifier:
    return Identifier(*name.split("."))


def value(key: str) -> Composable:
    """What stands at a key: a column, or JSON within it."""
    column, *parts = key.split(".")
    if not parts:
        return Identifier(column)
    return SQL("({}::jsonb #> {})").format(Identifier(column), Literal(parts))


def marked(key: str) -> Composed:
    """A JSON null is there, too: only the new code could have written it."""
    return SQL("({} IS NOT NULL)").format(value(key))


def shapeless(key: str) -> Composable:
    """Whether some value on the way to the key has no fields."""
    parts = key.split(".")
    ways = [".".join(parts[:number]) for number in range(1, len(parts))]
    return any_of(
        SQL("coalesce(jsonb_typeof({}), '') = ANY({})").format(_json(way), Literal([*_NO_OBJECT])) for way in ways
    )


def _json(key: str) -> Composable:
    return value(key) if "." in key else SQL("{}::jsonb").format(Identifier(key))


def any_of(conditions: Iterable[Composable]) -> Composable:
    rows = list(conditions)
    return SQL("({})").format(SQL(" OR ").join(rows)) if rows else SQL("false")


def _number(key: str) -> Composable:
    """The score as a number; null for anything else within JSON."""
    if "." not in key:
        return SQL("{}::numeric").format(Identifier(key))
    found = value(key)
    return SQL("CASE jsonb_typeof({0}) WHEN 'number' THEN ({0} #>> '{{}}')::numeric END").format(found)


def _columns(database: PostgresqlDatabase) -> Composed:
    """Id, seconds since 1970, score as text, its type in JSON (a number that is none is a text), marked, shapeless."""
    score = SQL("to_jsonb({})").format(value(database.score))
    text, kind = SQL("({} #>> '{{}}')").format(score), SQL("jsonb_typeof({})").format(score)
    return SQL(", ").join(
        [
            SQL("{}::text").format(Identifier(database.id)),
            SQL("extract(epoch from {})::float8").format(value(database.created_at)),
            text,
            kind,
            marked(database.new_mark),
            shapeless(database.new_mark),
        ]
    )


def since(database: PostgresqlDatabase) -> Composed:
    """Parameters: since, until. Endless times are never among the newest."""
    return SQL(
        "SELECT {columns} FROM {table} WHERE {at} >= %(since)s AND {at} <= %(until)s AND isfinite({at})"
        " ORDER BY {at} DESC LIMIT {most}"
    ).format(
        columns=_columns(database),
        table=table(database.table),
        at=Identifier(database.created_at),
        most=Literal(MOST + 1),
    )


def untimed(database: PostgresqlDatabase) -> Composed:
    """Documents that carry or could carry the mark, and have no time, or one to come. Parameter: until."""
    return SQL(
        "SELECT {id}::text FROM {table} WHERE ({at} IS NULL OR NOT isfinite({at}) OR {at} > %(until)s)"
        " AND ({marked} OR {shapeless}) LIMIT {some}"
    ).format(
        id=Identifier(database.id),
        table=table(database.table),
        at=Identifier(database.created_at),
        marked=marked(database.new_mark),
        shapeless=shapeless(database.new_mark),
        some=Literal(SOME),
    )


def by_id(database: PostgresqlDatabase, kind: Kind) -> Composed:
    """Parameter: ids, all of `kind`: compared in the column's own type, an index on it is used."""
    return SQL("SELECT {} FROM {} WHERE {} = ANY(%(ids)s::{})").format(
        _columns(database), table(database.table), id_as(database.id, kind), SQL(_ARRAYS[kind])
    )


def id_as(column: str, kind: str) -> Composable:
    return SQL("{}::text").format(Identifier(column)) if kind == "text" else Identifier(column)


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


def _is_probe(database: PostgresqlDatabase) -> Composed:
    return SQL("starts_with({}::text, {})").format(Identifier(database.id), Literal(PROBE_PREFIX))


# Whether an index begins with this column. Parameters: the table's name as it stands in a query, and the column's.
INDEX = SQL(
    "SELECT c.reltuples::float8, EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
    " AND a.attnum = i.indkey[0] WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL"
    " AND a.attname = %(column)s) FROM pg_class c WHERE c.oid = to_regclass(%(table)s)"
)
# Columns of a table: name, type, and whether every row has a value. One that is missing and is called like the table
# would be the whole row.
COLUMNS = SQL(
    "SELECT attname, format_type(atttypid, NULL), atthasdef OR attnotnull FROM pg_attribute"
    " WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped"
)
