"""`gate`, which a CI job runs before it deploys again, and `record.check`. Neither changes anything."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollback_gate.change.outside import Outside
from rollback_gate.change.reading import CodeReading, Held
from rollback_gate.checks import undisturbed
from rollback_gate.checks.manifest import Scope
from rollback_gate.errors import Unreachable, WrongSetting
from rollback_gate.evidence import configured, elsewhere
from rollback_gate.model import ExitCode, Outcome, Unmeasured
from rollback_gate.platform.configured import SAME_PARTS
from rollback_gate.platform.connected import connect
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.afterwards import Due
from rollback_gate.profile.load import Settings
from rollback_gate.profile.schema import Profile
from rollback_gate.record import actions, build, check, find, seal, validity
from rollback_gate.record.answer import FORMS, Answer, Form, Note, as_gitlab, as_markdown, outputs
from rollback_gate.record.check import Examination
from rollback_gate.record.validity import VERIFY_AGAIN, Obstacle
from rollback_gate.record.write import HTML_NAME
from rollback_gate.redaction import Redactor
from rollback_gate.suite import own
from rollback_gate.workflow import chained, published
from rollback_gate.workflow.call import Call, deployment_id, local_now
from rollback_gate.workflow.records import NEWEST, chosen

_AGE = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Wish:
    """`where`: a record of another machine by file or URL, which must be signed, or "newest" for the newest one here.

    `with_actions`: actions due before re-deployment must be done, and approved by another person. `accept_partial`: a
    GO is enough whose profile leaves out a check.
    """

    max_age: str = "7d"
    where: str = NEWEST
    allow_unbound: bool = False
    with_actions: bool = False
    form: str = Form.TEXT
    max_chain_age: str = "1d"
    accept_partial: bool = False


def gate(call: Call, wish: Wish) -> ExitCode:
    """GO only if the newest record of this deployment is GO, young, unaltered, and still true of what runs.

    Raises WrongSetting, Unreachable.
    """
    max_age_s, where = seconds(wish.max_age), wish.where
    if wish.form not in list(Form):
        raise WrongSetting(f"--format {wish.form}: there is no such form", f"one of {', '.join(Form)}")
    settings = call.load()
    notes: list[Note] = []
    profile, project = settings.profile, settings.profile.deployment.project
    with contextlib.ExitStack() as stack:
        engine = _engine(call, settings, stack)
        name, seen, obstacles = _record(call, settings, where, engine)
        if seen is not None and not obstacles:
            obstacles = validity.of_record(seen, project, profile.name, local_now(), max_age_s, wish.accept_partial)
            if left_out := validity.in_words_of(seen.record):
                notes.append(Note("warning", "partial", left_out))
        if seen is not None and not obstacles:
            obstacles = chained.obstacles(notes, call, where, name, seen.record, seconds(wish.max_chain_age))
        if seen is not None and not obstacles:
            obstacles = validity.judged_otherwise(seen.record, build.settings_of(settings))
            obstacles += validity.asked_less(
                seen.record, Scope.of(profile, own.find(own.folder_of(call.profile_path), profile))
            )
        if seen is not None and not obstacles:
            obstacles = _still_true(notes, profile, seen.record, engine, wish.allow_unbound)
    if seen is not None and not obstacles and wish.with_actions:
        obstacles = _actions(call, profile, seen.record, where)
        if not call.key:
            says = f"whoever may write {call.reports} could have noted it: it is not signed ({seal.KEY_VARIABLE})"
            notes.append(Note("warning", "approval", says))
    return _said(call, wish, _answer(call, name, seen, notes, obstacles))


def _engine(call: Call, settings: Settings, stack: contextlib.ExitStack) -> Engines | Unmeasured:
    try:
        return stack.enter_context(contextlib.closing(connect(settings.profile, call.environ)))
    except Unreachable as error:
        return Unmeasured("the engine", error.message)


def seconds(text: str) -> float:
    """`7d`, `12h`, `90m`, `30s`. Raises WrongSetting."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise WrongSetting(f"--max-age {text}: must be a number and s, m, h or d", "for example --max-age 7d")
    return float(match[1]) * _UNITS[match[2]]


