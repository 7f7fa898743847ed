"""What the page shows first: one sentence, four pills, three figures, a timeline, a card for each check. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rollback_gate.checks.manifest import CHECKS, OWN, Scope
from rollback_gate.instant import Instant
from rollback_gate.model import Decision, tally
from rollback_gate.record import next_steps

WORDS = {"passed": "✔ passed", "failed": "✘ failed", "inconclusive": "? not proven", "": "– not run"}
_NOT_RUN = {"outcome": "", "reason": "did not run", "claims": []}
_FAR = 10  # an event that is so many times further away than all others are apart would squeeze them into a point
_A_MEAN = 10  # documents, of which a mean says something
_OF_THE_CODE = (
    "test_restored_files_are_the_old_code",
    "test_removed_modules_are_gone",
    "test_settings_and_images_are_the_old_ones",
    "test_process_started_after_the_restore",
)
_APART = 6.0  # percent between two dots


@dataclass(frozen=True)
class Pill:
    """A check in two words. `outcome`: "" where it did not run; `is_left_out`: as the profile does not ask it."""

    label: str
    outcome: str
    passed_before: bool = False
    is_left_out: bool = False

    @property
    def word(self) -> str:
        if self.is_left_out:
            return "– not asked"
        return f"{WORDS[self.outcome]}{', before too' if self.passed_before and self.outcome == 'passed' else ''}"


@dataclass(frozen=True)
class Figure:
    """A number that a manager asks for, and what it is."""

    value: str
    says: str


@dataclass(frozen=True)
class Event:
    """`shown`: its time, with the date where that is another one than before.

    `place`: on a line from 0 to 100, None for one that is too far away to be drawn to scale.
    """

    at: Instant
    shown: str
    says: str
    place: float | None = None
    is_bad: bool = False


@dataclass(frozen=True)
class Shared:
    """One statement, and all that it is true of."""

    outcome: str
    says: str
    subjects: tuple[str, ...]
    details: tuple[str, ...]
    stands_on: str


@dataclass(frozen=True)
class Card:
    """One check. `open`: what did not pass, failures first; `folded`: what did. `before`: its result back then."""

    label: str
    pill: Pill
    reason: str
    tally: str
    open: tuple[Shared, ...]
    folded: tuple[Shared, ...]
    before: str
    by_hand: tuple[Mapping[str, str], ...]


def lead(record: Mapping[str, Any]) -> str:
    """The one sentence: what a person would say who has looked at all of it."""
    reason = str(record["reason"])
    if "state_of_service" in record:
        cause = str(record.get("cause") or reason)
        return f"{cause[:1].upper()}{cause[1:]}"
    if record.get("kind") == next_steps.RECORDED:
        return f"Recorded readings, judged again: {reason}"
    if record["verdict"] == "GO":
        is_done = (record.get("run") or {}).get("outcome") == "done"
        return f"{'The rollback worked' if is_done else 'The old code runs'}: {reason}"
    if record["verdict"] == "NO-GO":
        return f"{next_steps.what_failed(record)}: {reason}"
    return f"Not decided: {reason}"


def project(record: Mapping[str, Any]) -> str:
    """Of the deployment's id, which is engine, project and profile."""
    named = str(record["deployment"]["id"])
    return named.rsplit("/", 2)[1] if named.count("/") > 1 else named


def reason(record: Mapping[str, Any]) -> str:
    """Why it was rolled back: the operator's words first, then what the assessment had said."""
    run, why = record.get("run"), record.get("assessment")
    own = str((run or {}).get("reason") or "")
    if why is None:
        unknown = "no reason was given" if run else "not known: no rollback of this tool started what runs now"
        return own or unknown
    said = str(why["in_words"]) if why["reason"] in own else f"{why['in_words']}: {why['reason']}"
    if why["decision"] != Decision.ROLL_BACK:
        return f"{own or 'no reason was given'}; in spite of the assessment, which said {said}"
    return f"{own}; the assessment said {said}" if own else said


def pills(record: Mapping[str, Any]) -> list[Pill]:
    found, before = _findings(record), (record.get("before") or {}).get("checks", {})
    was = {check: before.get(check, {}).get("outcome") == "passed" for check in _checks_of(record)}
    left_out = _not_asked(record)
    return [
        Pill(record["titles"].get(check, check), found[check]["outcome"], was[check], check in left_out)
        for check in _checks_of(record)
    ]


def figures(record: Mapping[str, Any]) -> list[Figure]:
    asked = [] if "completeness" in _not_asked(record) else [_completeness(record)]
    return [_interruption(record), *asked, _old_code(record)]


