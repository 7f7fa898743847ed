"""What the environment of containers says of a database: whose it is, never its password. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qs, unquote, urlsplit

_ADDRESS = {
    "mongodb": re.compile(r"mongodb(\+srv)?://"),
    "postgresql": re.compile(r"postgres(ql)?(\+\w+)?://"),
}
_VARIABLES = {
    "mongodb": {"user": "MONGO_INITDB_ROOT_USERNAME", "name": "MONGO_INITDB_DATABASE"},
    "postgresql": {"user": "POSTGRES_USER|PGUSER", "name": "POSTGRES_DB|PGDATABASE"},
}
_NAME = re.compile(r"[\w.-]+")


def connection(kind: str, variables: Iterable[str]) -> dict[str, str]:
    """`name`, `user` and `auth_source` of a database of this kind, as far as they are told.

    `variables`: of the workers and the database, as NAME=value. An address says more than single variables.
    """
    rows = [row.partition("=")[::2] for row in variables]
    forms = _VARIABLES[kind].items()
    single = {key: value for key, form in forms for name, value in rows if value and re.fullmatch(form, name)}
    addresses = (value for _, value in rows if _ADDRESS[kind].match(value))
    return {**single, **next((found for value in addresses if (found := _of_address(value))), {})}


def _of_address(value: str) -> dict[str, str]:
    try:
        parts = urlsplit(value)
        user, source = parts.username, parse_qs(parts.query).get("authSource", [""])[0]
    except ValueError:
        return {}
    if "@" in parts.path:  # a password with a bare "/": what follows it is no name, but the rest of it
        return {}
    found = {"name": parts.path.strip("/"), "user": unquote(user or ""), "auth_source": source}
    return {key: text for key, text in found.items() if (key == "user" and text) or _NAME.fullmatch(text)}


def redis_database(variables: Iterable[str]) -> int:
    """The number at the end of the Redis address; 0 for none, and where addresses differ: it is to be looked at."""
    addresses = (re.match(r"rediss?://[^/]+(?:/(\d+))?", row.partition("=")[2]) for row in variables)
    numbers = {int(one[1] or 0) for one in addresses if one}
    return numbers.pop() if len(numbers) == 1 else 0
