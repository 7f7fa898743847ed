"""Goals: from the operator's request, or from a run being resumed or undone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from rollback_gate.change import settings
from rollback_gate.change.content import SETTING, Source
from rollback_gate.change.goal import Direction, Goal, Mode, ModeName
from rollback_gate.change.sources import Choice, OldImage, Sources
from rollback_gate.change.strategy import Strategy
from rollback_gate.errors import Refused
from rollback_gate.instant import Instant
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import ImageItem
from rollback_gate.rollback import files, moving
from rollback_gate.rollback.look import digest_of
from rollback_gate.rollback.ownership import refuse_outside
from rollback_gate.rollback.plan import Kind
from rollback_gate.rollback.store import Run, RunAccount


def fresh(sources: Sources, mode: Mode, strategy: Strategy, containers: tuple[Replica, ...]) -> tuple[Goal, str]:
    """The goal of a new run. Raises Refused if there is no old code."""
    profile = sources.profile
    values = settings.old_files(profile, sources.directory)
    goal = Goal(Direction.ROLLBACK, mode, (), mode.removes(profile), values=values)
    if moved := {one.new: one.old for one in profile.values if isinstance(one, ImageItem) and one.is_moved}:
        return _of_named_images(sources, goal, moved)
    if strategy is Strategy.IMAGE:
        return _from_image(sources, goal, containers)
    found = _of_code(sources, strategy, containers)
    says = [*(f"{s.path} from {s.says}" for s in found), *(f"{s.origin} in {s.path}" for s in values)]
    return replace(goal, sources=found), "; ".join(says)


def _of_code(sources: Sources, strategy: Strategy, containers: tuple[Replica, ...]) -> tuple[Source, ...]:
    """The restored files; of a profile that names the old image, as they are in it."""
    if strategy is not Strategy.SETTING:
        return sources.find(containers)
    if not sources.profile.files:
        return ()
    profile = sources.profile
    own = {name for name in profile.services if any(profile.must_have(name, file.path) for file in profile.files)}
    images = (item for item in profile.values if isinstance(item, ImageItem))
    old = next(item.old for item in images if own & set(item.services))
    return _in_image(replace(sources, choice=Choice(image=old)).old_image(containers, removed=True))


def _in_image(old: OldImage) -> tuple[Source, ...]:
    return tuple(Source.of(path, "image", old.image.label, data) for path, data in old.files.items())


def _of_named_images(sources: Sources, goal: Goal, moved: Mapping[str, str]) -> tuple[Goal, str]:
    """The images that the profile names, under the names that the change has moved. Raises Refused."""
    images = {new: sources.engine.image_id(old) for new, old in moved.items()}
    if missing := [moved[new] for new, image_id in images.items() if image_id is None]:
        raise Refused(f"there is no image {', '.join(missing)} here", "load or pull it, then try again")
    found = tuple(
        source
        for old in dict.fromkeys(moved.values() if sources.profile.files else ())
        for source in _in_image(replace(sources, choice=Choice(image=old)).old_image((), removed=True))
    )
    names = {new: image_id for new, image_id in images.items() if image_id}
    return replace(goal, sources=found, images=names), ", ".join(f"image {old}" for old in moved.values())


def refuse_unbuildable(mode: Mode, strategy: Strategy) -> None:
    """Raises Refused for a rebuild of a service that is not built."""
    if mode.name is ModeName.REBUILD and strategy is not Strategy.BUILD:
        raise Refused(
            f"the service cannot be built: its code comes by {strategy.value}",
            "invoke rollback restarts it, or goes back to a retained image",
        )


def _from_image(sources: Sources, goal: Goal, containers: tuple[Replica, ...]) -> tuple[Goal, str]:
    """The goal is a retained image, chosen by its content (DESIGN: strategy `image`)."""
    if sources.choice.kind not in ("", "image"):
        raise Refused(
            "the service's code is in its image, which is not built here: a file cannot be restored",
            "leave out --source, or choose an image with --image",
        )
    old = sources.old_image(containers, removed=goal.mode.name is not ModeName.PARTIAL)
    found = _in_image(old)
    of_worker = {r.image_name for r in containers if r.service == sources.profile.consumer}
    names = {name: _old_or(sources, name, old.image.id) for name in of_worker}
    return replace(goal, sources=found, images=names), f"image {old.image.label} ({old.image.id[7:19]})"


def _old_or(sources: Sources, name: str, image_id: str) -> str:
    """A name that already points to old code keeps its image: replicas may use different ones."""
    mine = sources.engine.image_id(name)
    return mine if mine is not None and sources.is_old(mine) else image_id


def of_run(run: Run, account: RunAccount) -> tuple[Goal, str]:
    """The goal of an earlier run, from its own copies: the backup may be gone by now. Raises Refused."""
    began = account.began
    sources = tuple(
        Source(
            path,
            began["kinds"][path],
            began["origins"][path],
            _kept(run.sources / path, digest),
            digest,
            path in began["executable"] if "executable" in began and began["kinds"][path] == "git" else None,
        )
        for path, digest in account.source_digests.items()
    )
    goal = Goal(
        Direction.ROLLBACK,
        account.mode,
        tuple(source for source in sources if source.kind != SETTING),
        tuple(began["remove"]),
        images=began["goal_images"],
        built=account.built if account.outcome != "failed" else {},  # the cause may have been fixed since
        since=Instant.parse(began["engine_time"]),
        values=tuple(source for source in sources if source.kind == SETTING),
    )
    return goal, f"as run {run.id} found it"


def undo_of(run: Run, account: RunAccount, directory: Path) -> tuple[Goal, str]:
    """The change as it was before the run: files and modules from the quarantine, and the kept images.

    Raises Refused if a part of it is neither in place nor in the quarantine, or is not what the run moved there.
    """
    before: Mapping[str, str | None] = account.began["before"]
    moved = [path for targets in account.done(Kind.QUARANTINE) for path in targets]
    _refuse_lost(run, account, directory, moved)
    sources = tuple(
        _quarantined(run, path, digest, account.began["kinds"][path])
        for path, digest in before.items()
        if digest is not None and moving.is_there(run.quarantine / path)
    )
    kinds = account.began["kinds"]
    goal = Goal(
        Direction.UNDO,
        account.mode,
        tuple(source for source in sources if kinds[source.path] != SETTING),
        remove=tuple(path for path, digest in before.items() if digest is None),
        put_back=tuple(dict.fromkeys(path for path in moved if path not in before)),
        images=account.began["images"] if Strategy(account.began["strategy"]).makes_images else {},
        consumes=bool(account.began["consuming"]),
        values=tuple(source for source in sources if kinds[source.path] == SETTING),
    )
    return goal, f"as it was before run {run.id}"


def _quarantined(run: Run, path: str, digest: str, kind: str) -> Source:
    """As it was before the run. Others may have written into a file with settings before a resumed run came to it."""
    if kind == SETTING:
        return Source.of(path, "quarantine", run.id, _read(run.quarantine / path))
    return Source(path, "quarantine", run.id, _kept(run.quarantine / path, digest), digest)


def _refuse_lost(run: Run, account: RunAccount, directory: Path, moved: Iterable[str]) -> None:
    """Ignores bytecode, which Python regenerates, and files with settings: of those that the run has written, a copy is
    kept first; any other one is as others have left it.
    """
    files_lost = (
        path
        for path, digest in account.began["before"].items()
        if digest is not None and account.began["kinds"][path] != SETTING
        if is_written(account, path) and digest_of(directory / path) != digest
    )
    paths_lost = (path for path in moved if not path.endswith(".pyc") and not moving.is_there(directory / path))
    if lost := [path for path in (*files_lost, *paths_lost) if not moving.is_there(run.quarantine / path)]:
        raise Refused(
            f"{', '.join(lost)} of run {run.id} is neither in place nor in {run.quarantine}; nothing was touched",
            "put it back there from a copy, or deploy the change again as you would a new one",
        )


def tidy(run: Run, account: RunAccount, directory: Path) -> None:
    """Before preflight, remove what a killed attempt left half made, and move back what it had set aside.

    Raises Refused if that fails.
    """
    try:
        _tidied(run, account, directory)
    except OSError as error:
        raise Refused(
            f"what run {run.id} left half moved cannot be put right: {error}; nothing else was touched",
            "fix that (who may write there? is the disk full? is a file immutable?), then ask again",
        ) from error


def _tidied(run: Run, account: RunAccount, directory: Path) -> None:
    began = account.began
    moved = (path for targets in account.done(Kind.QUARANTINE) for path in targets)
    for path in dict.fromkeys((*account.source_digests, *began["before"], *began["remove"], *moved)):
        refuse_outside(directory, path)
        refuse_outside(run.quarantine, path)
        files.sweep(directory / path)
        moving.settle(directory / path, run.quarantine / path)
        moving.settle(run.quarantine / path, directory / path)
    files.sweep_below(run.folder)


def changed_since(
    run: Run, account: RunAccount, directory: Path, now: Mapping[str, str | None], is_undo: bool = False
) -> list[str]:
    """Paths and image names that hold neither the run's result nor what was there before it.

    `now`: present image ids of the run's image names. `is_undo`: files with settings are put back whole; a rollback
    writes only the settings. Raises OSError.
    """
    changed = []
    for path, restored in account.source_digests.items():
        if account.began["kinds"][path] == SETTING and not is_undo:
            continue
        kept = run.quarantine / path
        known = {restored, account.began["before"][path], digest_of(kept)}
        if is_written(account, path) and digest_of(directory / path) not in known:
            changed.append(path)
    for (path,) in account.done(Kind.QUARANTINE):
        place, kept = directory / path, run.quarantine / path
        both = moving.is_there(place) and moving.is_there(kept)
        if both and _holds_code(place) and not _are_of_one_move(place, kept):
            changed.append(path)
    return changed + _changed_images(account, now)


def is_written(account: RunAccount, path: str) -> bool:
    """True if the run writes this file in the project directory: an image has its own copy."""
    return Strategy(account.began["strategy"]).restores_code or account.began["kinds"][path] == SETTING


def _are_of_one_move(place: Path, kept: Path) -> bool:
    """True if one contains the other: a move across devices was killed while it removed what it had copied."""
    return moving.is_contained(kept, place) or moving.is_contained(place, kept)


def _changed_images(account: RunAccount, now: Mapping[str, str | None]) -> list[str]:
    """Image names that point neither to their image from before the run nor to one of the run's."""
    began = account.began
    was_building = any(step["kind"] == Kind.BUILD and step["outcome"] != "done" for step in account.steps)
    if (
        not Strategy(began["strategy"]).makes_images or was_building
    ):  # it may have been killed just after making the image
        return []
    own = [*account.ever_built, *began["goal_images"].values(), *began["images"].values()]
    return [f"image {name}" for name, image_id in now.items() if image_id is not None and image_id not in own]


def _holds_code(path: Path) -> bool:
    """True if it holds more than bytecode, which a process may have written at the last moment."""
    return path.suffix != ".pyc" if path.is_file() else any(p.suffix != ".pyc" and p.is_file() for p in path.rglob("*"))


def _kept(path: Path, digest: str) -> bytes:
    source = Source.of("", "", "", _read(path))
    if source.digest != digest:
        raise Refused(f"the run's copy {path} has been changed", "put the right file there, or start a new rollback")
    return source.data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(
            f"the run's copy {path} cannot be read: {error.strerror}", "run as the user who rolled back"
        ) from error


def keep(run: Run, sources: Iterable[Source]) -> None:
    """Copy the sources before the run begins: a resume must not depend on their origin. Raises OSError."""
    for source in sources:
        path = run.sources / source.path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.replace_file(path, source.data)