def _interruption(record: Mapping[str, Any]) -> Figure:
    run = record.get("run")
    measured = (run or {}).get("interruption")
    if not measured:
        why = "the run did not get that far" if run else "no rollback of this tool started what runs now"
        return Figure("not known", f"interruption: {why}")
    if measured["seconds"] is None:
        return Figure("not counted", f"interruption: {measured['says']}")
    seconds = float(measured["seconds"])
    if not seconds:
        return Figure("none", "interruption: another replica consumed all the time")
    return Figure(f"{seconds:.1f} s", "interruption: no replica consumed")


def _completeness(record: Mapping[str, Any]) -> Figure:
    documents = (record.get("readings") or {}).get("documents") or {}
    scores = [row["score"] for row in documents.get("documents", ()) if row["score"] is not None]
    normal = record.get("normal")
    band = f"; normal: {normal[0]:.1%} to {normal[1]:.1%}" if normal else ""
    if not scores:
        return Figure("not known", f"completeness since the rollback{band}")
    newest = "newest " if documents.get("left_out") else ""
    count = "1 document" if len(scores) == 1 else f"the {newest}{len(scores)} documents"
    low, high, mean = min(scores), max(scores), sum(scores) / len(scores)
    is_few = len(scores) < _A_MEAN and f"{low:.1%}" != f"{high:.1%}"
    return Figure(f"{low:.1%} to {high:.1%}" if is_few else f"{mean:.1%}", f"completeness of {count}{band}")


def _old_code(record: Mapping[str, Any]) -> Figure:
    slots = record["slots"]
    tests = record["tests"]
    asked = [
        test
        for test in Scope.parse(record["scope"]).ids(slots)
        if test.partition("[")[0].rpartition("::")[2] in _OF_THE_CODE
    ]
    held = [slot for slot in slots if all(_passed(tests.get(t)) for t in asked if t.endswith(f"[{slot}]"))]
    if not slots:
        return Figure("not known", "replicas on the old code")
    return Figure(f"{len(held)} of {len(slots)}", "replicas proven to run from the old files")


def _passed(row: Mapping[str, Any] | None) -> bool:
    return bool(
        row and row["call"] == "passed" and row["clean"] and row["claim"] and row["claim"]["outcome"] == "passed"
    )


def events(record: Mapping[str, Any]) -> list[Event]:
    """What happened, oldest first, drawn to scale."""
    run, why = record.get("run") or {}, record.get("assessment")
    if record.get("kind") == next_steps.RECORDED:
        return []
    rows = [(record["began"], "verify began", False), (record.get("ended"), "verdict", False)]
    if "state_of_service" in record:
        last = (run.get("steps") or [{}])[-1]
        how = str(record.get("headline", "failed")).rpartition(" ")[2].lower()
        rows = [(record.get("ended"), f"{how}: {last['says']}" if last.get("outcome") == "failed" else how, True)]
    if why:
        rows.append((why["numbers"].get("deployed_at"), "change deployed", False))
        rows.append((why["at"], f"assessed: {why['in_words']}", False))
    if run:
        rows.append((run.get("at"), "rollback began", False))
        if "state_of_service" not in record:
            rows.append(
                (run.get("ended_at"), f"rollback {run.get('outcome') or 'ended'}", run.get("outcome") != "done")
            )
    else:
        rows += [(_started(replica), f"{replica['slot']} started", False) for replica in _replicas(record)]
    found = sorted(((Instant.parse(at), says, bad) for at, says, bad in rows if at), key=lambda row: row[0])
    before = [None, *(at for at, _, _ in found)]
    return _placed(found, [_shown(at, last) for (at, _, _), last in zip(found, before, strict=False)])


def _started(replica: Mapping[str, Any]) -> str | None:
    return (replica.get("before") or {}).get("started_at")


def _shown(at: Instant, before: Instant | None) -> str:
    day, _, rest = at.short.partition(" ")
    return rest if before is not None and before.short.startswith(day) else f"{day} {rest}"


def _placed(found: Sequence[tuple[Instant, str, bool]], shown: Sequence[str]) -> list[Event]:
    near, texts = list(found), iter(shown)
    while len(near) > 2 and near[1][0].seconds_since(near[0][0]) > _FAR * near[-1][0].seconds_since(near[1][0]):
        near = near[1:]
    span = near[-1][0].seconds_since(near[0][0]) if near else 0.0
    placed, last = (
        [Event(at, next(texts), says, None, bad) for at, says, bad in found[: len(found) - len(near)]],
        -_APART,
    )
    for at, says, bad in near:
        exact = 100 * at.seconds_since(near[0][0]) / span if span else 0.0
        last = max(exact, last + _APART)  # two that are close stay two dots
        placed.append(Event(at, next(texts), says, last, bad))
    return _within(placed)


def _within(placed: list[Event]) -> list[Event]:
    """Dots that were moved apart may stand beyond the end: all are moved together again."""
    most = max((event.place for event in placed if event.place is not None), default=100.0)
    shrink = 100 / most if most > 100 else 1.0
    return [replace(one, place=None if one.place is None else round(one.place * shrink, 2)) for one in placed]


