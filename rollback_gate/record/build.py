"""The content of a record: plain data, ready for JSON. Pure."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollback_gate.checks.manifest import Scope
from rollback_gate.checks.verdict import Judgement, Ran, judge
from rollback_gate.instant import Instant
from rollback_gate.launcher import DEFAULT
from rollback_gate.model import Claim, Evidence, Outcome, Verdict
from rollback_gate.profile.load import Settings
from rollback_gate.record import seal
from rollback_gate.rollback.store import RunAccount

FORMAT = 4
MOST_DOCUMENTS = 500


@dataclasses.dataclass(frozen=True)
class Heading:
    """What is known of a record before anything is judged. `kind`: verify, or rollback for a failed run.

    `scope`: which checks the profile asks. `tool`: html.tool(); `began_local`: the start by the operator's clock, with
    its time zone.
    `launcher`: how the operator calls this tool, for the commands on the page.
    `before`: what the checks came to before the judged run, None if they did not run. `assessment`: why it was rolled
    back, None if it was not assessed. `rolled_back_by`: operators of the last run of this deployment, even if another
    state is judged: replacing a replica does not make them a different person.
    `unended_run`: id of the newest run if it has not completed, else "".
    `previous`: `record_id` and `digest` of the previous record, None for the first. `lost`: earlier records that were
    removed or changed, in words.
    """

    kind: str
    record_id: str
    began: Instant
    operator: str
    deployment: Mapping[str, str]
    settings: tuple[Mapping[str, str], ...]
    run: Mapping[str, Any] | None
    titles: Mapping[str, str]
    change: str
    tool: str
    scope: Scope
    began_local: str
    launcher: str = DEFAULT
    before: Mapping[str, Any] | None = None
    assessment: Mapping[str, Any] | None = None
    rolled_back_by: tuple[str, ...] = ()
    unended_run: str = ""
    previous: Mapping[str, str] | None = None
    lost: tuple[str, ...] = ()


def unfinished(heading: Heading, reason: str) -> dict[str, Any]:
    """The record until verify has ended: what a killed verify leaves behind."""
    return _record(heading, Verdict.INCONCLUSIVE, reason, {}, {}, [])


def judged(
    heading: Heading,
    judgement: Judgement,
    slots: Mapping[str, bool],
    ran: Mapping[str, Ran],
    readings: Any,
    ended: Instant,
    explained: Mapping[str, Any],
) -> dict[str, Any]:
    """The record of a completed verify. `readings`: a Readings, or an Unmeasured; `explained`: context()."""
    record = _record(heading, judgement.verdict, judgement.reason, dict(slots), ran, plain(judgement.findings))
    notes = list(judgement.notes)
    if judgement.headline != judgement.verdict.value:
        record["headline"] = judgement.headline
    return record | {"ended": str(ended), "readings": _shortened(plain(readings)), "notes": notes, **explained}


def of_suite(heading: Heading, slots: Mapping[str, bool], left: Mapping[str, Any]) -> dict[str, Any]:
    """The record from the suite's process, with the heading of its caller.

    Raises ValueError, KeyError, TypeError if it does not follow from its own evidence, or covers fewer replicas than
    asked.
    """
    record = {**left, "format": FORMAT, **plain(heading)}
    judgement = verdict_of(record)
    if not slots.items() <= record["slots"].items():
        raise ValueError("it has not judged all replicas that it was asked for")
    if (judgement.verdict.value, judgement.reason) != (record["verdict"], record["reason"]):
        raise ValueError(f"it says {record['verdict']}, and its evidence comes to {judgement.verdict}")
    if plain(judgement.findings) != record["findings"] or "ended" not in record:
        raise ValueError("its findings do not follow from its tests")
    return record


def with_own(left: Mapping[str, Any], ran: Mapping[str, Ran]) -> dict[str, Any]:
    """The record with the results of the team's own checks, which ran after it was made. Raises as verdict_of."""
    record = {**left, "tests": {**left["tests"], **plain(ran)}}
    judgement = verdict_of(record)
    record |= {
        "verdict": judgement.verdict.value,
        "reason": judgement.reason,
        "findings": plain(judgement.findings),
        "notes": list(judgement.notes),
    }
    record.pop("headline", None)
    if judgement.headline != judgement.verdict.value:
        record["headline"] = judgement.headline
    return record


