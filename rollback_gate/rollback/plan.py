"""What a run would do, as data. Pure: it can be printed without doing anything."""

from __future__ import annotations

import enum
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from rollback_gate.change.content import SETTING, Source
from rollback_gate.change.goal import Direction
from rollback_gate.change.strategy import Strategy
from rollback_gate.platform.compose import in_order
from rollback_gate.platform.replica import Replica
from rollback_gate.rollback.situation import Keeping, Situation
from rollback_gate.rollback.wanted import Replaced


class Kind(enum.StrEnum):
    SAVE_EVIDENCE = "save-evidence"
    RESTORE = "restore"
    QUARANTINE = "quarantine"
    PUT_BACK = "put-back"
    KEEP_IMAGE = "keep-image"
    BUILD = "build"
    TAG = "tag"
    RESTART = "restart"
    RECREATE = "recreate"
    REPLACE = "replace"
    START = "start"
    UPDATE = "update"
    WAIT_CONSUMING = "wait-consuming"
    WAIT_RUNNING = "wait-running"


@dataclass(frozen=True)
class Step:
    """`targets`, by kind: paths relative to the project, container ids, service names, or image id and its new name.

    `command`: the same by hand.
    """

    id: str
    kind: Kind
    says: str
    targets: tuple[str, ...]
    command: str = ""


@dataclass(frozen=True)
class Plan:
    """`because`: why there is nothing to do, "" when there is."""

    steps: tuple[Step, ...]
    because: str = ""


def make(situation: Situation, keeping: Keeping) -> Plan:
    """The plan for any goal and strategy."""
    files = _files(situation)
    with_worker = _touches_worker(situation) or situation.is_due(situation.worker)
    # Where code is restored, what imports it is not known: all of them start again.
    with_all = with_worker and situation.strategy is not Strategy.SETTING
    others = [name for name in situation.others if with_all or situation.is_due(name)]
    if not files and not with_worker and not others and not situation.tags:
        return Plan((), _because(situation))
    steps = [*files, *_before_containers(situation, keeping, bool(with_worker or others))]
    if with_worker:
        steps += _worker(situation)
    return Plan((*steps, *_others(situation, others, with_all)))


def _touches_worker(situation: Situation) -> bool:
    """True under `bind` if files change: the running process still has the previous ones in memory."""
    return bool(situation.restore or situation.put_back) and situation.strategy is Strategy.BIND


def _because(situation: Situation) -> str:
    if situation.goal.direction is Direction.UNDO:
        return "the change's files and images are in place, and every replica of every service runs them"
    if situation.strategy is Strategy.SETTING:
        return "the old values are written, and every replica of every service has them"
    removed = "" if not situation.goal.remove else "removed modules are gone, "
    return f"files hold the old code, {removed}and the processes of every replica of every service are younger"


# --- files


def _files(situation: Situation) -> list[Step]:
    quote = shlex.quote
    at = situation.directory
    steps = [
        Step(
            f"restore:{s.path}",
            Kind.RESTORE,
            _says(s),
            (s.path,),
            f"{_by_hand(situation, s)} {quote(str(at / s.path))}",
        )
        for s in situation.to_write
    ]
    steps += [
        Step(
            f"quarantine:{path}",
            Kind.QUARANTINE,
            f"move {path} into the run's quarantine",
            (path,),
            f"mv {quote(str(at / path))} QUARANTINE",
        )
        for path in situation.remove
    ]
    return steps + [
        Step(
            f"put-back:{path}",
            Kind.PUT_BACK,
            f"put {path} back out of the run's quarantine",
            (path,),
            f"mv QUARANTINE/{quote(path)} {quote(str(at / path))}",
        )
        for path in situation.put_back
    ]


def _says(source: Source) -> str:
    if source.kind == SETTING:
        return f"write the old value of {source.origin} into {source.path}"
    return f"restore {source.path} from {source.says}"


def _by_hand(situation: Situation, source: Source) -> str:
    quote = shlex.quote
    if source.kind == SETTING:  # a value may be a secret: it is not printed
        return f": {quote(f'write the old value of {source.origin}, as the profile has it')}; $EDITOR"
    if source.kind == "git":
        return f"git -C {quote(str(situation.directory))} show {source.origin}:./{quote(source.path)} >"
    if source.kind == "image":
        inside = situation.profile.inside(situation.worker, source.path)
        return f'docker cp "$(docker create {quote(source.origin)} true)":{quote(inside)}'
    if source.kind == "quarantine":
        return f"cp QUARANTINE/{quote(source.path)}"
    return f"cp {quote(str(situation.directory / source.origin))}"


