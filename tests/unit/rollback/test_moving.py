"""Real devices: pytest's folder and the memory's."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rollback_gate.rollback import files, moving


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """On another device than `tmp_path`."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        assert Path(name).stat().st_dev != tmp_path.stat().st_dev
        yield Path(name)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "a/errors"
    folder.mkdir(parents=True)
    (folder / "x.py").write_text("x")
    (folder / "link").symlink_to("x.py")
    for number in range(40):
        (folder / f"{number}.txt").write_text(str(number) * 10_000)
    return folder


def holds_all(target: Path) -> bool:
    whole = all((target / f"{n}.txt").read_text() == str(n) * 10_000 for n in range(40))
    return whole and (target / "link").is_symlink() and (target / "x.py").read_text() == "x"


@pytest.mark.parametrize("crosses", [False, True])
def test_a_folder_with_its_content_and_links(source: Path, tmp_path: Path, elsewhere: Path, crosses: bool) -> None:
    """Also after an earlier try was killed."""
    target = (elsewhere if crosses else tmp_path) / "q/errors"
    half = files.temporary(target)
    half.mkdir(parents=True)
    (half / "half").write_text("of an earlier try")
    moving.move(source, target)
    assert not moving.is_there(source)
    assert holds_all(target)
    if crosses:
        assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_and_a_link_across_devices(tmp_path: Path, elsewhere: Path, kind: str) -> None:
    path, target = tmp_path / "one", elsewhere / "one"
    path.write_text("x") if kind == "file" else path.symlink_to("/nowhere")
    moving.move(path, target)
    assert not moving.is_there(path)
    assert target.read_text() == "x" if kind == "file" else target.readlink() == Path("/nowhere")


def test_who_writes_there_by_its_name_loses_nothing(source: Path, elsewhere: Path) -> None:
    """What was written before is in the target, what comes later is where it was written, or was refused."""
    written: list[str] = []
    stopped = threading.Event()

    def write() -> None:
        number = 0
        while not stopped.is_set():
            number += 1
            try:
                (source / f"new-{number}").write_text("new")
                written.append(f"new-{number}")
            except FileNotFoundError:
                continue

    writer = threading.Thread(target=write)
    writer.start()
    try:
        moving.move(source, elsewhere / "errors")
    finally:
        stopped.set()
        writer.join()
    assert holds_all(elsewhere / "errors")
    places = (elsewhere / "errors", source)
    assert [name for name in written if not any((place / name).exists() for place in places)] == []


def test_who_has_it_open_is_noticed_and_nothing_is_gone(source: Path, elsewhere: Path) -> None:
    with writing_to(source / "log"), pytest.raises(OSError, match="it is being written to") as caught:
        moving.move(source, elsewhere / "errors")
    assert caught.value.errno == errno.EBUSY
    assert holds_all(source)
    assert list(elsewhere.iterdir()) == []


class Growing:
    """A file that grows by as much as was read of it, before each reading."""

    def __init__(self, path: Path) -> None:
        self.path, self.file, self.reads = path, os.fdopen(os.open(path, os.O_RDONLY), "rb"), 0

    def __enter__(self) -> Growing:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def fileno(self) -> int:
        return self.file.fileno()

    def read(self, size: int) -> bytes:
        self.reads += 1
        assert self.reads < 100, "it would have no end"
        with os.fdopen(os.open(self.path, os.O_APPEND | os.O_WRONLY), "ab") as more:
            more.write(b"x" * size)
        return self.file.read(size)


def test_a_file_that_grows_faster_than_it_is_read_has_an_end(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source / "log").write_bytes(b"first")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", lambda path, _: Growing(path))
        assert files.digest(source / "log") == hashlib.sha256(b"first").hexdigest()


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    stopped, begun = threading.Event(), threading.Event()

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            while not stopped.is_set():
                file.write(b"x" * 4096)
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    try:
        yield
    finally:
        stopped.set()
        writer.join()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", range(1, 8))
