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


def ahead(database: PostgresqlDatabase) -> Composed:
    """How many have a time to come. Parameter: until."""
    at = Identifier(database.created_at)
    return SQL("SELECT count(*) FROM {0} WHERE {1} > %(until)s AND isfinite({1})").format(table(database.table), at)


def by_id(database: PostgresqlDatabase, kind: Kind) -> Composed:
    """Parameter: ids, all of `kind`: compared in the column's own type, an index on it is used."""
    return SQL("SELECT {} FROM {} WHERE {} = ANY(%(ids)s::{})").format(
        _columns(database), table(database.table), id_as(database.id, kind), SQL(_ARRAYS[kind])
    )


def id_as(column: str, kind: str) -> Composable:
    return SQL("{}::text").format(Identifier(column)) if kind == "text" else Identifier(column)


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
