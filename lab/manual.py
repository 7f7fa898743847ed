"""docs/profile.md: the manual of the profile's format, written from its schema."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel

from lab.operator import ROOT
from rollback_gate.profile.base import Section
from rollback_gate.profile.schema import Profile

PAGE = ROOT / "docs" / "profile.md"
_INTRO = """# The profile

A profile describes one change, and where it runs. It is a TOML file. To begin: `rollback-gate profile.new` in the
project's folder proposes one from what runs and from what differs between old and new; each value says where it comes
from. With the database's password in `ROLLBACK_GATE_DATABASE_PASSWORD` it looks at the stored documents too: the normal
scores, and what the change writes. Or write one after an example, an [API without a
queue](../examples/api/profile.toml), a [Redis worker](../examples/thumbnails/profile.toml), a [RabbitMQ
worker](../examples/receipts/profile.toml) or [Phase 1's](../profiles/phase1.toml), which has a comment on each key.
Then `rollback-gate profile.check` tries each statement on what is there, and `rollback-gate profile.show` prints what
is in effect.

| check | needs |
|---|---|
| 1. the change is gone | `[[change]]`; `[[logs.new]]` and `[database]` say more |
| 2. the service runs | `[services.NAME]`, `[logs]` |
| 3. processing works | `[queue]`, `[database]`, `logs.picked_up`, `logs.completed`; `[probe]` if documents are rare |
| 3. without a queue | `ready` of a service (no log line), or `[request]` |
| 4. completeness is normal | `[database]`, `[completeness]`; or `[metric]` |

It may begin with `extends = "other.toml"` (relative to itself) and then holds only what differs. Each key can also be
set for one call, in rising order of precedence: `ROLLBACK_GATE__LIMITS__SOAK_S=30` in the environment, `--set
limits.soak_s=30` on the command line. Secrets are never in a profile: they come from the variable that `password_env`
names, or from the file of `password_file`.

A check whose section is missing is refused unless it is left out by name: `not_asked = { completeness = "thumbnails
have no score" }`. The verdict then reads "GO (3 of 4)", and `rollback-gate gate` opens for it only with
`--accept-partial`.

## From nothing to a first GO

In the folder of the Compose project, while the change runs; with Redis or PostgreSQL, `ROLLBACK_GATE_EXTRAS=1` before
the first command.

1. `rollback-gate profile.new` writes `profile.toml`.
2. Read each line, and fill in those that are comments. Look twice at:
   - `logs.consuming`, `picked_up`, `completed`: they must match what the old code prints *and* what the new code
     prints. A rollback waits for the old code's line, which is not running now.
   - the named groups `document` and `task`: test documents are called `rollback-probe-20261127T092409Z-7d5a-1.jpg`, and
     the group must hold such a name, or a text that has it in it.
   - `database.id` (PostgreSQL): the column that holds what the log calls a document, which need not be the key.
   - `database.score` and `new_mark`; `[completeness]` is in shares of 1.
   - files that the change has brought: each is an item `removed`, or stays behind.
   - `[triggers]`, if you use `assess`: `target` is the score that the change promised; without it, `completeness.low`.
3. `rollback-gate profile.check --profile profile.toml` tries each statement on what is there.
4. `rollback-gate verify --profile profile.toml`: NO-GO while the change runs shows that it tells the two apart.
5. `rollback-gate rollback --dry-run --profile profile.toml`, then without `--dry-run`, then `verify`: GO.

`invoke lab.pages` writes this page from the schema.
"""
_WORDS = {
    "string": "text",
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
    "object": "table",
}
_FORMATS = {"path": "path", "regex": "regular expression"}


def text() -> str:
    """The whole page."""
    definitions = Profile.model_json_schema()["$defs"]
    blocks = [_INTRO, "## Top level\n", _doc(Profile), _table(Profile, definitions, is_top=True)]
    for heading, model in _sections(Profile, ""):
        blocks += [f"## {heading}\n", _doc(model), _table(model, definitions)]
    return "\n".join(block for block in blocks if block)


def write() -> None:
    PAGE.write_text(text(), encoding="utf-8")


def _sections(model: type[BaseModel], place: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section with its heading, in the order of the schema; one for each kind."""
    for name, field in model.model_fields.items():
        for form, found in _models(field.annotation, f"{place}.{name}" if place else name):
            kind = found.model_fields.get("kind")
            is_chosen = kind is not None and typing.get_origin(kind.annotation) is typing.Literal
            of_kind = f", kind `{typing.get_args(kind.annotation)[0]}`" if kind and is_chosen else ""
            yield f"`{form}`{of_kind}", found
            yield from _sections(found, form.strip("[]"))


def _models(annotation: Any, name: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections that a field may hold, each with how it is written."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield f"[{name}]", annotation
    elif origin in (typing.Union, types.UnionType):
        for one in arguments:
            yield from _models(one, name)
    elif origin is typing.Annotated:
        yield from _models(arguments[0], name)
    elif origin is tuple:
        yield from ((f"[[{form.strip('[]')}]]", found) for form, found in _models(arguments[0], name))
    elif origin is dict:
        yield from ((f"[{form.strip('[]')}.NAME]", found) for form, found in _models(arguments[1], name))


def _doc(model: type[BaseModel]) -> str:
    """What the section and those that it is made of say of themselves."""
    own = [one.__doc__ for one in reversed(model.__mro__) if issubclass(one, Section) and one is not Section]
    texts = [re.sub(r"\n[ ]+", "\n", doc.strip()) for doc in own if doc]
    return "\n\n".join(texts) + "\n" if texts else ""


def _table(model: type[BaseModel], definitions: Mapping[str, Any], is_top: bool = False) -> str:
    schema = model.model_json_schema()
    wanted = set(schema.get("required", ()))
    rows = [
        f"| `{name}` | {_takes(found, definitions)} | {_default(found, name in wanted)} |"
        for name, found in schema["properties"].items()
        if not (is_top and _is_section(found))
    ]
    return "\n".join(["| key | takes | default |", "|---|---|---|", *rows, ""]) if rows else ""


def _is_section(found: Mapping[str, Any]) -> bool:
    nested = {"$ref", "oneOf", "anyOf"} & found.keys() or "$ref" in str(
        found.get("items", found.get("patternProperties"))
    )
    return bool(nested)


def _takes(found: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in found:
        return _of_definition(PurePosixPath(found["$ref"]).name, definitions)
    if "const" in found:
        return f"`{found['const']}`" if not isinstance(found["const"], str) else f'`"{found["const"]}"`'
    if "enum" in found:
        return ", ".join(f'`"{value}"`' for value in found["enum"])
    if "anyOf" in found:
        return " or ".join(_takes(one, definitions) for one in found["anyOf"] if one.get("type") != "null")
    if "oneOf" in found:
        return "see below, by `kind`"
    if found.get("type") == "array":
        return f"list of {_takes(found['items'], definitions)}" if "items" in found else "list"
    word = _FORMATS.get(found.get("format", ""), _WORDS.get(found.get("type", ""), "table"))
    return f"{word}{_bounds(found)}"


def _of_definition(name: str, definitions: Mapping[str, Any]) -> str:
    found = definitions.get(name, {})
    return _takes(found, definitions) if "enum" in found else "see below"


def _bounds(found: Mapping[str, Any]) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    bounds = [f"{word} {found[key]:g}" for key, word in words.items() if key in found]
    return f", {' '.join(bounds)}" if bounds else ""


def _default(found: Mapping[str, Any], is_required: bool) -> str:
    if is_required:
        return "required"
    value = found.get("default")
    if value in (None, "", [], {}) or isinstance(value, dict):
        return "none"
    shown = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
    plain = f'"{shown}"' if isinstance(shown, str) and not isinstance(value, bool) else str(shown)
    return f"`{plain}`".replace("|", "\\|").replace("\n", "\\n")
