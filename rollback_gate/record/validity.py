"""Whether a record allows a deployment: GO, young enough, of this deployment, and still true. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rollback_gate.change.reading import CodeReading
from rollback_gate.checks.manifest import Scope
from rollback_gate.instant import Instant
from rollback_gate.model import ExitCode, Verdict
from rollback_gate.platform.replica import Replica
from rollback_gate.record.check import Examination

VERIFY_AGAIN = "invoke verify"
_CLOCK_STEPS_S = 60
_AHEAD_S = 300.0  # clocks of two machines may differ slightly


@dataclass(frozen=True)
class Obstacle:
    """Why a record blocks the deployment, and what to do next."""

    says: str
    remedy: str
    code: ExitCode = ExitCode.INCONCLUSIVE


def of_record(
    seen: Examination, project: str, profile: str, now: Instant, max_age_s: float, accept_partial: bool = False
) -> list[Obstacle]:
    """Obstacles in the record itself. `now`: this machine's clock. `accept_partial`: of a GO for 3 of 4 checks."""
    if not seen.is_unaltered:
        says = "; ".join(f"{item.name}: {item.says}" for item in seen.problems)
        return [Obstacle(f"the record cannot be relied on: {says}", f"move it away, and {VERIFY_AGAIN}")]
    record = seen.record
    found = [*_of_another(record, project, profile), *_not_go(record, accept_partial)]
    moment = Instant.parse(record.get("ended") or record["began"])  # a killed verify has no end
    if found and moment.seconds_since(now) > _CLOCK_STEPS_S:
        says = "it is dated in the future, so no newer one is asked: move its folder away"
        found = [replace(one, says=f"{one.says}; {says}") for one in found]
    remedy = f"{VERIFY_AGAIN}, or allow more with --max-age"
    return found or too_old("the record", Instant.parse(record["ended"]), now, max_age_s, remedy)


def _of_another(record: Mapping[str, Any], project: str, profile: str) -> list[Obstacle]:
    """Compares project and profile of the deployment id. The engine is compared with the live one elsewhere."""
    theirs, their_profile = [*str(record["deployment"]["id"]).rsplit("/", 2), "", ""][1:3]
    if (theirs, their_profile) == (project, profile):
        return []
    return [
        Obstacle(
            f"the record is of project {theirs}, profile {their_profile}, not of {project}, {profile}",
            "name the record of this deployment, or its profile",
        )
    ]


def _not_go(record: Mapping[str, Any], accept_partial: bool) -> list[Obstacle]:
    verdict = Verdict(record["verdict"])
    if record.get("kind") != "verify":
        return [Obstacle(f"the record is no verdict: {record['reason']}", f"fix that, then {VERIFY_AGAIN}")]
    left_out = in_words_of(record)
    if verdict is Verdict.GO and (accept_partial or not left_out):
        return []
    if verdict is Verdict.GO:
        says = f"the record is {record.get('headline', 'GO')}: {left_out}"
        return [Obstacle(says, "gate --accept-partial, if that is enough to deploy")]
    code = ExitCode.NO_GO if verdict is Verdict.NO_GO else ExitCode.INCONCLUSIVE
    return [Obstacle(f"the record says {verdict}: {record['reason']}", f"fix that, then {VERIFY_AGAIN}", code)]


def in_words_of(record: Mapping[str, Any]) -> str:
    """Which checks the profile left out, each with its reason; "" for none."""
    left_out = record.get("scope", {}).get("not_asked", {})
    return "; ".join(f"{record['titles'].get(check, check)} was not asked ({why})" for check, why in left_out.items())


def of_chain(not_newest: str, missing: Iterable[str]) -> list[Obstacle]:
    """Obstacles from records that were removed or changed, or are newer."""
    found = [f"it is not the newest record: {not_newest}"] if not_newest else []
    found += [f"a record of this deployment was taken away or changed: {text}" for text in missing]
    return [Obstacle(text, VERIFY_AGAIN) for text in found]


def too_old(what: str, at: Instant, now: Instant, max_age_s: float, remedy: str) -> list[Obstacle]:
    """`what` was written at `at`; `remedy`: how to get a newer one."""
    age_s = now.seconds_since(at)
    if age_s > max_age_s:
        return [Obstacle(f"{what} is {in_words(age_s)} old, more than {in_words(max_age_s)}", remedy)]
    if age_s < -_AHEAD_S:
        return [
            Obstacle(
                f"{what} was written {in_words(-age_s)} in the future by this machine's clock",
                "set the clocks right",
            )
        ]
    return []