def _record(
    call: Call, settings: Settings, where: str, engine: Engines | Unmeasured
) -> tuple[str, Examination | None, list[Obstacle]]:
    """The named record, or the newest of this deployment (and of this engine, if it answers)."""
    if where != NEWEST:
        return _named(call, where)
    where_from = "on this engine" if not isinstance(engine, Unmeasured) else "of an unknown engine: none answers"
    mine = deployment_id(settings, engine)
    found = find.newest(call.reports, published.of_deployment(mine), call.key)
    if found is None:
        says = f"there is no record of project {mine.project}, {where_from}, in {call.reports}"
        return "", None, [Obstacle(says, VERIFY_AGAIN)]
    folder, seen = found
    return str(folder), seen, [] if seen.is_signed or not call.key else [_unsigned(seen)]


def _named(call: Call, where: str) -> tuple[str, Examination | None, list[Obstacle]]:
    """A record from elsewhere could be anyone's: only the signature proves its origin."""
    if not where:
        raise WrongSetting("--record is empty", "name a file or a URL, or leave it out for the newest record here")
    if call.key is None:
        says = f"{find.shown(where)} comes from elsewhere, and without {seal.KEY_VARIABLE} nobody can say whose it is"
        remedy = f"set {seal.KEY_VARIABLE} here to the key of the machine that verifies"
        return find.shown(where), None, [Obstacle(says, remedy)]
    seen = check.examine(find.named(where), call.key)
    return find.shown(where), seen, [] if seen.is_signed else [_unsigned(seen)]


def _unsigned(seen: Examination) -> Obstacle:
    problems = "; ".join(f"{item.name}: {item.says}" for item in seen.problems) or "it is not signed"
    return Obstacle(
        f"the record is not signed with the key that is set here: {problems}",
        f"set {seal.KEY_VARIABLE} where verify runs too, then {VERIFY_AGAIN}",
    )


def _still_true(
    notes: list[Note], profile: Profile, record: Mapping[str, Any], engine: Engines | Unmeasured, allow_unbound: bool
) -> list[Obstacle]:
    """Only an unreachable or different engine may be waived, never its answer."""
    if isinstance(engine, Unmeasured):
        return _unbound(notes, str(engine), allow_unbound)
    if engine.id != record["deployment"]["engine"]:
        return _unbound(notes, f"{engine.host} is another engine than the record's", allow_unbound)
    try:
        return _compared(notes, profile, record, engine)
    except Unreachable as error:
        return [Obstacle(f"whether the record is still true is unknown: {error.message}", error.remedy)]
    except (KeyError, TypeError, IndexError) as error:
        return [Obstacle(f"the record does not name what it judged: {error!r}", VERIFY_AGAIN)]


def _unbound(notes: list[Note], why: str, allow_unbound: bool) -> list[Obstacle]:
    says = f"whether the record is still true of what runs could not be checked: {why}"
    if allow_unbound:
        notes.append(Note("warning", "not re-checked", f"{says} (--allow-unbound)"))
        return []
    return [Obstacle(says, "run this where the engine can be reached, or say --allow-unbound")]


def _compared(notes: list[Note], profile: Profile, record: Mapping[str, Any], engine: Engines) -> list[Obstacle]:
    everyone = Deployed(profile, engine).everyone()
    running = {name: [r for r in everyone if r.service == name] for name in profile.services}
    differing, unread = _configured(engine, profile, everyone)
    changed = validity.drift(record, running) or [*_next_start(engine, profile, record, everyone), *differing]
    stands = Deployed(profile, engine).stands()
    if stands is not None and (troubles := list(undisturbed.troubles(stands, profile.limits.clock_skew_s))):
        return [Obstacle(f"whether the record is still true is unknown: {'; '.join(troubles)}", VERIFY_AGAIN)]
    if by_files := _by_the_files(profile, engine, everyone):
        return [Obstacle(f"since then something has changed: {'; '.join(by_files)}", VERIFY_AGAIN)]
    if unread and profile.values:  # of a setting, the configuration is the change
        return [Obstacle(f"whether a new container would get the old values is unknown: {unread}", VERIFY_AGAIN)]
    if not changed:
        count = sum(map(len, running.values()))
        again = "files and image" if unread else "files, image and configuration"
        says = f"{count} containers are those that were judged, and would start the same {again} again"
        notes.append(Note("warning" if unread else "ok", "still true", f"{says}; {unread}" if unread else says))
        return []
    return [Obstacle(f"since then something has changed: {'; '.join(changed)}", VERIFY_AGAIN)]


