"""The request from verify to the process of the checks (by pipe, without secrets), and how that process collects."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import testinfra

from rollback_gate.change.code import Answer
from rollback_gate.change.reading import Baseline
from rollback_gate.checks import early
from rollback_gate.checks.manifest import Scope
from rollback_gate.errors import Unreachable, WrongSetting
from rollback_gate.evidence import configured, documents, keeping, metric, queue, upstream
from rollback_gate.evidence import request as request_to
from rollback_gate.evidence.answered import Answered
from rollback_gate.evidence.around import Asked
from rollback_gate.evidence.collect import Collector
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.judged import Judged
from rollback_gate.evidence.probe_memory import ProbeMemory
from rollback_gate.evidence.proof import PROBE_PREFIX
from rollback_gate.evidence.readings import Readings, Started
from rollback_gate.evidence.replicas import replicas_by_slot
from rollback_gate.evidence.request import Errand
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.outside import notify
from rollback_gate.platform.commands import Runner, SubprocessRunner, allowed
from rollback_gate.platform.connected import connect
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.answers import CommandMetric, CommandRequest
from rollback_gate.profile.deployment import Keep
from rollback_gate.profile.load import secrets
from rollback_gate.profile.schema import Profile
from rollback_gate.record import seal
from rollback_gate.record.build import Heading, plain
from rollback_gate.redaction import Redactor

_DOCKER_FAILED = 125  # its own status, where it could not ask


@dataclass(frozen=True)
class GateRequest:
    """`slots`: one per expected or found replica, and whether it reads the queue.

    `memories`: files of remembered probes, this caller's own first. `keep_going`: measure everything, even if the
    verdict cannot change. `own`: folder of the team's own checks.
    """

    profile: Profile
    slots: Mapping[str, bool]
    judged: Judged
    with_database: bool
    heading: Heading
    memories: tuple[Path, ...]
    keep_going: bool = False
    own: Path | None = None

    def as_text(self) -> str:
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "profile"}
        return json.dumps({**plain(own), "profile": self.profile.model_dump(mode="json")})

    @classmethod
    def parse(cls, text: str) -> GateRequest:
        """Parses the output of `as_text`. Raises ValueError, KeyError for anything else."""
        table: dict[str, Any] = json.loads(text)
        return cls(
            profile=Profile.model_validate(table["profile"]),
            slots=table["slots"],
            judged=_judged(table["judged"]),
            with_database=table["with_database"],
            heading=Heading(
                **{
                    **table["heading"],
                    "scope": Scope.parse(table["heading"]["scope"]),
                    "began": Instant.parse(table["heading"]["began"]),
                    "settings": tuple(table["heading"]["settings"]),
                    "rolled_back_by": tuple(table["heading"]["rolled_back_by"]),
                    "lost": tuple(table["heading"]["lost"]),
                }
            ),
            memories=tuple(Path(path) for path in table["memories"]),
            keep_going=table["keep_going"],
            own=Path(table["own"]) if table["own"] else None,
        )


def slots_of(
    profile: Profile, found: Iterable[Replica], unseen: Mapping[str, Iterable[Unmeasured]] | None = None
) -> dict[str, bool]:
    """One slot per replica that is expected or found, or may exist unseen."""
    replicas = replicas_by_slot(profile, found, unseen)
    return {slot: profile.services[service].consumes for slot, (service, _) in replicas.items()}


def redactor(profile: Profile, environ: Mapping[str, str]) -> Redactor:
    """A redactor with every secret that this process has."""
    return Redactor(
        [
            *secrets(profile, environ),
            environ.get(seal.KEY_VARIABLE, ""),
            *notify.secrets_in(environ),
            environ.get(profile.ticket.token_env, "").strip(),  # as it is used
        ]
    )


def collect(request: GateRequest, tell: Callable[[str], None]) -> Readings:
    """All readings. Raises Unreachable if there is no engine."""
    profile = request.profile
    with contextlib.ExitStack() as stack:
        engines = stack.enter_context(contextlib.closing(connect(profile, os.environ)))
        found = _documents(request)
        if not isinstance(found, Unmeasured):
            stack.enter_context(contextlib.closing(found))
        own, *others = request.memories
        memory = ProbeMemory(own, tuple(others))
        return Collector(
            profile,
            engines,
            found,
            queue.of(profile, os.environ),
            upstream.of(profile, os.environ),
            request.judged,
            request.heading.record_id,
            memory,
            partial(_ask, engines),
            tell,
            lambda readings: early.decided(readings, profile),
            configured.of(profile, engines),
            _asked(request, engines),
            request.keep_going,
        ).collect()


def _asked(request: GateRequest, engines: Engines) -> Asked:
    profile, record_id = request.profile, request.heading.record_id

    def runner_for(section: Keep | CommandRequest | CommandMetric) -> Runner:
        return SubprocessRunner(allowed(engines.environment, section.variables))

    def sent() -> Answered | Unmeasured:
        if profile.request is None:
            return Unmeasured("a request to the service", "the profile has none")
        errand = Errand(f"{PROBE_PREFIX}{record_id}", time.monotonic, time.sleep)
        return request_to.sent(profile.request, errand, runner_for)

    def measured(since: Instant | None, now: Instant | Unmeasured) -> float | Unmeasured | None:
        if profile.metric is None:
            return None
        return now if isinstance(now, Unmeasured) else metric.read(profile.metric, since, now, runner_for)

    return Asked(lambda: keeping.read(profile, runner_for), sent, measured)


def _documents(request: GateRequest) -> Documents | Unmeasured:
    profile = request.profile
    if not request.with_database:
        return Unmeasured("the database", "it was left out (--without-database)")
    try:
        return documents.connect(profile, os.environ)
    except WrongSetting as error:
        return Unmeasured("the database", error.message)


def _ask(engines: Engines, replica: Replica, script: str) -> Answer:
    """testinfra's docker backend, by full id: a name would refer to a replacement container.

    That backend knows one engine only: on a Swarm, the same command is given the way to the node's.
    """
    if not replica.node:
        result = testinfra.get_host(f"docker://{replica.id}").run(script)
        return Answer(result.rc, result.stdout, result.stderr)
    try:
        way = engines.of(replica).as_words
    except Unreachable as error:
        return Answer(_DOCKER_FAILED, "", error.message)
    command = ("env", *way, "docker", "exec", replica.id, "/bin/sh", "-c", script)
    result = testinfra.get_host("local://").run(" ".join("%s" for _ in command), *command)
    return Answer(result.rc, result.stdout, result.stderr)


def _judged(table: Mapping[str, Any]) -> Judged:
    digests = table["source_digests"]
    return Judged(
        run_id=table["run_id"],
        source_digests=Unmeasured(**digests["unmeasured"]) if "unmeasured" in digests else digests,
        started={key: _started(row) for key, row in table["started"].items()},
        since=Instant.parse(table["since"]) if table["since"] else None,
        partial=table["partial"],
        baseline=Baseline(**table["baseline"]) if table["baseline"] else None,
        invasive=table["invasive"],
        deployed_at=Instant.parse(table["deployed_at"]) if table["deployed_at"] else None,
        ill_before=dict(table["ill_before"]),
        kept_before=dict(table["kept_before"]),
        reverted_at=Instant.parse(table["reverted_at"]) if table["reverted_at"] else None,
    )


def _started(row: Mapping[str, Any]) -> Started:
    return Started(**{**row, "started_at": Instant.parse(row["started_at"])})
