"""What the environment of containers says of a database: whose it is, never its password. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qs, unquote, urlsplit

_SCHEMES = {"mongodb": re.compile(r"mongodb(\+srv)?://"), "postgresql": re.compile(r"postgres(ql)?(\+\w+)?://")}
_PARTS = {
    "user": re.compile(r"^(?:POSTGRES_USER|PGUSER|MONGO_INITDB_ROOT_USERNAME|DB_USER(?:NAME)?|DATABASE_USER)=(.+)$"),
    "name": re.compile(r"^(?:POSTGRES_DB|PGDATABASE|MONGO_INITDB_DATABASE|DB_NAME|DATABASE_NAME)=(.+)$"),
}


def connection(kind: str, variables: Iterable[str]) -> dict[str, str]:
    """`name`, `user` and `auth_source` of a database of this kind, as far as they are told.

    `variables`: of the workers and the database, as NAME=value. An address says more than single variables.
    """
    rows = list(variables)
    single = {key: match[1] for key, form in _PARTS.items() for row in rows if (match := form.match(row))}
    scheme = _SCHEMES[kind]
    addresses = (value for _, _, value in (row.partition("=") for row in rows) if scheme.match(value))
    return {**single, **next((found for value in addresses if (found := _of_address(value))), {})}


def _of_address(value: str) -> dict[str, str]:
    try:
        parts = urlsplit(value)
        user, source = parts.username, parse_qs(parts.query).get("authSource", [""])[0]
    except ValueError:
        return {}
    found = {"name": parts.path.strip("/"), "user": unquote(user or ""), "auth_source": source}
    return {key: text for key, text in found.items() if text}