def _next_start(
    engine: Engines, profile: Profile, record: Mapping[str, Any], everyone: tuple[Replica, ...]
) -> list[str]:
    """Files behind a mount, and an image's name, can change under a running process: the next start would use them."""
    outside = Outside(profile, engine)
    listed = [replica for replica in everyone if replica.service in profile.services]
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = dict(zip(listed, pool.map(outside.items_of, listed), strict=True))
    changed = [text for replica, reading in found.items() for text in validity.changed_code(record, replica, reading)]
    for replica in listed:
        if engine.of(replica).image_id(replica.image_name) != replica.image_id:
            changed.append(f"{replica.image_name} is another image now than {replica.place} runs")
    for service, rows in elsewhere.read(profile, engine, listed).items():
        own = next((replica for replica in listed if replica.service == service), None)
        changed += [text for node, one in rows.items() if own for text in _there(record, own, node, one)]
    left_out = outside.carried_by(Deployed(profile, engine).unlisted(everyone), listed)
    return changed + [f"{service} is not in the profile, and {carries}" for service, carries in left_out.items()]


def _there(record: Mapping[str, Any], own: Replica, node: str, reading: CodeReading | Unmeasured) -> Iterator[str]:
    """Why a new container on another node would not run what was judged. `own`: a replica of its service."""
    if isinstance(reading, Unmeasured):
        yield str(reading)
        return
    if any(value.held is Held.NEW for value in reading.values):
        yield f"a new task on node {node} would run the change's image"
    for text in validity.changed_code(record, own, reading) if reading.files or reading.still_there else ():
        yield f"on node {node}: {text}"


def _by_the_files(profile: Profile, engine: Engines, everyone: tuple[Replica, ...]) -> list[str]:
    """What the next deployment of a stack would change; and why that is not known."""
    listed = [replica for replica in everyone if replica.service in profile.services]
    found = configured.of(profile, engine).rewritten(listed)
    unread = [str(parts) for parts in found.values() if isinstance(parts, Unmeasured)]
    rows = ((service, parts) for service, parts in found.items() if parts and not isinstance(parts, Unmeasured))
    return [*(f"{service} would get another {', '.join(parts)} by the files" for service, parts in rows), *unread[:1]]


def _configured(engine: Engines, profile: Profile, everyone: tuple[Replica, ...]) -> tuple[list[str], str]:
    """Services that would now get another configuration; and why that could not be measured, "" if it was."""
    listed = [replica for replica in everyone if replica.service in profile.services]
    now = configured.of(profile, engine).now(listed)
    unread = next((str(one) for one in now.values() if isinstance(one, Unmeasured)), "")
    differ = {r.service for r in listed if now[r.service] not in (r.config_hash, SAME_PARTS)}
    changed = sorted(service for service in differ if not isinstance(now[service], Unmeasured))
    return [f"{service} would get another configuration now" for service in changed], unread


def _actions(call: Call, profile: Profile, record: Mapping[str, Any], where: str) -> list[Obstacle]:
    """Reads the actions beside the record; for a record from elsewhere, beside it there, signed with the same key."""
    subject = actions.subject_of(record)
    if where == NEWEST:
        done = actions.done_in(call.reports, subject, call.key)
    else:
        beside = find.beside(where, actions.NAME)
        try:
            entry = actions.parse(find.named(beside), call.key)
        except Unreachable as error:
            return [
                Obstacle(
                    f"what was done is not known: {error.message}",
                    f"publish {actions.NAME}, which invoke actions.done writes, beside the record",
                )
            ]
        done = entry if isinstance(entry, Unmeasured) else entry[1] if entry[0] == subject else ()
    if isinstance(done, Unmeasured):
        return [Obstacle(str(done), "invoke actions; restore the file, or note the actions again")]
    if not any(action.due is Due.BEFORE_REDEPLOYMENT and action.is_approval for action in profile.actions):
        return [Obstacle("the profile lists no approval before re-deployment", "name one in [[actions]]: is_approval")]
    return actions.obstacles(profile.actions, done, actions.operators_of(record), local_now())


