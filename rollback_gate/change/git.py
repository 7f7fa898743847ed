"""Old code from the project's git history (runbook, Troubleshooting, Backup file not found).

The runbook uses HEAD, but HEAD contains the change. This takes the last commit in which the file's content is old code.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from rollback_gate.change.content import Content, Source, classify
from rollback_gate.errors import CommandFailed, Refused
from rollback_gate.platform.commands import Completed, Runner
from rollback_gate.profile.deployment import FileItem

MOST_COMMITS = 500
# `owner` has checked the ownership. Bare repositories are not discovered: any folder can be made to look like one.
_TRUSTED = ("-c", "safe.directory=*", "-c", "safe.bareRepository=explicit")
_OWN_SETTINGS = ("GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none", "GIT_CONFIG_GLOBAL=/dev/null")
_EXECUTABLE = "100755"


@dataclass(frozen=True)
class _Blob:
    data: bytes
    is_executable: bool


@dataclass(frozen=True)
class History:
    """The repository that holds `directory`. Read-only: no checkout, no index, no hooks.

    `runner`: if this process is root, it runs git as the repository's owner (`owner`).
    """

    directory: Path
    runner: Runner

    def newest_old(self, item: FileItem) -> Source:
        """The file in the last commit in which it is old code. Raises Refused, naming what was searched."""
        path = item.path
        commits = self._git("rev-list", f"--max-count={MOST_COMMITS}", "HEAD", "--", path).split()
        if not commits:
            raise Refused(f"git knows no commit of {path}", "look with git log whether it is tracked there")
        for commit in commits:
            blob = self._blob(commit, path)
            if blob is not None and classify(blob.data, item)[0] is Content.OLD:
                return self._source(path, commit, blob)
        raise Refused(
            f"in none of the last {len(commits)} commits of {path} it is old code",
            "name another revision with --rev, for example one of another branch",
        )

    def at(self, item: FileItem, rev: str) -> Source:
        """The file in the revision that the operator named. Raises Refused if it is not old code."""
        path = item.path
        commit = self._git("rev-parse", "--verify", "--end-of-options", f"{rev}^{{commit}}").strip()
        blob = self._blob(commit, path)
        if blob is None:
            raise Refused(f"revision {rev} has no {path}", "choose another one: git log -- " + path)
        content, why = classify(blob.data, item)
        if content is not Content.OLD:
            raise Refused(f"{path} in revision {rev} is {content} ({why})", "choose another one: git log -- " + path)
        return self._source(path, commit, blob)

    def compared(self, old: str, latest: str) -> list[tuple[str, str]]:
        """Status (A, M, D, ...) and path of each file below the folder that differs. Raises Refused."""
        told = self._git("diff", "--name-status", "--no-renames", "--relative", "-z", old, latest).split("\0")
        return list(zip(told[::2], told[1::2], strict=False))

    def text(self, rev: str, path: str) -> str | None:
        """A file as committed; None for what is no text, or no file: a submodule. Raises Refused."""
        blob = self._blob(rev, path)
        try:
            return blob.data.decode() if blob is not None else None
        except UnicodeDecodeError:
            return None

    def _source(self, path: str, commit: str, blob: _Blob) -> Source:
        top = self._git("rev-parse", "--show-toplevel").removesuffix("\n")
        found = Source.of(path, "git", commit[:12], blob.data)
        return replace(found, is_executable=blob.is_executable, repository=top)

    def _blob(self, commit: str, path: str) -> _Blob | None:
        """The file as committed; None if the commit does not have it."""
        listed = self._git("ls-tree", commit, "--", path).strip()
        if not listed or listed.split()[1] != "blob":
            return None
        data = self._run("cat-file", "blob", f"{commit}:./{path}").raw
        return _Blob(data, listed.startswith(_EXECUTABLE))

    def _git(self, *arguments: str) -> str:
        return self._run(*arguments).stdout

    def _run(self, *arguments: str) -> Completed:
        # The operator is often not the repository's owner, which git refuses without these options; nothing is written.
        # Remotes in the repository's own configuration are ignored: they could name a command to run.
        command = ("env", *_OWN_SETTINGS, "git", *_TRUSTED, *arguments)
        try:
            return self.runner(command, cwd=self.directory)
        except CommandFailed as error:
            raise Refused(
                f"git cannot tell: {error.message}",
                "is git installed? Can the repository's owner, as whom git runs, reach it? Else by hand, into a backup:"
                " git show REVISION:./PATH > PATH.backup.STAMP",
            ) from error


def owner(directory: Path) -> tuple[int, int] | None:
    """Uid and gid of the owner of the repository that holds a folder, if this process is root and the owner is not.

    A repository's configuration can name commands, which root must not run. None: git runs as this process. Raises
    Refused for a repository owned by a third party, who could have placed it in a parent folder.
    """
    found = next((place / ".git" for place in (directory, *directory.parents) if (place / ".git").exists()), directory)
    try:
        status, trusted = found.lstat(), {0, os.geteuid(), directory.stat().st_uid}
    except OSError:
        return None  # missing: git reports that
    if status.st_uid not in trusted:
        raise Refused(
            f"{found} belongs to uid {status.st_uid}, who owns neither the project nor this process",
            "what is in it could be anybody's: if it is the team's, give it to the project's owner (chown), or name"
            " another source with --backup or --image",
        )
    return (status.st_uid, status.st_gid) if os.geteuid() == 0 and status.st_uid else None