_SHORT = 40
# Access to the deployment, notifications and wait times, which may differ between machines.
_REACHING = (
    "format",
    "title",
    "messages.",
    "actions",
    "ticket",
    "triggers.",
    "queue.address",
    "database.address",
    "database.user",
    "database.auth_source",
    "database.password",
    "upstream.name",
    "upstream.address",
    "upstream.url",
    "upstream.answer_s",
    "queue.user",
    "queue.password",
    "limits",
)
_JUDGING = (
    "triggers.import_error",
    *(
        f"limits.{name}"
        for name in ("start_s", "health_s", "soak_s", "probe_s", "clock_skew_s", "baseline_s", "errors")
    ),
)


def decides(key: str) -> bool:
    """True if a setting can change a verdict. Any setting not known to be harmless counts."""
    return key.startswith(_JUDGING) or not key.startswith(_REACHING)


def judged_otherwise(record: Mapping[str, Any], now: Iterable[Mapping[str, str]]) -> list[Obstacle]:
    """Settings that decide the verdict and differ from this call's: a GO under looser limits does not count here."""
    theirs, ours = (
        {str(row["key"]): str(row["value"]) for row in rows if decides(str(row["key"]))}
        for rows in (record["settings"], now)
    )
    keys = sorted(key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key))
    differing = [_difference(key, theirs.get(key, "not set"), ours.get(key, "not set")) for key in keys]
    if not differing:
        return []
    return [
        Obstacle(
            f"it was judged with other settings: {'; '.join(differing)}",
            f"{VERIFY_AGAIN}; or give the gate the same --set",
        )
    ]


def asked_less(record: Mapping[str, Any], scope: Scope) -> list[Obstacle]:
    """A record whose tests are not those that the profile asks for."""
    try:
        theirs = Scope.parse(record["scope"])
        is_same = (theirs.required, theirs.own) == (scope.required, scope.own)
    except (KeyError, TypeError, ValueError):
        is_same = False
    return [] if is_same else [Obstacle("it was judged by other tests than the profile asks for", VERIFY_AGAIN)]


def _difference(key: str, theirs: str, ours: str) -> str:
    """Includes the values only if they are short: a whole table of patterns is unreadable."""
    return key if max(len(theirs), len(ours)) > _SHORT else f"{key} {theirs} (now {ours})"


def in_words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} hours" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def judged(record: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """The judged containers by service, as they were at the end of the checks. Raises KeyError."""
    services: dict[str, list[Mapping[str, Any]]] = {}
    for reading in record["readings"]["replicas"]:
        services.setdefault(str(reading["service"]), []).append(reading["after"])
    return services


def drift(record: Mapping[str, Any], running: Mapping[str, Iterable[Replica]]) -> list[str]:
    """How the running containers differ from the judged ones, in words; empty if the record is still true."""
    found = []
    for service, rows in judged(record).items():
        now = {replica.id: replica for replica in running.get(service, ())}
        for row in rows:
            replica = now.pop(str(row["id"]), None)
            found += [f"{row['name']} {text}" for text in _differences(row, replica)]
        found += [f"{replica.place} was not there when it was judged" for replica in now.values()]
    return found


def _differences(row: Mapping[str, Any], replica: Replica | None) -> Iterable[str]:
    if replica is None:
        yield "does not exist any more"
        return
    if not replica.is_running or (replica.is_ill and row.get("health") != "unhealthy"):
        yield f"is {replica.condition}" + (f", {replica.health}" if replica.health else "")
    if str(replica.started_at) != row["started_at"]:
        yield f"was restarted at {replica.started_at.short if replica.started_at else 'no time'}"
    if replica.restart_count != row["restart_count"]:
        yield f"has restarted {replica.restart_count} times, {row['restart_count']} when it was judged"
    if (replica.image_id, replica.config_hash) != (row["image_id"], row["config_hash"]):
        yield "has another image or configuration"


def changed_code(record: Mapping[str, Any], replica: Replica, now: CodeReading) -> list[str]:
    """How the code a replica would load at its next start differs from the judged code, in words. Raises KeyError."""
    readings = record["readings"]["replicas"]
    then = next(reading["code"] for reading in readings if str(reading["after"]["id"]) == replica.id)
    digests = {file["path"]: file["digest"] for file in then["files"]}
    files = [f"{f.path} of {replica.place} is another file now" for f in now.files if digests[f.path] != f.digest]
    again = sorted(set(now.still_there) - set(then["still_there"]))
    return [*files, *(f"{path} of {replica.place} is there again" for path in again)]