@pytest.mark.parametrize("made_anew", [False, True])
def test_killed_anywhere_and_called_again(
    source: Path, elsewhere: Path, moment: int, made_anew: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its n-th change of a name; a process may have made the folder anew by then."""
    target, count = elsewhere / "errors", 0

    def kills(real: Callable[..., Any]) -> Callable[..., Any]:
        def effect(*arguments: Any, **keywords: Any) -> Any:
            nonlocal count
            count += 1
            if count == moment:
                raise Killed
            return real(*arguments, **keywords)

        return effect

    with monkeypatch.context() as patched:
        for owner, name in ((Path, "rename"), (Path, "unlink"), (os, "fsync")):
            patched.setattr(owner, name, kills(getattr(owner, name)))
        with pytest.raises(Killed):
            moving.move(source, target)
    assert moving.is_there(source)
    if made_anew and not source.exists():
        source.mkdir()
        (source / "anew").write_text("anew")
        moving.settle(source, target)
        assert (source / "anew").read_text() == "anew"
        (source / "anew").unlink()
        source.rmdir()
    elif not made_anew:
        moving.move(source, target)
        assert not moving.is_there(source)
    else:
        return
    assert holds_all(target)
    assert list(elsewhere.iterdir()) == [target]


def test_pipes_and_sockets_have_nothing_to_lose(source: Path, elsewhere: Path) -> None:
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(source / "socket"))
        moving.move(source, elsewhere / "errors")
    assert holds_all(elsewhere / "errors")
    assert not moving.is_there(source)


def test_modes_come_along(source: Path, elsewhere: Path) -> None:
    """A change of owner cuts some of them: they are set after it."""
    (source / "x.py").chmod(0o6755)
    source.chmod(0o2750)
    moving.move(source, elsewhere / "errors")
    target = elsewhere / "errors"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (target, target / "x.py")] == [0o2750, 0o6755]


@pytest.mark.parametrize("length", [200, 255])
def test_a_long_name_is_a_name(tmp_path: Path, elsewhere: Path, length: int) -> None:
    path = tmp_path / ("n" * length)
    path.write_text("x")
    assert not moving.is_there(tmp_path / ("m" * length))
    moving.move(path, elsewhere / path.name)
    assert (elsewhere / path.name).read_text() == "x"
    files.replace_file(elsewhere / path.name, b"y")
    assert (elsewhere / path.name).read_text() == "y"


def test_what_lies_aside_is_never_in_the_way_for_ever(source: Path, tmp_path: Path, elsewhere: Path) -> None:
    """Planted, or left by two kills: the source was made anew, and the target holds something else."""
    target = elsewhere / "errors"
    target.mkdir()
    (target / "other").write_text("other")
    aside = source.with_name(f".{files.mark(source)}.rollback-gate.moving")
    aside.write_text("planted")
    moving.settle(source, target)
    assert not aside.exists()
    assert (elsewhere / "errors.2").read_text() == "planted"
    assert holds_all(source)


def test_a_copy_that_breaks_off_leaves_nothing_half_made(
    source: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that is full, what was copied would be in the way of everything that follows."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        moving.move(source, elsewhere / "errors")
    monkeypatch.undo()
    moving.settle(source, elsewhere / "errors")
    assert holds_all(source)
    assert list(elsewhere.iterdir()) == []


def test_nobody_can_enter_where_a_copy_is_made(source: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who owns the folder around it could put a link in its place, and root would give away what it leads to."""
    seen: list[int] = []
    real = moving._copy

    def looked(one: Path, copy: Path) -> None:
        (work,) = elsewhere.iterdir()
        seen.append(stat.S_IMODE(work.stat().st_mode))
        work.rename(elsewhere / "moved away")
        real(one, copy)
        (elsewhere / "moved away").rename(work)

    monkeypatch.setattr(moving, "_copy", looked)
    moving.move(source, elsewhere / "errors")
    assert seen == [0o700]
    assert holds_all(elsewhere / "errors")
