"""What a worker's Python source says of its log lines, its queue and its table. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_READY = re.compile(r"(?i)\b(ready|listening|consum\w*|started|connected|waiting)\b")
_BEGINS = re.compile(r"(?i)\b(begins?|start\w*|pick\w*|receiv\w*|process\w*|handl\w*|working)\b")
_DONE = re.compile(r"(?i)\b(done|finish\w*|complet\w*|saved|stored)\b")
_CALLS = {"print", "debug", "info", "warning", "log"}
_QUEUES = {
    "redis": re.compile(r"\b(?:brpop|blpop|lpush|rpush|brpoplpush|blmove)\(\s*f?[\"']([\w:.-]+)[\"']"),
    "rabbitmq": re.compile(r"\b(?:queue_declare|basic_consume|consume)\(\s*(?:queue\s*=\s*)?[\"']([\w:.-]+)[\"']"),
}
_TABLE = re.compile(r"(?i)\binsert\s+into\s+([\w.]+)\s*\(([^)]*)\)")
_CONNECTION = {
    "name": re.compile(r"\b(?:dbname|database)\s*=\s*[\"']?([\w-]+)"),
    "user": re.compile(r"\buser\s*=\s*[\"']?([\w-]+)"),
}
_TASK_ID = re.compile(r"json\.loads\(.*?\)\[[\"'](\w+)[\"']\]")


@dataclass(frozen=True)
class Said:
    """A line that the source prints: as a pattern, `{}` for what is filled in."""

    text: str
    holes: int
    place: str

    def pattern(self, group: str = "") -> str:
        """A regular expression. `group`: the name of the last hole."""
        parts = [re.escape(part).replace("\\ ", " ") for part in self.text.split("{}")]
        named = f"(?P<{group}>\\S+)" if group else "\\S+"
        return parts[0] if self.holes == 0 else r"\S+".join(parts[:-1]) + named + parts[-1]


def lines_of(path: str, text: str) -> list[Said]:
    """What the calls of print and of loggers say."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    return [said for node in ast.walk(tree) if isinstance(node, ast.Call) for said in _said(node, path)]


def _said(call: ast.Call, path: str) -> Iterator[Said]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name not in _CALLS or not call.args:
        return
    place, first = f"{path}:{call.lineno}", call.args[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        text = re.sub(r"%[-\d.]*[sdrf]", "{}", first.value)
        yield Said(text, text.count("{}"), place)
    elif isinstance(first, ast.JoinedStr):
        parts = [str(one.value) if isinstance(one, ast.Constant) else "{}" for one in first.values]
        yield Said("".join(parts), parts.count("{}"), place)


def ready(lines: Iterable[Said]) -> Said | None:
    return next((one for one in lines if _READY.search(one.text) and not _DONE.search(one.text)), None)


def begins(lines: Iterable[Said]) -> Said | None:
    return next((one for one in lines if one.holes and _BEGINS.search(one.text) and not _DONE.search(one.text)), None)


def done(lines: Iterable[Said]) -> Said | None:
    return next((one for one in lines if one.holes and _DONE.search(one.text)), None)


def queue_name(kind: str, text: str) -> str:
    """The name of the queue that a source reads; "" if it shows none."""
    found = _QUEUES[kind].search(text) if kind in _QUEUES else None
    return found[1] if found else ""


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[str, ...]


def table(text: str) -> Table | None:
    """The table with the most columns that a source fills."""
    found = [Table(one[0], tuple(c.strip() for c in one[1].split(","))) for one in _TABLE.findall(text)]
    return max(found, key=lambda one: len(one.columns), default=None)


def connection(text: str) -> dict[str, str]:
    return {key: match[1] for key, form in _CONNECTION.items() if (match := form.search(text))}


def task_id(text: str) -> str:
    """The key of a task that holds its id; "" if the source shows none."""
    found = _TASK_ID.search(text)
    return found[1] if found else ""
