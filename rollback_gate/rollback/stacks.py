"""A rollback of a stack: what its services must be made from, kept before and put back after; and their updates."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rollback_gate.change.goal import Direction, Goal
from rollback_gate.errors import Refused, RollbackFailed, Unreachable
from rollback_gate.platform.swarm import update
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.platform.swarm.service import Service, Update, objects_of
from rollback_gate.platform.swarm.stack import Stack
from rollback_gate.platform.swarm.tasks import Task
from rollback_gate.profile.deployment import ConfigItem
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback import files
from rollback_gate.rollback.wanted import Wanted, wanted

_FOLDER = "specs"
_POLL_S = 0.25
_LOST_S = 30.0  # twice what a manager needs to miss a node, or to know all of them again
_TRIES, _BEGUN_AGAIN = 5, 3
_LOOK = "see `docker service ps --no-trunc`; fix the cause"


@dataclass(frozen=True)
class Limits:
    """`seconds`: for one service. The clock counts seconds; `sleep` waits for so many."""

    seconds: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]


def of_goal(profile: Profile, cluster: Cluster, kept_in: Path | None, goal: Goal) -> dict[str, Wanted]:
    """By service. `kept_in`: the folder of the run that is resumed or undone. Raises Refused, Unreachable."""
    now, kept = cluster.services(profile.deployment.project), _kept(kept_in)
    if missing := [name for name in profile.services if name not in now]:
        raise Refused(
            f"stack {profile.deployment.project} has no service {', '.join(missing)}",
            "correct the names under [services]; `docker stack services` shows what there is",
        )
    if goal.direction is not Direction.UNDO:
        _refuse_doubted(profile, cluster)
    found = {name: wanted(profile, now[name], kept.get(name), goal.direction, name) for name in profile.services}
    ready = {name: _with_configs(one, cluster) for name, one in found.items()}
    if goal.direction is not Direction.UNDO:
        ready = {name: _as_found_before(one) for name, one in ready.items()}
    return {name: _with_digest(one, name, cluster, profile) for name, one in ready.items()}


def _as_found_before(one: Wanted) -> Wanted:
    """With the digest that an unended run has found: its registry may be away by now."""
    image, has = one.given.image, one.service.image
    is_it = image is not None and update.has_our_pace(one.service.spec) and has.partition("@")[0] == image != has
    return replace(one, given=replace(one.given, image=has)) if is_it else one


def _refuse_doubted(profile: Profile, cluster: Cluster) -> None:
    for item in (one for one in profile.values if isinstance(one, ConfigItem)):
        if why := cluster.why_doubted(item.old, item.new, with_secrets=False):
            raise Refused(why, f"make {item.old} again with its content of before the change, then try again")


def _with_configs(one: Wanted, cluster: Cluster) -> Wanted:
    """With the ids of its configs and secrets. Raises Refused for one that is gone: nothing that runs keeps it."""
    container = one.service.spec["TaskTemplate"]["ContainerSpec"]
    kinds = {path: kind for kind, path, _ in objects_of(container)}
    made = {}
    for path, (_, name) in one.given.configs.items():
        if path in kinds:  # else there is nothing to replace, and preflight says so
            made[path] = _known(cluster, kinds[path], path, name), name
    return replace(one, given=replace(one.given, configs=made))


def _known(cluster: Cluster, kind: str, path: str, name: str) -> str:
    """Its id. Raises Refused if it is gone."""
    known, word = cluster.object_of(kind, name), kind.lower()
    if known is None:
        says = f"there is no {word} {name} any more, which {path} had before"
        remedy = f"make it again with its content of before the change (`docker {word} create {name} FILE`)"
        raise Refused(says, f"{remedy}, then try again")
    return known.id


def _with_digest(one: Wanted, name: str, cluster: Cluster, profile: Profile) -> Wanted:
    """With the image by its content, as `docker service update` would name it: else each node resolves a tag by itself.

    Raises Refused if no registry knows it, and a node that may run the service does not have it.
    """
    image = one.given.image
    is_content = image is not None and ("@" in image or image.startswith("sha256:"))
    if image is None or (is_content and (one.is_reached or image == one.service.image)):
        return one
    if digest := "" if image.startswith("sha256:") else cluster.digest_of(image):
        return one if is_content else replace(one, given=replace(one.given, image=f"{image}@{digest}"))
    places = cluster.places(profile.deployment.project, name)
    if lacking := [place for place in places if cluster.on(place).image_id(image) is None]:
        raise Refused(
            f"node {', '.join(lacking)} does not have image {image}, and no registry has it",
            "load it there, or name the image that ran before the change",
        )
    return one


def keep(folder: Path, services: Mapping[str, Service]) -> None:
    """What they are made from now; may hold secrets. Raises OSError."""
    for name, one in services.items():
        path = folder / _FOLDER / f"{name}.json"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        files.write_text(path, json.dumps(one.spec))


def _kept(folder: Path | None) -> dict[str, Mapping[str, Any]]:
    """Raises Refused if it cannot be read."""
    if folder is None or not (folder / _FOLDER).is_dir():
        return {}
    try:
        return {path.stem: json.loads(path.read_text()) for path in (folder / _FOLDER).glob("*.json")}
    except (OSError, ValueError) as error:
        raise Refused(
            f"what the services were made from cannot be read in {folder / _FOLDER}: {error}",
            "run as the user who rolled back",
        ) from error


def updated(
    cluster: Cluster, project: str, name: str, want: Wanted, all_at_once: bool, limits: Limits, is_needed: bool = True
) -> str:
    """Every task of the service is made anew with what `want` gives it, and its own pace is put back; in words.

    What somebody else has changed in the service since it was looked at stays, but for what this gives it: that is
    theirs. An update to the same that is under way already is waited for; one that stands still because a node was lost
    is begun again. `is_needed`: there are tasks of before; else one of ours that has ended is not begun again.

    Raises RollbackFailed, Unreachable.
    """

    def begin(service: Service) -> None:
        _post(cluster, project, service, lambda one: update.spec_for(one, want.given, all_at_once))

    now = _now(cluster, project, name)
    if has_other_values(now, want):
        raise _somebody_else(now)
    if not (_is_under_way(now, want) or (not is_needed and _is_done(now, want))):
        begin(now)
    left_alone = _settled(cluster, project, name, limits, _Again(want, begin))
    _post(cluster, project, _now(cluster, project, name), update.spec_with_own_pace)
    return f"{name}: every task was made anew{f'; {left_alone}' if left_alone else ''}"


def has_other_values(now: Service, want: Wanted) -> bool:
    """True if it has by now, of what it is to get, neither what it had when it was looked at nor that."""
    had, has = (update.values_in(one.spec, want.given) for one in (want.service, now))
    gets = update.values_in({"TaskTemplate": update.template_with(now.spec, want.given)}, want.given)
    return any(has[key] not in (had[key], gets[key]) for key in has)


def _somebody_else(service: Service) -> RollbackFailed:
    return RollbackFailed(f"somebody else has changed service {service.name} meanwhile", "find out who, then resume")


def _is_under_way(now: Service, want: Wanted) -> bool:
    return _is_ours(now, want) and now.update is Update.GOES_ON


def _is_done(now: Service, want: Wanted) -> bool:
    """All but its own pace, which is then to be put back."""
    return _is_ours(now, want) and now.is_at_rest and not update.has_failed(now)


def _is_ours(now: Service, want: Wanted) -> bool:
    """False if somebody else has changed the service since."""
    same = update.same_template(now.spec["TaskTemplate"], update.template_with(now.spec, want.given))
    return update.has_our_pace(now.spec) and same


@dataclass
class _Again:
    """Begins an update again that stands still because a node was lost; a few times, as each makes all tasks anew."""

    want: Wanted
    begin: Callable[[Service], None]
    left: int = _BEGUN_AGAIN

    def begins(self, now: Service, stack: Stack, cluster: Cluster) -> bool:
        """True if it did."""
        if not self.left or not _is_ours(now, self.want) or not _is_cut_short(now, stack, cluster):
            return False
        self.left -= 1
        self.begin(now)
        return True


def _is_cut_short(now: Service, stack: Stack, cluster: Cluster) -> bool:
    lost: list[frozenset[str]] = []  # asked only where it matters

    def is_lost(task: Task) -> bool:
        if not lost:
            lost.append(cluster.lost_nodes())
        return task.node in lost[0]

    return update.is_cut_short(now, stack.tasks, is_lost)


@dataclass
class _Lost:
    """Nodes that the manager cannot tell to stop a task. One moment shows nothing: a new leader knows none."""

    after_s: float
    since: dict[str, float] = field(default_factory=dict)
    for_good: frozenset[str] = frozenset()

    def look(self, lost: frozenset[str], now: float) -> None:
        self.since = {node: self.since.get(node, now) for node in lost}
        self.for_good = frozenset(node for node, since in self.since.items() if now - since >= self.after_s)


def _settled(cluster: Cluster, project: str, name: str, limits: Limits, again: _Again) -> str:
    """Waits; returns what stays open because its node does not answer, us or the manager. Raises RollbackFailed."""
    deadline, lost = limits.clock() + limits.seconds, _Lost(min(_LOST_S, limits.seconds / 2))
    while True:
        now = _now(cluster, project, name)
        stack = cluster.stacks(project).get(name, Stack(name, (), (), (), {}))
        former = [task for task in stack.tasks if not task.is_wanted and task.may_run]
        lost.look(cluster.lost_nodes() if former else frozenset(), limits.clock())
        out_of_reach = [task for task in former if stack.is_out_of_reach(task) or task.node in lost.for_good]
        why = update.why_not_settled(now, [task for task in stack.tasks if task not in out_of_reach])
        if not _is_ours(now, again.want):
            raise _somebody_else(now)
        if again.begins(now, stack, cluster):
            deadline = limits.clock() + limits.seconds
        elif update.has_failed(now):
            told = update.failures(now, stack.tasks) or why
            raise RollbackFailed(f"the update of {name} {now.update}: {now.message or why}; {told}", _LOOK)
        if not why:
            return "; ".join(stack.left_running(out_of_reach))
        if limits.clock() > deadline:
            raise RollbackFailed(f"the update of {name} did not end within {limits.seconds:.0f} s: {why}", _LOOK)
        limits.sleep(_POLL_S)


def _now(cluster: Cluster, project: str, name: str) -> Service:
    found = cluster.services(project).get(name)
    if found is None:
        raise RollbackFailed(f"stack {project} has no service {name} any more", "deploy it again, then undo or resume")
    return found


def _post(
    cluster: Cluster, project: str, service: Service, spec_of: Callable[[Service], dict[str, Any] | None]
) -> None:
    """Again with the new version while only the status moves. Raises RollbackFailed if somebody else changes it."""
    for _ in range(_TRIES):
        spec = spec_of(service)
        if spec is None:
            return
        try:
            cluster.post(service, spec)
            return
        except Unreachable as error:
            name = service.name.removeprefix(f"{project}_")
            now = _now(cluster, project, name)
            if now.spec == spec:
                return  # it was taken, and the answer was lost
            if now.version == service.version:
                raise
            if now.spec != service.spec:
                raise _somebody_else(service) from error
            service = now
    raise RollbackFailed(f"service {service.name} could not be updated: its version never stood still", _LOOK)
