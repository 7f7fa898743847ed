"""What a worker's Python source says of its log lines, its queue and its table. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_READY = re.compile(r"(?i)\b(ready|listening|consum\w*|started|connected|waiting|up|running|online)\b")
_BEGINS = re.compile(r"(?i)\b(begins?|start\w*|pick\w*|receiv\w*|process\w*|handl\w*|working)\b")
_TAKES = re.compile(r"(?i)\b(pick\w*|receiv\w*|process\w*|handl\w*)\b")
_DONE = re.compile(r"(?i)\b(done|finish\w*|completed?|saved|stored)\b")
_ID = re.compile(r"(?i)(^|[._])id\b|document|task|job|item|message|order")
_LONGEST = 500
_CALLS = {"print", "debug", "info", "warning", "log"}
_A_NAME = r"(f?[\"'][\w:.-]+[\"']|[A-Za-z_][\w.]*)"  # a text, or what is assigned one somewhere
_QUEUES = {  # what takes tasks counts before what adds them, which may be another queue's
    "redis": (
        re.compile(rf"\b(?:brpop|blpop|brpoplpush|blmove)\(\s*{_A_NAME}"),
        re.compile(rf"\b(?:lpush|rpush)\(\s*{_A_NAME}"),
    ),
    "rabbitmq": (re.compile(rf"\b(?:queue_declare|basic_consume|consume)\(\s*(?:queue\s*=\s*)?{_A_NAME}"),),
}
_LEVELS = "DEBUG|INFO|WARNING|ERROR|CRITICAL"
_STREAM = re.compile(rf"\bxreadgroup\(\s*(?:groupname\s*=\s*)?{_A_NAME}\s*,[^{{}}]*?\{{\s*{_A_NAME}\s*:", re.DOTALL)
_FORMAT = re.compile(r"""["']([^"'\n]*%\(levelname\)[^"'\n]*)["']""")
_TABLE = re.compile(r"(?i)\binsert\s+into\s+([\w.]+)\s*\(([^)]*)\)")
_CONNECTION = {  # a text, or a word of a connection's text: `database = psycopg2.connect(...)` names none
    "name": re.compile(r"\b(?:dbname|database)\s*=\s*[\"']([\w-]+)[\"']|[\"'\s]dbname=([\w-]+)"),
    "user": re.compile(r"\buser\s*=\s*[\"']([\w-]+)[\"']|[\"'\s]user=([\w-]+)"),
}
_TASK_ID = re.compile(r"json\.loads\(.*?\)\[[\"']((?:\w+_)?(?:id|key|name|path))[\"']\]")


@dataclass(frozen=True)
class Said:
    """A line that the source prints: as a pattern, `{}` for what is filled in. `fillings`: with which expressions."""

    text: str
    place: str
    fillings: tuple[str, ...] = ()

    @property
    def holes(self) -> int:
        return self.text.count("{}")

    @property
    def is_on_a_task(self) -> bool:
        return any(_ID.search(filling) for filling in self.fillings[: self.holes])

    @property
    def path(self) -> str:
        return self.place.rpartition(":")[0]

    def pattern(self, group: str = "") -> str:
        """A regular expression. `group`: the name of the hole that an id fills, else of the first one."""
        parts = [re.escape(part).replace("\\ ", " ") for part in self.text.split("{}")]
        named = next((n for n, filling in enumerate(self.fillings[: self.holes]) if _ID.search(filling)), 0)
        made = parts[0]
        for number, part in enumerate(parts[1:]):
            if number == 0 or parts[number]:  # holes side by side are one: each would try all that the others have
                made += f"(?P<{group}>\\S+)" if group and number <= named < self._until(parts, number) else r"\S+"
            made += part
        return made

    @staticmethod
    def _until(parts: list[str], number: int) -> int:
        """The number of the hole after those that stand side by side from this one on."""
        return next((n for n in range(number + 1, len(parts) - 1) if parts[n]), len(parts) - 1)


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
        text = re.sub(r"%[-\d.]*[sdrf]", "{}", first.value).replace("%%", "%")
        yield Said(text, place, tuple(ast.unparse(one) for one in call.args[1:]))
    elif isinstance(first, ast.JoinedStr):
        parts = [str(one.value) if isinstance(one, ast.Constant) else "{}" for one in first.values]
        fillings = tuple(ast.unparse(one.value) for one in first.values if isinstance(one, ast.FormattedValue))
        yield Said("".join(parts), place, fillings)


def either(one: Said, other: Said | None, group: str = "") -> str:
    """A pattern for what old and new code print: a rollback waits for the one, and the change is seen by the other."""
    mine, theirs = one.pattern(group), other.pattern(group) if other else ""
    if not theirs or mine == theirs:
        return mine
    if not group:
        return f"(?:{mine}|{theirs})"
    named = rf"(?P<{group}>\S+)"
    (before, _, after), (also_before, _, also_after) = mine.partition(named), theirs.partition(named)
    return f"(?:{before}|{also_before}){named}(?:{after}|{also_after})"