# --- images and evidence, before anything stops


def _before_containers(situation: Situation, keeping: Keeping, is_needed: bool) -> list[Step]:
    if not is_needed and not situation.tags:
        return []
    steps: list[Step] = []
    if situation.strategy.makes_images:
        steps += _keep_images(situation, keeping)
    if situation.needs_build:
        steps.append(_build(situation))
    steps.append(_save_evidence(situation))
    return steps + [
        Step(
            f"tag:{name}",
            Kind.TAG,
            f"let {name} be image {image_id[:19]} again",
            (image_id, name),
            f"docker tag {image_id} {shlex.quote(name)}",
        )
        for name, image_id in situation.tags.items()
    ]


def _keep_images(situation: Situation, keeping: Keeping) -> list[Step]:
    """Running images must not depend on a name that a build moves. An undo keeps only images that are not the run's."""
    is_undo = situation.goal.direction is Direction.UNDO
    wanted = {tag: i for tag, i in keeping.tags(situation.images).items() if not is_undo or tag.endswith("-later")}
    return [
        Step(
            f"keep-image:{tag}",
            Kind.KEEP_IMAGE,
            f"keep image {image_id[7:19]} as {tag}",
            (image_id, tag),
            f"docker tag {image_id} {tag}",
        )
        for tag, image_id in wanted.items()
    ]


def _build(situation: Situation) -> Step:
    """Build before anything stops, each image once: services that share the worker's image need no build."""
    names = [n for n in (situation.worker, *situation.others) if situation.services[n].builds]
    how = situation.how
    command = situation.compose.build(names, how.no_cache or situation.goal.rebuild, how.pull)
    afresh = " afresh" if how.no_cache or situation.goal.rebuild else ""
    return Step(
        "build",
        Kind.BUILD,
        f"build {', '.join(names)}{afresh} from the restored tree, while the old one still runs",
        tuple(names),
        shlex.join(command),
    )


def _save_evidence(situation: Situation) -> Step:
    return Step(
        "save-evidence",
        Kind.SAVE_EVIDENCE,
        "save logs, state and completeness of what runs now",
        tuple(r.id for r in situation.everyone),
        "docker logs CONTAINER; docker inspect CONTAINER",
    )


# --- containers


def _worker(situation: Situation) -> list[Step]:
    """Idle replicas first, together; a consuming one is touched only after a new one has come up."""
    if situation.stack:
        name = situation.worker
        return [_update(situation, name), *_wait(situation, name, (name,), "every replica consumes")]
    stale = situation.stale_of(situation.worker)
    if not situation.is_replaced(situation.worker):
        steps = _in_groups(situation, Kind.RESTART)
    elif situation.in_turn or (0 < len(stale) < len(situation.replicas) and not situation.keeps_volumes):
        steps = _in_groups(situation, Kind.REPLACE)
    elif stale:
        return _recreate(situation)
    else:
        steps = []
    if situation.missing(situation.worker) and not any(step.kind is Kind.REPLACE for step in steps):
        steps.append(_start(situation, "worker", situation.worker))
        steps += _wait(situation, "all", (situation.worker,), "every replica consumes")
    return steps


def _other_config(one: Replaced) -> str:
    word, file = one.kind.lower(), one.file
    owner = f"uid={file.get('UID', 0)},gid={file.get('GID', 0)},mode={int(file.get('Mode') or 0o444):04o}"
    added = shlex.quote(f"source={one.wanted},target={file.get('Name', '')},{owner}")
    return f" --{word}-rm {shlex.quote(one.present)} --{word}-add {added}"


def _variable(name: str, value: str | None) -> str:
    """Without the value: it may be a secret."""
    return f"--env-rm {shlex.quote(name)}" if value is None else f"--env-add {shlex.quote(f'{name}=...')}"


def _update(situation: Situation, name: str) -> Step:
    """Swarm makes its tasks anew, in turn; what else the service is made from stays."""
    given = situation.stack[name].given
    image = f" --no-resolve-image --image {shlex.quote(given.image)}" if given.image else ""
    image += " --with-registry-auth" if given.image else ""
    names = "".join(f" {_variable(key, value)}" for key, value in given.variables.items())
    service = shlex.quote(f"{situation.profile.deployment.project}_{name}")
    objects = "".join(map(_other_config, situation.stack[name].replaced()))
    command = f"docker service update --force --update-failure-action pause{image}{names}{objects} {service}"
    return Step(f"update:{name}", Kind.UPDATE, f"make every task of {name} anew", (name,), command)