def _answer(call: Call, name: str, seen: Examination | None, notes: list[Note], obstacles: list[Obstacle]) -> Answer:
    """Redacted: it goes to logs and summaries with more readers than the record."""
    clean = call.terminal.redactor
    said = tuple(Obstacle(clean.text(o.says), clean.text(o.remedy), o.code) for o in obstacles)
    record = clean.value(dict(seen.record)) if seen else {}
    digest = seal.digest(seal.canonical(seen.record)) if seen and seen.record else ""
    return Answer(name, record, digest, bool(seen and seen.is_signed), tuple(notes), said)


def _said(call: Call, wish: Wish, answer: Answer) -> ExitCode:
    form = Form(wish.form)
    if form is Form.TEXT:
        _as_text(call, answer)
    elif form is Form.GITLAB:
        call.terminal.data(as_gitlab(answer, int(time.time())))
    else:
        call.terminal.data(FORMS[form](answer))
    _append(call, "ROLLBACK_GATE_DOTENV", outputs(answer))
    if form is Form.GITHUB:
        _append(call, "GITHUB_STEP_SUMMARY", as_markdown(answer))
        _append(call, "GITHUB_OUTPUT", outputs(answer))
    return answer.code


def _append(call: Call, variable: str, text: str) -> None:
    """Appends to the file that the CI names. Raises Unreachable."""
    name = call.environ.get(variable)
    if not name:
        return
    try:
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Unreachable(
            f"{variable} names {name}, which cannot be written: {error.strerror}",
            "let it name a file in a folder that exists",
        ) from error


def _as_text(call: Call, answer: Answer) -> None:
    terminal = call.terminal
    for note in answer.notes:
        terminal.item(note.mark, note.name, note.says)
    if answer.name:
        terminal.line(f"record: {answer.name}")
    for obstacle in answer.obstacles:
        terminal.item("refused", "gate", obstacle.says)
        terminal.line(f"→ {obstacle.remedy}")
    if answer.is_open:
        ended = f"{answer.record_id} of {answer.record['ended']}"
        terminal.item("passed", "gate", f"open: {ended} is {answer.headline}, {answer.holds}")
    else:
        terminal.line("closed: do not deploy")


def record_check(call: Call, where: str) -> ExitCode:
    """Checks a record on its own; INCONCLUSIVE if it was altered. Raises Unreachable, WrongSetting.

    `where`: a file, a URL, the id of a record that is kept here, or "newest".
    """
    call.terminal.redactor = Redactor([call.key.secret] if call.key else [])
    is_kept = where == NEWEST or (Path(where).name == where and (call.reports / where).is_dir())
    place = str(chosen(call, where).folder / HTML_NAME) if is_kept else where
    seen = check.examine(find.named(place), call.key)
    marks = {Outcome.PASSED: "passed", Outcome.FAILED: "failed", Outcome.INCONCLUSIVE: "inconclusive"}
    for item in seen.items:
        call.terminal.item(marks[item.outcome], item.name, item.says)
    if record := seen.record:
        word = record.get("headline", record["verdict"])
        call.terminal.line(f"{record['record_id']}: {word}, {record['reason']}")
    if seen.was_altered:
        call.terminal.line("ALTERED: do not rely on it")
    elif not seen.is_unaltered:
        call.terminal.line("whether it was altered is unknown, for the reason above")
    elif seen.is_signed or any(item.name == "page" for item in seen.items):
        call.terminal.line("unaltered" + ("" if seen.is_signed else ", as far as digests can tell: it is not signed"))
    else:
        call.terminal.line(
            "it follows from its own evidence; whether it was edited is told by report.html, or a signature"
        )
        return ExitCode.INCONCLUSIVE
    return ExitCode.GO if seen.is_unaltered else ExitCode.INCONCLUSIVE
