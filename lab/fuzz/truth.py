"""The verdict that is due, from what was done to a rollback and what is there; uses no product code. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lab.catalogue.entry import GO, INCONCLUSIVE, NO_GO

_SECOND = 10**9
_MINUTE = 60 * 10**9
ERRORS_ALLOWED = 5  # the profile's limits.errors


@dataclass(frozen=True)
class Container:
    """As the engine reports it. `started`: nanoseconds; `has_setting`: created with what `reconfigure` sets."""

    id: str
    consumes: bool
    is_up: bool
    started: int
    has_setting: bool


@dataclass(frozen=True)
class Line:
    """Lines planted in a container's log. `errors`: the number of error lines; 0: a line of the change."""

    container: str
    at: int
    errors: int


@dataclass(frozen=True)
class World:
    """All times in nanoseconds. `contents`: of the restored file since the beginning, "old" or "new", oldest first.

    `moved`: when a path of the change last came or went. `written`: when the restored file was last written, with any
    content. `marked`: when documents with the mark were made. `unclear`: marked documents have no usable time.
    `compiled`: when the restored file's bytecode was made, and its source's size and time; `orphans`: the same for a
    module that is gone; `size`: of the restored file now. `behind`: what replaces the mounted folder now: "" (nothing),
    "new", or "other" code. `named_in_file`: the Compose file has the setting.
    """

    containers: tuple[Container, ...]
    contents: tuple[tuple[int, str], ...]
    has_modules: bool
    moved: int
    written: int
    lines: tuple[Line, ...] = ()
    marked: tuple[int, ...] = ()
    unclear: bool = False
    paused: bool = False
    named_in_file: bool = False
    left_out: bool = False
    behind: str = ""
    size: int = 0
    compiled: tuple[tuple[int, int, int], ...] = ()
    orphans: tuple[tuple[int, int, int], ...] = ()


def due(world: World) -> tuple[str, list[str]]:
    """The verdict and its reasons."""
    if wrong := [*_wrong_code(world), *_wrong_life(world)]:
        return NO_GO, wrong
    doubts = _doubts(world)
    return (INCONCLUSIVE if doubts else GO), doubts


def _wrong_code(world: World) -> list[str]:
    found = []
    if world.contents[-1][1] == "new" or world.has_modules:
        found.append("code of the change is in place")
    elif any(_in_memory(world, one) == "new" and _is_told(world, one) for one in world.containers if one.is_up):
        found.append("a process that started with the change has it in memory, and bytecode tells")
    if world.behind == "new":
        found.append("the next start would be the change")
    boundary = max((one.started for one in world.containers if one.consumes), default=0)
    if any(at >= boundary for at in world.marked):
        found.append("a document since the boundary carries the mark")
    return found


def _in_memory(world: World, one: Container) -> str:
    return [content for at, content in world.contents if at < one.started][-1]


def _is_told(world: World, one: Container) -> bool:
    """True if bytecode of the process's first minute is of other content than now, or of a module that is gone."""
    then = [row for row in world.compiled if _is_of_start(row, one)]
    gone = not world.has_modules and any(_is_of_start(row, one, 0) for row in world.orphans)
    return gone or (bool(then) and all(size != world.size for _, size, _ in then))


def _is_of_start(row: tuple[int, int, int], one: Container, apart: int = _SECOND) -> bool:
    """Python stores its source's time in whole seconds: within the second of the start, the order is unknown. A module
    that only the change has needs no order (`apart` 0): a process that started with it has it.
    """
    at, _, source_at = row
    return source_at + apart <= one.started <= at <= one.started + _MINUTE


def _wrong_life(world: World) -> list[str]:
    found = ["a container is not up" for one in world.containers if not one.is_up]
    workers = {one.id: one for one in world.containers if one.consumes}
    for one in workers.values():
        own = [line for line in world.lines if line.container == one.id and line.at > one.started]
        if any(not line.errors for line in own):
            found.append("a worker has logged a line of the change")
        if sum(line.errors for line in own) > ERRORS_ALLOWED:
            found.append("a worker has logged more errors than are allowed")
    return found


def _doubts(world: World) -> list[str]:
    found = []
    touched = max(world.written, world.moved)
    if any(touched > one.started for one in world.containers):
        found.append("files are younger than a process, and hold what they held")
    others = {one.id: one.started for one in world.containers if not one.consumes}
    errors = [line.errors for line in world.lines if line.at > others.get(line.container, line.at)]
    if sum(errors) > ERRORS_ALLOWED:
        found.append("another service has logged errors, and nobody knows what is usual")
    if any(one.has_setting != world.named_in_file for one in world.containers):
        found.append("the configuration is another one now")
    flags = {
        "a marked document has no time": world.unclear,
        "the queue is paused": world.paused,
        "a container of another service mounts the code": world.left_out,
        "another folder lies behind the mount": world.behind == "other",
    }
    return found + [says for says, holds in flags.items() if holds]
