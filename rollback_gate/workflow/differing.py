"""What differs between old and new in a project's folder: for a proposed profile."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rollback_gate.change import git
from rollback_gate.draft import imports
from rollback_gate.errors import Refused, RollbackGateError
from rollback_gate.platform.commands import SubprocessRunner, allowed

_BACKUP = re.compile(r"^(?P<base>.+?)\.(?:backup|bak|orig|old)(?:[._-](?P<stamp>.*))?$")
_STAMPS = {r"\d{8}_\d{6}": "%Y%m%d_%H%M%S", r"\d{8}-\d{6}": "%Y%m%d-%H%M%S", r"\d{8}": "%Y%m%d"}
_SKIPPED = {".git", ".rollback", "node_modules", "__pycache__", ".venv"}
_MOST_BYTES, _MOST_FILES, _MOST_SOURCES, _MOST_CHANGED = 1 << 20, 20_000, 2_000, 200


@dataclass(frozen=True)
class Pair:
    """One file of the change. `old`: None if the change has added it; `why`: how that is known; `backups`: a glob."""

    path: str
    old: str | None
    new: str
    why: str
    backups: str = ""
    stamp: str = ""


@dataclass(frozen=True)
class Difference:
    """Of one project. `environment`: of git's processes.

    `revisions`: "git:OLD..NEW", or "" to look for backups, then at the last two commits.
    """

    environment: Mapping[str, str]
    directory: Path
    revisions: str

    def pairs(self) -> Iterator[Pair]:
        if self.revisions:
            old, _, latest = self.revisions.removeprefix("git:").partition("..")
            yield from self._of_git(old, latest or "HEAD")
            return
        found = list(self._of_backups())
        yield from found
        if not found and any((place / ".git").exists() for place in (self.directory, *self.directory.parents)):
            with contextlib.suppress(RollbackGateError):  # one commit only: nothing to compare
                yield from self._of_git("HEAD~1", "HEAD")

    def _of_backups(self) -> Iterator[Pair]:
        newest: dict[str, tuple[str, Path]] = {}
        for number, path in enumerate(self.directory.rglob("*")):
            relative = path.relative_to(self.directory)
            match = _BACKUP.match(path.name)
            if number > _MOST_FILES:
                break
            if match and path.is_file() and not _SKIPPED & set(relative.parts):
                base = str(relative.with_name(match["base"]))
                newest[base] = max(newest.get(base, ("", path)), (match["stamp"] or "", path))
        for base, (stamp, path) in sorted(newest.items()):
            old, now = text_of(path), text_of(self.directory / base)
            if old is not None and now is not None and old != now:
                form = next((form for shape, form in _STAMPS.items() if re.fullmatch(shape, stamp)), "")
                glob = base + path.name[len(PurePosixPath(base).name) :].replace(stamp, "*") if stamp else f"{base}.*"
                yield Pair(base, old, now, f"its newest backup is {path.name}", glob, form)

    def _of_git(self, old: str, latest: str) -> Iterator[Pair]:
        runner = SubprocessRunner(allowed(self.environment), run_as=git.owner(self.directory))
        history = git.History(self.directory, runner)
        try:
            for status, path in history.compared(old, latest)[:_MOST_CHANGED]:
                now = history.text(latest, path) if status in "AM" else None
                before = history.text(old, path) if status == "M" else None
                if now is not None and (status == "A" or before is not None):
                    yield Pair(path, before, now, f"git diff {old} {latest}", f"{path}.backup.*" if before else "")
        except Refused as error:
            raise Refused(error.message, "name two revisions: --from git:A..B") from error


def brought(pairs: Sequence[Pair], sources: Sources) -> list[tuple[str, str]]:
    """Paths that only the change's code imports, each with the file that does: it may have brought them.

    Who uses what is not known of a project whose files were not all read.
    """
    if not sources.are_all:
        return []
    changed = [pair for pair in pairs if pair.path in sources.texts and pair.old is not None]
    found = (
        (path, pair.path) for pair in changed for path in imports.brought(pair.path, pair.old or "", sources.texts)
    )
    known = {pair.path for pair in pairs}
    return [(path, by) for path, by in dict(found).items() if not any(imports.is_in(one, path) for one in known)]


@dataclass(frozen=True)
class Sources:
    """The Python files of a project, by path. `are_all`: False if some were too many, too large or no text."""

    texts: Mapping[str, str]
    are_all: bool


def sources_of(directory: Path) -> Sources:
    relative = (path.relative_to(directory) for path in sorted(directory.rglob("*.py")))
    own = [path for path in relative if not _SKIPPED & set(path.parts)]
    read = {str(path): text_of(directory / path) for path in own[:_MOST_SOURCES]}
    texts = {path: text for path, text in read.items() if text is not None}
    return Sources(texts, len(texts) == len(own))


def text_of(path: Path) -> str | None:
    """None for what is no text, or too large."""
    try:
        return path.read_text() if path.stat().st_size <= _MOST_BYTES else None
    except (OSError, UnicodeDecodeError):
        return None