def cards(record: Mapping[str, Any]) -> list[Card]:
    found, by_hand = _findings(record), record.get("by_hand") or []
    made = []
    for check in _checks_of(record):
        finding = found[check]
        shared = _shared(finding["claims"])
        label = record["titles"].get(check, check)
        made.append(
            Card(
                label,
                Pill(label, finding["outcome"], is_left_out=check in _not_asked(record)),
                finding["reason"],
                _tally(finding),
                tuple(
                    sorted((one for one in shared if one.outcome != "passed"), key=lambda one: one.outcome != "failed")
                ),
                tuple(one for one in shared if one.outcome == "passed"),
                _before(record, check, finding["outcome"]),
                tuple(row for row in by_hand if row["check"] == check),
            )
        )
    return made


def _shared(claims: Iterable[Mapping[str, Any]]) -> list[Shared]:
    """What several replicas share is said once; of what did not pass, only with the same evidence."""
    found: dict[tuple[str, str, str, tuple[str, ...]], list[Mapping[str, Any]]] = {}
    for claim in claims:
        own = () if claim["outcome"] == "passed" else tuple(claim["details"])
        found.setdefault((claim["outcome"], claim["says"], claim["stands_on"], own), []).append(claim)
    return [
        Shared(
            outcome,
            says,
            tuple(dict.fromkeys(claim["subject"] for claim in rows)),
            tuple(dict.fromkeys(detail for claim in rows for detail in claim["details"])),
            stands_on,
        )
        for (outcome, says, stands_on, _), rows in found.items()
    ]


def _tally(finding: Mapping[str, Any]) -> str:
    claims = [claim["outcome"] for claim in finding["claims"]]
    return tally(finding["outcome"], claims) if claims else ""


def _before(record: Mapping[str, Any], check: str, outcome: str) -> str:
    before = record.get("before")
    if not before:
        return ""
    was = before["checks"].get(check)
    if was is None:
        return ""
    says = f"Before the rollback: {WORDS[was['outcome']]} ({was['held']} of {was['asked']} assertions held)"
    same = was["outcome"] == outcome == "passed"
    return f"{says}. It passed then too, so it does not show that anything changed" if same else says


def limits(record: Mapping[str, Any]) -> list[str]:
    """What a GO does not show."""
    if record["verdict"] != "GO":
        return []
    says = [f"{note[:1].upper()}{note[1:]}." for note in record.get("notes", ())]
    says += [f"Not asked: {record['titles'].get(check, check)} ({why})." for check, why in _not_asked(record).items()]
    waived: dict[str, list[str]] = {}
    for row in record["settings"]:
        if row["key"].startswith("waived."):
            waived.setdefault(row["value"], []).append(row["key"].partition(".")[2])
    says += [f"Not judged: {', '.join(names)} ({why})." for why, names in waived.items()]
    before = (record.get("before") or {}).get("checks", {})
    same = [
        record["titles"].get(check, check)
        for check in _checks_of(record)
        if before.get(check, {}).get("outcome") == "passed"
    ]
    if same:
        says.append(f"Passed before the rollback too, so no sign of a change: {', '.join(same)}.")
    if not before:
        says.append("The checks were not run before the rollback, so nothing compares them with how it was.")
    codes = [replica.get("code") or {} for replica in _replicas(record)]
    if any(code.get("kept") and code.get("still_there") for code in codes):
        says.append("The rollback was partial: modules of the change are kept, and nothing imports them.")
    if record.get("is_ambiguous"):
        says.append("Completeness does not tell old code from new here; check 1 does.")
    attempts = (record.get("run") or {}).get("attempts", ())
    if overridden := sorted({name for attempt in attempts for name in attempt.get("overrides", ())}):
        says.append(f"The operator overrode {', '.join(overridden)}.")
    return says


def _findings(record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = {finding["check"]: finding for finding in record["findings"]}
    left_out = {check: _NOT_RUN | {"reason": f"not asked: {why}"} for check, why in _not_asked(record).items()}
    return {check: found.get(check, left_out.get(check, _NOT_RUN)) for check in _checks_of(record)}


def _not_asked(record: Mapping[str, Any]) -> Mapping[str, str]:
    """Checks that the profile leaves out, each with its reason, in their order: a file's keys may be in another."""
    left_out: Mapping[str, str] = record["scope"]["not_asked"]
    return {check: left_out[check] for check in _checks_of(record) if check in left_out}


def _replicas(record: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = (record.get("readings") or {}).get("replicas", [])
    return rows


def _checks_of(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The four, and the team's own where it has some."""
    return (*CHECKS, OWN) if (record.get("scope") or {}).get("own") else CHECKS
