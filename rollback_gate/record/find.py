"""Finds a record: the newest of a deployment, or one named by file or URL."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import requests

from rollback_gate.errors import Unreachable
from rollback_gate.model import Unmeasured
from rollback_gate.platform import web
from rollback_gate.record import check
from rollback_gate.record.check import Examination
from rollback_gate.record.seal import Key
from rollback_gate.record.write import HTML_NAME, JSON_NAME, read_text
from rollback_gate.regular import content_of

MOST_BYTES = 20 << 20
FETCH_S = 60
_ERROR = 400
_RECORD_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")


def newest(reports: Path, of_deployment: Callable[[str], bool], key: Key | None) -> tuple[Path, Examination] | None:
    """The newest record of a deployment, from page and data together; None if there is none.

    `of_deployment`: true for an id of this deployment. A record that is unreadable or altered may be a newer one of
    this deployment, and counts too: otherwise an older GO would stand. Raises Unreachable.
    """
    found: list[tuple[Path, Examination]] = []
    for name in _names(reports):
        if found and name[:16] != found[0][0].name[:16]:  # ids begin with the time, to the second
            break
        seen = _of_folder(reports / name, key)
        if seen.was_altered or of_deployment(str(seen.record["deployment"]["id"])):
            found.append((reports / name, seen))
    return max(found, key=lambda row: str(row[1].record.get("began", "~")), default=None)


def all_of(reports: Path, key: Key | None) -> list[tuple[Path, Examination]]:
    """All records, newest first, including unreadable ones. Raises Unreachable."""
    return [(reports / name, _of_folder(reports / name, key)) for name in _names(reports)]


def _names(reports: Path) -> list[str]:
    try:
        names = [path.name for path in reports.iterdir()] if reports.is_dir() else []
    except OSError as error:
        raise Unreachable(
            f"the records in {reports} cannot be listed: {error.strerror}", "run as their owner"
        ) from error
    return sorted(filter(_RECORD_ID.fullmatch, names), reverse=True)


def _of_folder(folder: Path, key: Key | None) -> Examination:
    """Examines both forms. A record that was begun and not written counts as unreadable."""
    try:
        seen = check.examine(read_text(folder / HTML_NAME), key)
        also = check.examine(read_text(folder / JSON_NAME), key)
    except (OSError, UnicodeDecodeError) as error:
        return check.unreadable(str(error))
    seen.items += [item for item in also.problems if item not in seen.items]
    if seen.record != also.record:
        seen.disagrees(f"{HTML_NAME} and {JSON_NAME} do not hold the same: verify did not end, or one was changed")
    if seen.record and seen.record.get("record_id") != folder.name:  # a copy would be newer than what it hides
        seen.disagrees(f"the folder is named {folder.name}, the record in it {seen.record.get('record_id')}")
    return seen


def named(where: str) -> str:
    """The text of the named record. Raises Unreachable, without the query of a URL, which may hold a secret."""
    answer = _fetched(where) if where.startswith(("http://", "https://")) else _read(where)
    if isinstance(answer, Unmeasured):
        raise Unreachable(str(answer), "name report.html or report.json by a path or a URL that can be read")
    return answer


def shown(where: str) -> str:
    """A name for messages: without the query of a URL, which often holds a token."""
    return where.partition("?")[0] if "://" in where else where


def beside(where: str, name: str) -> str:
    """Another file of the same folder; the query of a URL is kept, as it may grant access."""
    path, mark, query = where.partition("?") if "://" in where else (where, "", "")
    return f"{path.rpartition('/')[0]}/{name}{mark}{query}" if "/" in path else name


def _read(where: str) -> str | Unmeasured:
    try:
        return _text(where, content_of(Path(where), MOST_BYTES))
    except OSError as error:
        return Unmeasured(where, error.strerror or str(error))


def _fetched(where: str) -> str | Unmeasured:
    try:
        answer = web.ask(web.Question(where, FETCH_S, MOST_BYTES, by_proxy=True, follows=True))
    except web.NotWhole as error:
        return Unmeasured(shown(where), str(error))
    except (requests.RequestException, OSError) as error:
        return Unmeasured(shown(where), type(error).__name__)
    if answer.status >= _ERROR:
        return Unmeasured(shown(where), f"the server answered {answer.status} {answer.reason}")
    return _text(shown(where), answer.content)


def _text(name: str, content: bytes) -> str | Unmeasured:
    if len(content) > MOST_BYTES:
        return Unmeasured(name, f"it is larger than {MOST_BYTES >> 20} MB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        return Unmeasured(name, str(error))
