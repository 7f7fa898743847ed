"""What a rollback would do, as data. Pure: it can be printed without doing anything."""

from __future__ import annotations

import enum
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rollback_gate.deployment.compose import Compose, ComposeService
from rollback_gate.deployment.replica import Replica
from rollback_gate.deployment.strategy import Strategy
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback.sources import Source


class Kind(enum.StrEnum):
    SAVE_EVIDENCE = "save-evidence"
    RESTORE = "restore"
    QUARANTINE = "quarantine"
    BUILD = "build"
    RESTART = "restart"
    RECREATE = "recreate"
    WAIT_CONSUMING = "wait-consuming"
    WAIT_RUNNING = "wait-running"


@dataclass(frozen=True)
class Step:
    """`targets`: paths relative to the project, container ids or service names, by kind. `command`: by hand."""

    id: str
    kind: Kind
    says: str
    targets: tuple[str, ...]
    command: str = ""


@dataclass(frozen=True)
class Situation:
    """What preflight found. `restore` and `remove` hold only what still has to be done.

    `sources`: of every restored file. `consuming`: ids of the replicas that consume now. `stale_*`: what would go on
    running something else than old code if it were left alone; dependents by service.
    """

    profile: Profile
    directory: Path
    strategy: Strategy
    compose: Compose
    services: Mapping[str, ComposeService]
    replicas: tuple[Replica, ...]
    dependents: Mapping[str, tuple[Replica, ...]]
    sources: tuple[Source, ...]
    restore: tuple[Source, ...]
    remove: tuple[str, ...]
    stale_replicas: tuple[Replica, ...]
    stale_dependents: tuple[str, ...]
    consuming: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """`because`: why there is nothing to do, "" when there is."""

    steps: tuple[Step, ...]
    because: str = ""


def make(situation: Situation) -> Plan:
    """The runbook's Option 1, or its Full Rollback, for the strategies bind and build."""
    files = _files(situation)
    missing = situation.profile.deployment.replicas - len(situation.replicas)
    with_worker = bool(situation.restore or situation.stale_replicas or missing > 0)
    dependents = tuple(situation.dependents) if with_worker else situation.stale_dependents
    if not files and not with_worker and not dependents:
        return Plan((), "files hold the old code, removed modules are gone, and the processes of every replica and "
                    "dependent are younger")  # fmt: skip
    steps = files
    if with_worker and situation.strategy is Strategy.BUILD:
        steps += [_build(situation), _save_evidence(situation), *_recreate_worker(situation)]
    elif with_worker:
        steps += [_save_evidence(situation), *_restart_worker(situation)]
    return Plan((*steps, *_dependents(situation, dependents)))


def _save_evidence(situation: Situation) -> Step:
    containers = (*situation.replicas, *(r for rows in situation.dependents.values() for r in rows))
    return Step("save-evidence", Kind.SAVE_EVIDENCE, "save logs and state of the misbehaving containers",
                tuple(r.id for r in containers), "docker logs CONTAINER; docker inspect CONTAINER")  # fmt: skip


def _files(situation: Situation) -> list[Step]:
    quote = shlex.quote
    steps = [
        Step(f"restore:{s.path}", Kind.RESTORE, f"restore {s.path} from {s.kind} {s.origin}", (s.path,),
             f"cp {quote(str(situation.directory / s.origin))} {quote(str(situation.directory / s.path))}")
        for s in situation.restore
    ]  # fmt: skip
    return steps + [
        Step(f"quarantine:{path}", Kind.QUARANTINE, f"move {path} into the run's quarantine", (path,),
             f"mv {quote(str(situation.directory / path))} QUARANTINE")
        for path in situation.remove
    ]  # fmt: skip


def _build(situation: Situation) -> Step:
    """Before anything stops, and each image once: dependents that share the worker's image need none of their own."""
    deployment = situation.profile.deployment
    names = [n for n in (deployment.worker, *deployment.dependents) if situation.services[n].builds]
    return Step("build", Kind.BUILD, f"build {', '.join(names)} from the restored tree, while the old one still runs",
                tuple(names), shlex.join(situation.compose.build(names)))  # fmt: skip


def _recreate_worker(situation: Situation) -> list[Step]:
    worker = situation.profile.deployment.worker
    command = shlex.join(situation.compose.recreate([worker]))
    return [
        Step(
            "recreate:worker",
            Kind.RECREATE,
            "replace the worker's containers by new ones of the new image",
            (worker,),
            command,
        ),
        Step("wait:worker", Kind.WAIT_CONSUMING, "wait until every replica reports that it consumes", (worker,)),
    ]


def _restart_worker(situation: Situation) -> list[Step]:
    """Only what is stale. In turn while someone consumes, so that the service goes on; else all at once."""
    worker = situation.profile.deployment.worker
    steps: list[Step] = []
    stale = situation.stale_replicas
    in_turn = bool(situation.consuming) and len(situation.replicas) > 1
    groups = [(replica,) for replica in stale] if in_turn else [stale]
    for group in filter(None, groups):
        names = ", ".join(r.name for r in group)
        suffix = group[0].name if in_turn else "worker"
        steps.append(Step(f"restart:{suffix}", Kind.RESTART, f"restart {names}", tuple(r.id for r in group),
                          f"docker restart {' '.join(r.name for r in group)}"))  # fmt: skip
        steps.append(Step(f"wait:{suffix}", Kind.WAIT_CONSUMING, f"wait until {names} reports that it consumes",
                          tuple(r.id for r in group)))  # fmt: skip
    if len(situation.replicas) < situation.profile.deployment.replicas:
        up = (*situation.compose.base, "up", "-d", "--no-deps", "--no-build", "--no-recreate", worker)
        steps.append(
            Step(
                "start-missing:worker", Kind.RECREATE, "start the replicas that are missing", (worker,), shlex.join(up)
            )
        )
        steps.append(
            Step("wait:all", Kind.WAIT_CONSUMING, "wait until every replica reports that it consumes", (worker,))
        )
    return steps


def _dependents(situation: Situation, names: Iterable[str]) -> list[Step]:
    steps: list[Step] = []
    for name in names:
        containers = situation.dependents[name]
        if situation.strategy is Strategy.BUILD or not containers:
            steps.append(Step(f"recreate:{name}", Kind.RECREATE, f"replace the containers of {name}", (name,),
                              shlex.join(situation.compose.recreate([name]))))  # fmt: skip
        else:
            steps.append(Step(f"restart:{name}", Kind.RESTART, f"restart {name}", tuple(r.id for r in containers),
                              f"docker restart {' '.join(r.name for r in containers)}"))  # fmt: skip
        steps.append(Step(f"wait:{name}", Kind.WAIT_RUNNING, f"wait until {name} runs", (name,)))
    return steps
