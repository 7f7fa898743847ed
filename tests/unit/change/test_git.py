"""Old code out of a real repository; nothing of it is changed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from rollback_gate.change.git import History, owner
from rollback_gate.errors import Refused
from rollback_gate.platform.commands import SubprocessRunner
from tests.unit.builders import ORCHESTRATOR, phase1
from tests.unit.change.test_sources import NEW, OLD

ITEM = phase1().file(ORCHESTRATOR)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return made(tmp_path)


def made(tmp_path: Path) -> History:
    """The project is a folder of the repository; contents are not text as people like it."""
    project = tmp_path / "packages/ocr"
    path = project / ORCHESTRATOR
    path.parent.mkdir(parents=True)
    git(tmp_path, "init", "-q")
    for content in (OLD + b"# first\n", OLD + b"# second\r\n\xff\n", NEW):
        path.write_bytes(content)
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", "a change")
    git(tmp_path, "rm", "-q", str(path))
    git(tmp_path, "commit", "-qm", "gone")
    return History(project, SubprocessRunner({**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}))


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "core.autocrlf=false", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_the_last_commit_that_is_old_code_byte_for_byte(history: History) -> None:
    """Neither HEAD, which removed the file, nor the change before it; line ends and odd bytes stay."""
    (history.directory / "enrichment_service/workers").mkdir(parents=True, exist_ok=True)
    assert history.newest_old(ITEM).data == OLD + b"# second\r\n\xff\n"


def test_a_source_names_its_repository(history: History, tmp_path: Path) -> None:
    """Which one it was cannot be told from the commit, and `git` looks in the folders above."""
    history.directory.mkdir(parents=True, exist_ok=True)
    source = history.newest_old(ITEM)
    assert source.says == f"git {source.origin} of {tmp_path}"
    assert history.at(ITEM, "HEAD~3").says.endswith(f" of {tmp_path}")


@pytest.mark.parametrize(
    ("rev", "says"),
    [
        ("HEAD", "has no "),
        ("HEAD~1", "is code of the change"),
        ("none", "git cannot tell"),
        ("--help", "git cannot tell"),
    ],
)
def test_a_revision_by_hand_must_be_old_code(history: History, rev: str, says: str) -> None:
    """A revision that the operator names is classified as any other source; an option is no revision."""
    history.directory.mkdir(parents=True, exist_ok=True)
    assert history.at(ITEM, "HEAD~3").data == OLD + b"# first\n"
    with pytest.raises(Refused, match=says):
        history.at(ITEM, rev)


def test_a_repository_starts_no_command(history: History, tmp_path: Path) -> None:
    """A promised object that is missing would be fetched, by whatever command the repository names, as this user."""
    history.directory.mkdir(parents=True, exist_ok=True)
    for path in (tmp_path / ".git/objects").glob("??/*"):
        if git(tmp_path, "cat-file", "-t", f"{path.parent.name}{path.name}") == "blob":
            path.unlink()
    settings = {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::sh -c touch% {tmp_path / 'ran'}",
        "protocol.ext.allow": "always",
    }
    for name, value in settings.items():
        git(tmp_path, "config", name, value)
    with pytest.raises(Refused, match="git cannot tell"):
        history.newest_old(ITEM)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(subprocess.CalledProcessError):
        git(history.directory, "cat-file", "blob", f"HEAD~3:./{ORCHESTRATOR}")
    assert (tmp_path / "ran").exists(), "git by itself runs it: this test can fail"


def test_a_repository_that_somebody_else_has_put_above_is_not_believed(history: History, tmp_path: Path) -> None:
    """In a folder that everybody may write: its `old code` could be anybody's, and would run as root."""
    history.directory.mkdir(parents=True, exist_ok=True)
    assert owner(history.directory) is None
    os.chown(tmp_path / ".git", 65534, 65534, follow_symlinks=False)
    with pytest.raises(Refused, match="belongs to uid 65534"):
        owner(history.directory)
    os.chown(history.directory, 65534, 65534)
    assert owner(history.directory) == (65534, 65534), "the project's owner is trusted, and git runs as them"


def test_a_folder_that_looks_like_a_repository_is_none(history: History, tmp_path: Path) -> None:
    """git takes any folder with HEAD, objects and refs for one."""
    bare = tmp_path / "bare"
    git(tmp_path, "clone", "-q", "--bare", str(tmp_path), str(bare))
    (bare / ORCHESTRATOR).parent.mkdir(parents=True)
    with pytest.raises(Refused, match="git cannot tell"):
        History(bare, history.runner).newest_old(ITEM)


def test_no_repository_and_an_unknown_file(history: History, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Both are refused in git's own terms, and are no empty file."""
    history.directory.mkdir(parents=True, exist_ok=True)
    with pytest.raises(Refused, match=r"git knows no commit of other\.py"):
        history.newest_old(ITEM.model_copy(update={"path": "other.py"}))
    alone = History(tmp_path_factory.mktemp("alone"), history.runner)
    with pytest.raises(Refused, match="git cannot tell"):
        alone.newest_old(ITEM)


def test_what_git_knows_of_a_files_mode_comes_along(history: History) -> None:
    """Two of the history's commits have it as a plain file; the newest old one is made a program."""
    path = history.directory / ORCHESTRATOR
    path.parent.mkdir(parents=True, exist_ok=True)
    assert history.at(ITEM, "HEAD~3").is_executable is False
    path.write_bytes(OLD)
    path.chmod(0o755)
    git(history.directory, "add", "-A")
    git(history.directory, "commit", "-qm", "a program")
    assert history.newest_old(ITEM).is_executable is True


def test_root_reads_a_repository_as_its_owner() -> None:
    """Whatever it could be made to run, it does not run as root."""
    nobody = 65534
    with tempfile.TemporaryDirectory() as name:
        history = made(Path(name))
        history.directory.mkdir(parents=True, exist_ok=True)
        assert owner(history.directory) is None, "it is this process's own"
        if os.geteuid() != 0:
            return  # nobody else than root can be somebody else
        for place in (Path(name), *Path(name).rglob("*")):
            os.chown(place, nobody, nobody, follow_symlinks=False)
        assert owner(history.directory) == (nobody, nobody)
        runner = SubprocessRunner({"PATH": os.environ["PATH"], "HOME": "/root"}, run_as=owner(history.directory))
        assert runner(("id", "-u")).stdout.strip() == str(nobody)
        assert History(history.directory, runner).newest_old(ITEM).data == OLD + b"# second\r\n\xff\n"