def _start(situation: Situation, label: str, service: str) -> Step:
    command = shlex.join(situation.compose.start_missing(situation.wanted(service)))
    return Step(f"start:{label}", Kind.START, f"start the replicas of {service} that are missing", (service,), command)


def _recreate(situation: Situation) -> list[Step]:
    command = shlex.join(situation.compose.recreate(situation.wanted(situation.worker)))
    says = "replace the worker's containers by new ones of the new image"
    return [
        Step("recreate:worker", Kind.RECREATE, says, (situation.worker,), command),
        *_wait(situation, "worker", (situation.worker,), "every replica consumes"),
    ]


def _in_groups(situation: Situation, kind: Kind) -> list[Step]:
    steps: list[Step] = []
    for group in _groups(situation):
        names = ", ".join(r.name for r in group)
        label = group[0].name if len(group) == 1 and situation.in_turn else "worker"
        if kind is Kind.RESTART:
            steps.append(_restart(label, names, group))
            steps += _wait(
                situation, label, tuple(r.id for r in group), f"{names} {'consumes' if len(group) == 1 else 'consume'}"
            )
        else:
            steps.append(_replace(situation, label, group))
            steps += _wait(situation, label, (situation.worker,), f"the one in place of {names} consumes")
    return steps


def _groups(situation: Situation) -> list[tuple[Replica, ...]]:
    stale = situation.stale_of(situation.worker)
    if not situation.in_turn:
        return [stale] if stale else []
    idle = tuple(r for r in stale if r.id not in situation.consuming)
    return [*([idle] if idle else []), *((r,) for r in stale if r.id in situation.consuming)]


def _replace(situation: Situation, label: str, group: tuple[Replica, ...]) -> Step:
    """Stop and remove by id, then let Compose create new ones; the others are left alone (`--no-recreate`)."""
    names = " ".join(r.name for r in group)
    up = shlex.join(situation.compose.start_missing(situation.wanted(situation.worker)))
    return Step(
        f"replace:{label}",
        Kind.REPLACE,
        f"replace {names.replace(' ', ', ')} by a container of the new image",
        tuple(r.id for r in group),
        f"docker stop {names} && docker rm {names} && {up}",
    )


def _wait(situation: Situation, label: str, targets: tuple[str, ...], who: str) -> list[Step]:
    """No wait for a restored change that did not come up before the run, nor for a service that is scaled to 0."""
    if not situation.goal.consumes or situation.normal(situation.worker) == 0:
        return []
    return [Step(f"wait:{label}", Kind.WAIT_CONSUMING, f"wait until {who}", targets)]


def _others(situation: Situation, names: Iterable[str], with_all: bool) -> list[Step]:
    """The other services, after the worker, in dependency order (runbook, Quick Reference, Containers to restart)."""
    steps: list[Step] = []
    for name in in_order(names, situation.services):
        if situation.stack:
            steps.append(_update(situation, name))
            if situation.goal.consumes and situation.normal(name):
                steps.append(Step(f"wait:{name}", Kind.WAIT_RUNNING, f"wait until {name} runs", (name,)))
            continue
        replicas = situation.found[name] if with_all else situation.stale_of(name)
        is_replaced = bool(replicas) and situation.is_replaced(name)
        if is_replaced:
            steps.append(_recreate_other(situation, name))
        elif replicas:
            steps.append(_restart(name, name, replicas))
        if situation.missing(name) and not is_replaced:
            steps.append(_start(situation, name, name))
        if situation.goal.consumes:
            steps.append(Step(f"wait:{name}", Kind.WAIT_RUNNING, f"wait until {name} runs", (name,)))
    return steps


def _restart(label: str, says: str, replicas: Iterable[Replica]) -> Step:
    rows = tuple(replicas)
    command = f"docker restart {' '.join(r.name for r in rows)}"
    return Step(f"restart:{label}", Kind.RESTART, f"restart {says}", tuple(r.id for r in rows), command)


def _recreate_other(situation: Situation, name: str) -> Step:
    command = shlex.join(situation.compose.recreate(situation.wanted(name)))
    return Step(f"recreate:{name}", Kind.RECREATE, f"replace the containers of {name}", (name,), command)
