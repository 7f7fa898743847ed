"""Finding a record: the newest of a deployment, or the one that somebody names by file or URL."""

from __future__ import annotations

from pathlib import Path

import requests

from rollback_gate.errors import Unreachable
from rollback_gate.model import Unmeasured
from rollback_gate.record import check
from rollback_gate.record.check import Examination
from rollback_gate.record.seal import Key
from rollback_gate.record.write import HTML_NAME, JSON_NAME

MOST_BYTES = 20 << 20


def newest(reports: Path, project: str, profile: str, key: Key | None) -> tuple[Path, Examination] | None:
    """The newest record of this deployment, by page and data together; None where there is none.

    One that cannot be read, and may be a newer one, is taken too: it must not let an older GO stand.
    """
    names = sorted((p.name for p in reports.iterdir() if p.is_dir()), reverse=True) if reports.is_dir() else []
    found: list[tuple[Path, Examination]] = []
    for name in names:
        if found and name[:16] != found[0][0].name[:16]:  # ids begin with their second
            break
        seen = _of_folder(reports / name, key)
        if seen is not None and _is_of(seen, project, profile):
            found.append((reports / name, seen))
    return max(found, key=lambda row: str(row[1].record.get("began", "~")), default=None)


def _is_of(seen: Examination, project: str, profile: str) -> bool:
    deployment = seen.record.get("deployment")
    if not isinstance(deployment, dict):
        return True
    return str(deployment.get("id")).split("/")[1:] == [project, profile]


def _of_folder(folder: Path, key: Key | None) -> Examination | None:
    """None for a folder that holds no record at all."""
    page, data = folder / HTML_NAME, folder / JSON_NAME
    if not page.exists() and not data.exists():
        return None
    try:
        text = data.read_text(encoding="utf-8")
        seen = check.examine(page.read_text(encoding="utf-8"), key)
        also = check.examine(text, key)
    except (OSError, UnicodeDecodeError) as error:
        return check.unreadable(str(error))
    seen.items += [item for item in also.problems if item not in seen.items]
    if seen.record != also.record:
        seen.disagrees(f"{HTML_NAME} and {JSON_NAME} are not of the same verify")
    return seen


def named(where: str) -> str:
    """The text of a record that somebody names. Raises Unreachable."""
    answer = _fetched(where) if where.startswith(("http://", "https://")) else _read(where)
    if isinstance(answer, Unmeasured):
        raise Unreachable(str(answer), "name report.html or report.json by a path or a URL that can be read")
    return answer


def _read(where: str) -> str | Unmeasured:
    try:
        return Path(where).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Unmeasured(where, str(error))


def _fetched(where: str) -> str | Unmeasured:
    try:
        with requests.get(where, timeout=10, stream=True) as answer:
            answer.raise_for_status()
            content = answer.raw.read(MOST_BYTES + 1, decode_content=True)
    except (requests.RequestException, OSError) as error:
        return Unmeasured(where, str(error))
    if len(content) > MOST_BYTES:
        return Unmeasured(where, f"it is larger than {MOST_BYTES >> 20} MB")
    return str(content.decode(errors="replace"))