def ready(lines: Iterable[Said], log: str = "") -> Said | None:
    """The last line of a start: before the first one on a task. `log`: of a worker that reads the queue.

    Without a log that has one, the first of those that sound like it.
    """
    rows = list(lines)
    fitting = [one for one in rows if _READY.search(one.text) and not _DONE.search(one.text) and not _is_begun(one)]
    tasks = [re.compile(one.pattern()) for one in rows if one.is_on_a_task]
    return _last_before(fitting, tasks, log.splitlines()) or next(iter(fitting), None)


def _is_begun(one: Said) -> bool:
    """A task is taken: no line of a start, whatever words it has."""
    return one.holes > 0 and bool(_TAKES.search(one.text))


def _last_before(fitting: list[Said], tasks: list[re.Pattern[str]], log: list[str]) -> Said | None:
    """The last of these lines that a log has before a task; None if it has none of them."""
    patterns = [(one, re.compile(one.pattern())) for one in fitting]
    found = None
    for line in (line[:_LONGEST] for line in log):
        if found and any(task.search(line) for task in tasks):
            break
        found = next((one for one, form in patterns if form.search(line)), found)
    return found


def begins(lines: Iterable[Said]) -> Said | None:
    return _on_a_task(one for one in lines if _BEGINS.search(one.text) and not _DONE.search(one.text))


def done(lines: Iterable[Said]) -> Said | None:
    return _on_a_task(one for one in lines if _DONE.search(one.text))


def _on_a_task(lines: Iterable[Said]) -> Said | None:
    """The first with an id in it, else the first with anything in it."""
    rows = [one for one in lines if one.holes]
    return next((one for one in rows if one.is_on_a_task), next(iter(rows), None))


def error(log: str, sources: str = "") -> str:
    """A pattern for error lines: by a format that the source gives its log, if the log has such lines; else by the log.

    Of Python's own form if the log has that, else of the level anywhere in the line.
    """
    traceback = r"^Traceback \(most recent call last\):"
    lines = [line.split(" ", 1)[-1] for line in log.splitlines()[:_LONGEST]]  # after the engine's timestamp
    for written in _FORMAT.finditer(sources):
        before = written[1].partition("%(levelname)")[0]
        literal = re.escape(re.split(r"%\(\w+\)[-\d.]*[sdf]", before)[-1]).replace("\\ ", " ")
        start = "" if "%(" in before else "^"
        if any(re.search(rf"{start}{literal}\s*(?:{_LEVELS})\b", line) for line in lines):
            return rf"{start}{literal}\s*(?:ERROR|CRITICAL)\b|{traceback}"
    is_pythons = not log or any(re.match(rf"(?:{_LEVELS}):", line) for line in lines)
    return f"^ERROR:|{traceback}" if is_pythons else rf"(?:^|[\s\[|])(?:ERROR|CRITICAL)[\]:\s|]|{traceback}"


def pops_left(text: str) -> bool:
    """True if a source takes tasks from a list's left end: its producers add at the right one."""
    return bool(re.search(r"\bb?lpop\(", text))


def queue_name(kind: str, text: str, everything: str = "") -> str:
    """The name of the queue that a source reads; "" if it shows none. `everything`: has what constants are assigned."""
    if kind == "redis" and (of_stream := _STREAM.search(text)):
        return _text(of_stream[2], everything or text)
    for form in _QUEUES.get(kind, ()):
        if written := list(form.finditer(text)):
            return next((name for found in written if (name := _text(found[1], everything or text))), "")
    return ""


def group(text: str) -> str:
    """The consumer group by which a source reads a stream; "" if it shows none."""
    found = _STREAM.search(text)
    return _text(found[1], text) if found else ""


def _text(written: str, sources: str) -> str:
    """A literal as it is; of a name, the text that it is assigned, if that is one."""
    if written[-1] in "\"'":
        return written.lstrip("f").strip("\"'")
    name = re.escape(written.rpartition(".")[2])
    values = dict.fromkeys(re.findall(rf"(?m)^\s*{name}\s*(?::\s*\w+\s*)?=\s*[\"']([\w:.-]+)[\"']", sources))
    return next(iter(values)) if len(values) == 1 else ""


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[str, ...]


def table(text: str) -> Table | None:
    """The table with the most columns that a source fills."""
    found = [Table(one[0], tuple(c.strip() for c in one[1].split(","))) for one in _TABLE.findall(text)]
    return max(found, key=lambda one: len(one.columns), default=None)


def connection(text: str) -> dict[str, str]:
    return {key: match[1] or match[2] for key, form in _CONNECTION.items() if (match := form.search(text))}


def task_id(text: str) -> str:
    """The key of a task that holds its id; "" if the source shows none."""
    found = _TASK_ID.search(text)
    return found[1] if found else ""
