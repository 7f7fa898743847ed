"""The section of a PostgreSQL database: what the environment, the source and the rows themselves show of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from rollback_gate.errors import WrongSetting
from rollback_gate.evidence.adapters import environment, fields
from rollback_gate.evidence.adapters.extras import needing
from rollback_gate.evidence.adapters.known import Found, Known, Sample
from rollback_gate.model import Unmeasured
from rollback_gate.profile.systems import PostgresqlDatabase

_NO_SCORES = ("id", "_id", "uuid", "created_at", "created", "inserted_at")
_AT, _SOURCE = "created_at", "the worker's source"


def section_of(address: str, around: Known) -> Found:
    """By the worker's own variables, then its source, then other containers' variables.

    Without a column `id`, the first one that the worker fills is what its log calls a document.
    """
    kind = "postgresql"
    of_all, of_workers = (environment.connection(kind, rows) for rows in (around.others, around.variables))
    known = {**of_all, **around.connection, **of_workers}
    values = {
        "address": address,
        "name": known.get("name"),
        "user": known.get("user"),
        "table": around.table or None,
    }
    why = {"table": _SOURCE}
    columns = list(around.columns)
    if columns and "id" not in columns:
        values["id"] = columns.pop(0)
        why["id"] = "the first column that the source fills: is it the id that the log shows?"
    own = [column for column in columns if column not in _NO_SCORES]
    named = next((column for column in own if fields.is_named_as_score(column)), None)
    values |= {"score": named or next(iter(own), None), "new_mark": own[-1] if len(own) > 1 else None}
    why["score"] = "by its name" if named else "a guess: the first column that the source fills, is it a share of 1?"
    why["new_mark"] = "the last column that the source fills: has the change added it?"
    return _as_stored(Found(values, why), around)


def _as_stored(guessed: Found, around: Known) -> Found:
    """By the rows themselves, where they can be read."""
    rows = _rows(guessed.values, around)
    if isinstance(rows, Unmeasured):
        return replace(guessed, look_for=dict.fromkeys(("score", "new_mark"), rows.reason))
    everything = [*rows.before, *rows.since]
    values, why, look_for = dict(guessed.values), dict(guessed.why), dict(guessed.look_for)
    if rows.at != _AT:
        values["created_at"], why["created_at"] = rows.at, "a column with a time"
    shares = fields.shares_of(everything)
    guess = values["score"] if values["score"] in shares else next(iter(shares), "")
    if score := fields.score_of(everything) or guess:
        is_named = fields.is_named_as_score(score)
        why["score"] = "a share in nearly every row" if is_named else "a share in nearly every row: is it the score?"
        values["score"] = score
    elif everything:
        kind = type(dict(fields.flat(everything[0])).get(str(values["score"]))).__name__
        named = f"{values['score']} holds no share but {kind}"
        values["score"] = None
        look_for["score"] = f"no column has shares of 1 ({named}): a view that divides it will do, as table"
    if mark := fields.mark_of(rows.before, rows.since):
        values["new_mark"], why["new_mark"] = mark, "rows since the change have it, those before have not"
    elif fields.is_common(str(values["new_mark"]), rows.before):
        look_for["new_mark"] = f"a column that only the change fills: nearly all rows have {values['new_mark']}"
        values["new_mark"] = None
    return Found(values, why, look_for)


def _rows(values: Mapping[str, Any], around: Known) -> Sample | Unmeasured:
    what = "the rows"
    if around.password is None:
        return Unmeasured(what, "set ROLLBACK_GATE_DATABASE_PASSWORD, and they are looked at")
    known = {key: values[key] for key in ("address", "name", "user", "table")}
    if lacking := [key for key, value in known.items() if value is None]:
        return Unmeasured(what, f"the database's {lacking[0]} is not known")
    try:
        with needing("postgresql", "database.kind"):
            from rollback_gate.evidence.adapters.looked_up_postgresql import sample_of
        section = PostgresqlDatabase(kind="postgresql", score="x", new_mark="x", **known)
    except (WrongSetting, ValidationError) as error:
        return Unmeasured(what, str(error).splitlines()[0])
    return sample_of(section, around.password, around.changed_at, around.limit_s)