def ran_of(table: Mapping[str, Any]) -> dict[str, Ran]:
    """Results by test, as `plain` made them. Raises ValueError, KeyError."""
    return {test: _ran(row) for test, row in table.items()}


def _shortened(readings: Any) -> Any:
    """Keeps only the newest documents (they come first) to limit the page's size; claims stand on all of them."""
    documents = readings.get("documents") or {}
    rows = documents.get("documents") or []
    if len(rows) <= MOST_DOCUMENTS:
        return readings
    left_out = len(rows) - MOST_DOCUMENTS
    return {**readings, "documents": {**documents, "documents": rows[:MOST_DOCUMENTS], "left_out": left_out}}


def failed_rollback(
    heading: Heading,
    reason: str,
    remedy: str,
    state: list[str],
    ended: Instant,
    headline: str = "rollback failed",
    cause: str = "",
) -> dict[str, Any]:
    """The record of a run that did not complete: never judged, so never GO and never NO-GO.

    `headline`: "rollback failed", "undo stopped" and the like. `cause`: why, apart from the step that failed.
    """
    record = _record(heading, Verdict.INCONCLUSIVE, f"the {headline}: {reason}", {}, {}, [])
    own = {"state_of_service": state, "next_step": remedy, "headline": headline.upper(), "cause": cause}
    return record | {"ended": str(ended), **own}


def verdict_of(record: Mapping[str, Any]) -> Judgement:
    """The verdict that follows from a record's own evidence, not from its stated one. Raises ValueError, KeyError."""
    return judge(record["slots"], tests_of(record), Scope.parse(record["scope"]))


def tests_of(record: Mapping[str, Any]) -> dict[str, Ran]:
    """The result of each test. Raises ValueError, KeyError."""
    return ran_of(record["tests"])


def settings_of(settings: Settings) -> tuple[Mapping[str, str], ...]:
    """Every setting with its value and its origin, including defaults."""
    rows = []
    table = settings.profile.model_dump(mode="json")
    table["change"] = [_without_values(item) for item in table["change"]]
    for key, value in _flat(table):
        origin = next(
            (o for known, o in settings.origins.items() if key == known or key.startswith(f"{known}.")), "default"
        )
        rows.append({"key": key, "value": str(value), "origin": origin})
    return tuple(rows)


def _without_values(item: dict[str, Any]) -> dict[str, Any]:
    """A setting's values may be secrets: what is compared is their digest."""
    if item["kind"] != "setting":
        return item
    digests = {key: f"sha256 {seal.digest(item[key])[:12]}" for key in ("new", "old") if item[key] is not None}
    return {**item, **digests}


def run_of(account: RunAccount) -> dict[str, Any]:
    """The judged run, for the record's timeline."""
    row: dict[str, Any] = plain(
        {
            "id": account.id,
            "outcome": account.outcome,
            "steps": account.steps,
            "attempts": account.attempts,
            "interruption": account.interruption,
            "ended_at": account.ended_at,
            "messages": account.messages,
            **account.began,
        }
    )
    return row


def plain(value: Any) -> Any:
    """Dataclasses, instants, enums, tuples and paths as JSON values; an unmeasured reading is marked as such."""
    if isinstance(value, Instant | Path):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"unmeasured": fields} if type(value).__name__ == "Unmeasured" else fields
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value  # not in JSON


def _record(
    heading: Heading, verdict: Verdict, reason: str, slots: dict[str, bool], ran: Mapping[str, Ran], findings: Any
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        **plain(heading),
        "verdict": verdict.value,
        "reason": reason,
        "slots": slots,
        "findings": findings,
        "tests": plain(ran),
    }


def _ran(row: Mapping[str, Any]) -> Ran:
    claim = row["claim"]
    made = None
    if claim is not None:
        made = Claim(
            Outcome(claim["outcome"]),
            claim["subject"],
            claim["says"],
            Evidence(claim["stands_on"]),
            tuple(claim["details"]),
            claim["note"],
        )
    return Ran(row["call"], row["clean"], made, row["trouble"])


def _flat(table: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if isinstance(table, dict) and table:
        return [row for key, value in table.items() for row in _flat(value, f"{prefix}.{key}" if prefix else key)]
    return [(prefix, table)]
