"""`gate`: what a CI job asks before it deploys again; and `record.check`. Neither changes anything."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rollback_gate.call import Call, local_now
from rollback_gate.deployment import engine as engines
from rollback_gate.deployment.archive import digest_in
from rollback_gate.deployment.engine import Engine
from rollback_gate.deployment.strategy import container_path
from rollback_gate.errors import Unreachable, WrongSetting
from rollback_gate.model import ExitCode, Outcome
from rollback_gate.profile.schema import Profile
from rollback_gate.record import check, find, seal, validity
from rollback_gate.record.check import Examination
from rollback_gate.record.validity import VERIFY_AGAIN, Obstacle

_AGE = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def gate(call: Call, max_age: str, where: str = "", allow_unbound: bool = False) -> ExitCode:
    """GO only where the newest record of this deployment is GO, young, unaltered, and still true of what runs.

    `where`: a record by file or URL instead, from another machine: it must be signed. Raises WrongSetting, Unreachable.
    """
    max_age_s = seconds(max_age)
    profile = call.load().profile
    name, seen, obstacles = _record(call, profile, where)
    if seen is not None and not obstacles:
        deployment = profile.deployment
        obstacles = validity.of_record(seen, deployment.compose_project, profile.name, local_now(), max_age_s)
    if seen is not None and not obstacles:
        obstacles = _still_true(call, profile, seen.record, allow_unbound)
    return _said(call, name, seen, obstacles)


def seconds(text: str) -> float:
    """`7d`, `12h`, `90m`, `30s`. Raises WrongSetting."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise WrongSetting(f"--max-age {text}: must be a number and s, m, h or d", "for example --max-age 7d")
    return float(match[1]) * _UNITS[match[2]]


def _record(call: Call, profile: Profile, where: str) -> tuple[str, Examination | None, list[Obstacle]]:
    if where:
        return _named(call, where)
    found = find.newest(call.reports, profile.deployment.compose_project, profile.name, call.key)
    if found is None:
        says = f"there is no record of project {profile.deployment.compose_project} in {call.reports}"
        return "", None, [Obstacle(says, VERIFY_AGAIN)]
    folder, seen = found
    return str(folder), seen, [] if seen.is_signed or not call.key else [_unsigned(seen)]


def _named(call: Call, where: str) -> tuple[str, Examination | None, list[Obstacle]]:
    """What came from elsewhere could be anybody's: only the signature says whose it is."""
    if call.key is None:
        says = f"{where} comes from elsewhere, and without {seal.KEY_VARIABLE} its signature cannot be checked"
        return where, None, [Obstacle(says, f"set {seal.KEY_VARIABLE} here to the key of the machine that verifies")]
    seen = check.examine(find.named(where), call.key)
    return where, seen, [] if seen.is_signed else [_unsigned(seen)]


def _unsigned(seen: Examination) -> Obstacle:
    problems = "; ".join(f"{item.name}: {item.says}" for item in seen.problems) or "it is not signed"
    return Obstacle(f"the record is not signed with the key that is set here: {problems}",
                    f"set {seal.KEY_VARIABLE} where verify runs too, then {VERIFY_AGAIN}")  # fmt: skip


def _still_true(call: Call, profile: Profile, record: Mapping[str, Any], allow_unbound: bool) -> list[Obstacle]:
    try:
        with contextlib.closing(engines.connect(call.environ)) as engine:
            return _compared(call, profile, record, engine, allow_unbound)
    except Unreachable as error:
        return _unbound(call, error.message, allow_unbound)


def _unbound(call: Call, why: str, allow_unbound: bool) -> list[Obstacle]:
    says = f"whether the record is still true of what runs could not be checked: {why}"
    if allow_unbound:
        call.terminal.item("warning", "not re-checked", f"{says} (--allow-unbound)")
        return []
    return [Obstacle(says, "run this where the engine can be reached, or say --allow-unbound")]


def _compared(
    call: Call, profile: Profile, record: Mapping[str, Any], engine: Engine, allow_unbound: bool
) -> list[Obstacle]:
    if engine.id != record["deployment"]["engine"]:
        return _unbound(call, f"{engine.host} is another engine than the record's", allow_unbound)
    deployment = profile.deployment
    running = {name: engine.containers(deployment.compose_project, name)
               for name in (deployment.worker, *deployment.dependents)}  # fmt: skip
    try:
        changed = validity.drift(record, running) or _changed_code(engine, profile, validity.digests(record))
    except (KeyError, TypeError) as error:
        return [Obstacle(f"the record does not name what it judged: {error!r}", VERIFY_AGAIN)]
    if not changed:
        count = sum(map(len, running.values()))
        call.terminal.item("ok", "still true", f"{count} containers are those that were judged, with the same code")
        return []
    return [Obstacle(f"since then something has changed: {'; '.join(changed)}", VERIFY_AGAIN)]


def _changed_code(engine: Engine, profile: Profile, judged: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Bind-mounted files can be changed under a running process: the next start would load them."""
    rows = [(container, path, digest) for container, files in judged.items() for path, digest in files.items()]

    def look(row: tuple[str, str, str]) -> str:
        container, path, digest = row
        seen = digest_in(engine, container, container_path(profile, path))
        return "" if seen == digest else f"{path} in {container[:12]} is another file now"

    with ThreadPoolExecutor(max_workers=8) as pool:
        return [text for text in pool.map(look, rows) if text]


def _said(call: Call, name: str, seen: Examination | None, obstacles: list[Obstacle]) -> ExitCode:
    terminal = call.terminal
    if name:
        terminal.line(f"record: {name}")
    for obstacle in obstacles:
        terminal.item("refused", "gate", obstacle.says)
        terminal.line(f"→ {obstacle.remedy}")
    if obstacles or seen is None:
        terminal.line("closed: do not deploy")
        return max((obstacle.code for obstacle in obstacles), default=ExitCode.INCONCLUSIVE)
    record = seen.record
    _warn_of_settings(call, record)
    signed = "signed" if seen.is_signed else "not signed"
    terminal.item("passed", "gate", f"open: {record['record_id']} of {record['ended']} is GO, unaltered, {signed}")
    return ExitCode.GO


def _warn_of_settings(call: Call, record: Mapping[str, Any]) -> None:
    """A limit that somebody loosened for one call is part of what this GO stands on."""
    loosened = [f"{row['key']} = {row['value']}" for row in record["settings"]
                if str(row["origin"]).startswith(("command line", "environment"))]  # fmt: skip
    if loosened:
        call.terminal.item("warning", "settings", f"judged with settings given for one call: {', '.join(loosened)}")


def record_check(call: Call, where: str) -> ExitCode:
    """Whether a record holds up, on its own. Inconclusive where it was altered. Raises Unreachable, WrongSetting."""
    seen = check.examine(find.named(where), call.key)
    marks = {Outcome.PASSED: "passed", Outcome.FAILED: "failed", Outcome.INCONCLUSIVE: "inconclusive"}
    for item in seen.items:
        call.terminal.item(marks[item.outcome], item.name, item.says)
    if seen.record:
        call.terminal.line(f"{seen.record.get('record_id')}: {seen.record['verdict']}, {seen.record.get('reason')}")
    call.terminal.line("unaltered" if seen.is_unaltered else "ALTERED, or not to be told: do not rely on it")
    return ExitCode.GO if seen.is_unaltered else ExitCode.INCONCLUSIVE
