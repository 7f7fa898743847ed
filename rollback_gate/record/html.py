"""The readable part of a record: static HTML, escaped by the template engine, no JavaScript."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import TemplateError as TemplateError
from markupsafe import Markup
from markupsafe import escape as escape

from rollback_gate.instant import Instant
from rollback_gate.launcher import DEFAULT, as_called
from rollback_gate.record import next_steps, picture, seal, view

TEMPLATES = Path(__file__).parent / "templates"
PLACE = '<article class="rg-record"></article>'  # where our own part goes in a page that pytest-html makes


def fragment(record: Mapping[str, Any], digest: str) -> str:
    """What stands at the top of the page: verdict, reasons, the full table of checks, identity of what was judged."""
    return _environment().get_template("record.html.j2").render(**_names(record, digest))


def page(record: Mapping[str, Any], digest: str) -> str:
    """The fragment as a page of its own."""
    return (
        _environment()
        .get_template("page.html.j2")
        .render(body=fragment(record, digest), css=css(), title=title(record))
    )


def title(record: Mapping[str, Any]) -> str:
    return f"{headline(record)}: {record['change']}, {_utc(record.get('ended') or record['began'])}"


def headline(record: Mapping[str, Any]) -> str:
    """The verdict, and what belongs beside it."""
    return "; ".join([str(record.get("headline", record["verdict"])), *record.get("notes", ())])


def parts(page: str) -> tuple[str, str, str]:
    """What stands before, in and behind our own part. Raises ValueError for a page that does not have it once."""
    begin, end = '<article class="rg-record"', "</article>"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError("the page does not hold the record once")
    head, _, rest = page.partition(begin)
    body, _, tail = rest.partition(end)
    return head, f"{begin}{body}{end}", tail


def tool() -> str:
    """Which version's records these are: the digest of all that makes one, and of all that judges."""
    package = Path(__file__).parents[1]
    words = [package / f"{word}.py" for word in ("model", "instant", "launcher")]
    judging = [*sorted((package / "checks").glob("*.py")), *words]
    making = [*sorted(Path(__file__).parent.glob("*.py")), *sorted(TEMPLATES.iterdir())]
    parts = [path.read_bytes() for path in (*judging, *making)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def css() -> str:
    return (TEMPLATES / "record.css").read_text(encoding="utf-8")


def _names(record: Mapping[str, Any], digest: str) -> dict[str, Any]:
    return {
        "record": record,
        "digest": digest,
        "data": seal.canonical(record),
        "title": title(record),
        "verdict_class": _class_of(record),
        "lead": view.lead(record),
        "project": view.project(record),
        "reason": view.reason(record),
        "pills": view.pills(record),
        "figures": view.figures(record),
        "events": view.events(record),
        "cards": view.cards(record),
        "limits": view.limits(record),
        "words": view.WORDS,
        "replicas": (record.get("readings") or {}).get("replicas", []),
        "why": record.get("assessment"),
        "next_steps": next_steps.of_record(record),
        "check_command": as_called("invoke record.check report.html", str(record.get("launcher") or DEFAULT)),
        "steps_done": sum(step.get("outcome") == "done" for step in (record.get("run") or {}).get("steps") or ()),
        "compared": record.get("compared") or [],
        "pictures": record.get("pictures") or {},
        "changed_settings": [s for s in record["settings"] if s["origin"] != "default"],
        "default_settings": [s for s in record["settings"] if s["origin"] == "default"],
    }


def _class_of(record: Mapping[str, Any]) -> str:
    """A demonstration has no colour of a verdict."""
    if record.get("kind") == next_steps.RECORDED:
        return "recorded"
    return "no-go" if "state_of_service" in record else str(record["verdict"]).lower()


@functools.cache  # compiling the template takes longer than filling it
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["utc"] = _utc
    environment.filters["commands"] = _commands
    environment.filters["source"] = picture.as_source
    return environment


def _commands(text: str) -> Markup:
    """What stands between backticks is something to type."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def _utc(text: str | None) -> str:
    return Instant.parse(text).short if text else "unknown"
