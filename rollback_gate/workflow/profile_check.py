"""`profile.check`: tries each statement of a profile on what is there. Read-only.

A statement that is wrong is told now, and not by a verdict in the middle of the night.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from rollback_gate.change import backups
from rollback_gate.change.content import Content, classify
from rollback_gate.change.goal import Direction, Goal, Mode
from rollback_gate.change.reading import Held, ValueReading
from rollback_gate.change.values import Values
from rollback_gate.checks.manifest import Own
from rollback_gate.draft import printed
from rollback_gate.errors import Refused, Unreachable, WrongSetting
from rollback_gate.evidence import configured, documents, keeping, logs, metric, queue, readiness, upstream
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.oddities import oddities
from rollback_gate.evidence.readings import DocumentsReading
from rollback_gate.evidence.trial import Trial
from rollback_gate.model import ExitCode, Unmeasured
from rollback_gate.platform import compose as composes
from rollback_gate.platform.commands import SubprocessRunner, allowed
from rollback_gate.platform.connected import connect
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.profile.deployment import FileItem, ImageItem
from rollback_gate.profile.schema import Profile
from rollback_gate.regular import content_of
from rollback_gate.rollback import stacks
from rollback_gate.rollback.wanted import why_not_given
from rollback_gate.suite import own
from rollback_gate.workflow.call import Call, stores_of
from rollback_gate.workflow.differing import Difference, sources_of
from rollback_gate.workflow.left_behind import of_brought, of_differences, of_what_was_compared, old_text, reaching
from rollback_gate.workflow.statements import (
    Row,
    of_documents,
    of_finished,
    of_level,
    of_logs,
    of_queue,
    of_test_documents,
)

_MOST_LINES = 200_000


def check(call: Call) -> ExitCode:
    """Shows a row for each statement; WRONG_SETTING if one cannot be right. Raises WrongSetting, Unreachable."""
    settings = call.load()
    profile, terminal = settings.profile, call.terminal
    terminal.stage(f"{profile.title}: {call.profile_path}")
    with contextlib.closing(connect(profile, call.environ)) as engines:
        found = Deployed(profile, engines).by_service()
        kept = tuple(store.snapshots for store in stores_of(call, settings, engines))
        files = [(item, _candidates(profile, item, kept)) for item in profile.files]
        pairs = tuple(Difference(engines.environment, profile.deployment.project_directory, "").pairs())
        trial, unread = _tried(profile, engines, found)
        groups = (
            of_services(profile, found),
            _of_unseen(profile, engines),
            _of_oddities(engines, found),
            _of_compose(profile, engines, found[profile.consumer]),
            of_files(profile, files),
            of_brought(profile, files, sources_of(profile.deployment.project_directory)),
            of_what_was_compared(pairs),
            of_differences(profile, reaching(profile, engines, found, pairs)),
            _of_values(profile, engines, found),
            of_logs(profile, trial, unread),
            of_test_documents(profile, trial),
            of_printed(profile, files),
            _of_queue(call, profile, found[profile.consumer]),
            _of_database(call, profile, engines, trial),
            _of_upstream(call, profile),
            _of_keeps(profile, engines),
            _of_answers(profile, engines, found),
            _of_own(own.find(own.folder_of(call.profile_path), profile)),
        )
        rows = []
        for group in groups:
            for row in group:
                terminal.item(row.mark, row.name, row.says)
                rows.append(row)
    for line in stands_on(profile):
        terminal.line(line)
    wrong = sum(row.mark == "refused" for row in rows)
    if wrong:
        terminal.line(f"{wrong} statements cannot be right: correct {call.profile_path}")
    return ExitCode.WRONG_SETTING if wrong else ExitCode.GO


def of_services(profile: Profile, found: dict[str, tuple[Replica, ...]]) -> Iterator[Row]:
    project = profile.deployment.project
    for name, service in profile.services.items():
        count = len(found[name])
        if not count:
            says = f"project {project} has no container of it: check deployment.project and the service's name"
            yield Row("refused", name, says)
        elif count != service.replicas:
            yield Row("warning", name, f"{count} containers, and {service.replicas} are normal by the profile")
        else:
            yield Row("ok", name, f"{count} of {service.replicas} containers")


def _of_unseen(profile: Profile, engines: Engines) -> Iterator[Row]:
    for name in profile.services:
        for one in engines.unseen(profile.deployment.project, name):
            yield Row("warning", name, f"{one}: what it has is not compared")


def _of_oddities(engines: Engines, found: dict[str, tuple[Replica, ...]]) -> Iterator[Row]:
    for name, replicas in found.items():
        yield from (Row("warning", name, odd) for odd in oddities(engines, replicas, isinstance(engines, Cluster)))


def _of_compose(profile: Profile, engines: Engines, replicas: tuple[Replica, ...]) -> Iterator[Row]:
    """Whether an installed Compose reads the project: a rollback makes containers anew with it."""
    if not replicas:
        return
    directory = profile.deployment.project_directory
    runner = SubprocessRunner(allowed(engines.environment, profile.deployment.variables))
    try:
        is_stack = isinstance(engines, Cluster)
        deployment, environ = profile.deployment, engines.environment
        compose = (
            composes.of_stack(deployment, runner, environ)
            if is_stack
            else composes.of(deployment, replicas[0], runner, environ)
        )
        count = len(composes.services(compose, runner, directory))
    except Refused as error:
        yield Row("refused", "compose", f"{error.message}: {error.remedy}")
        return
    yield Row("ok", "compose", f"Compose {compose.version} reads the project's {count} services")


# --- the change


def _candidates(profile: Profile, item: FileItem, kept: Iterable[Path]) -> tuple[backups.Candidate, ...]:
    own = [one for folder in kept for one in backups.in_snapshots(folder, item)]
    return backups.candidates(profile.deployment.project_directory, item, own)


def of_files(profile: Profile, files: Iterable[tuple[FileItem, tuple[backups.Candidate, ...]]]) -> Iterator[Row]:
    """What is in place, what old code there is, and whether each text tells the two apart."""
    for item, candidates in files:
        path = profile.deployment.project_directory / item.path
        try:
            data = content_of(path)
        except OSError as error:
            yield Row("refused", item.path, f"{path} cannot be read: {error.strerror}")
            continue
        content, why = classify(data, item)
        yield Row("warning" if content is Content.UNKNOWN else "ok", item.path, f"is {content} ({why})")
        yield from _of_texts(item, data.decode(errors="replace"), content)
        old = [one for one in candidates if one.content is Content.OLD]
        says = f"{len(old)} of {len(candidates)} backups are old code"
        yield Row("ok" if old else "warning", item.path, says if old else f"{says}: git or an image must have it")


def _of_texts(item: FileItem, text: str, content: Content) -> Iterator[Row]:
    if content is not Content.NEW:
        return
    for mark in item.new:
        if mark not in text:
            yield Row("warning", item.path, f"new code is in place, and has no {mark!r} (new)")
    if all(mark in text for mark in item.old):
        says = "every text of `old` stands in the new code too: they tell nothing apart, only `new` does"
        yield Row("warning", item.path, says)


def _of_values(profile: Profile, engines: Engines, found: dict[str, tuple[Replica, ...]]) -> Iterator[Row]:
    """Where each setting and image is written, and what the containers have."""
    for place, one in configured.of(profile, engines).written().items():
        mark = "ok" if isinstance(one, ValueReading) and one.held is not Held.OTHER else "refused"
        yield Row(mark, place, one.reason if isinstance(one, Unmeasured) else f"holds {one.held}")
    yield from _of_images(profile, engines)
    for replica in (one for rows in found.values() for one in rows):
        for value in Values(profile, engines.of(replica)).of(replica):
            is_told = value.held is Held.NEW or (value.held is Held.OLD and value.is_shown) or not value.is_setting
            yield Row("ok" if is_told and value.held is not Held.OTHER else "warning", replica.name, value.says)


def _of_images(profile: Profile, engines: Engines) -> Iterator[Row]:
    """Whether the old images are there: on each node that may run the service, or in their registry."""
    if isinstance(engines, Cluster):
        if profile.values:
            yield _of_stack(profile, engines)
        return
    for item in profile.values:
        if isinstance(item, ImageItem) and engines.main.image_id(item.old) is None:
            yield Row("refused", item.says, f"there is no image {item.old} here: load or pull it")


def _of_stack(profile: Profile, cluster: Cluster) -> Row:
    try:
        found = stacks.of_goal(profile, cluster, None, Goal(Direction.ROLLBACK, Mode(), ()))
    except Refused as error:
        return Row("refused", "stack", f"{error.message}: {error.remedy}")
    why = next(filter(None, (why_not_given(profile, one, name) for name, one in found.items())), "")
    return Row(
        "refused" if why else "ok",
        "stack",
        why or "what the items name can be given to its services, on the nodes that answer",
    )


# --- the logs


def _tried(profile: Profile, engines: Engines, found: dict[str, tuple[Replica, ...]]) -> tuple[Trial, list[Unmeasured]]:
    trial, unread = Trial(profile.logs), []
    for replica in (one for rows in found.values() for one in rows):
        try:
            with contextlib.closing(logs.blocks(engines.of(replica), replica, None, _MOST_LINES)) as blocks:
                for block in blocks:
                    trial.feed(block.splitlines())
        except Unreachable as error:
            unread.append(Unmeasured(f"the log of {replica.name}", error.message))
    return trial, unread


def of_printed(profile: Profile, files: Iterable[tuple[FileItem, tuple[backups.Candidate, ...]]]) -> Iterator[Row]:
    """Patterns for a worker's lines must match what old code prints, too: its source says so before it runs."""
    forms = profile.logs
    named = {"consuming": forms.consuming, "picked_up": forms.picked_up, "completed": forms.completed}
    patterns = {f"logs.{key}": form for key, form in named.items() if form}
    for item, candidates in files:
        old = old_text(candidates)
        new = _read(profile.deployment.project_directory / item.path)
        if old is None or new is None or classify(new, item)[0] is not Content.NEW:
            continue
        texts = old, new.decode(errors="replace")
        for key in printed.by_new_code_only(patterns, *texts, item.path):
            says = f"only the new {item.path} prints such a line: a rollback would wait for it in vain"
            yield Row("refused", key, says)


def _read(path: Path) -> bytes | None:
    try:
        return content_of(path)
    except OSError:
        return None  # of_files has told


# --- the systems around the workers


def _of_queue(call: Call, profile: Profile, replicas: tuple[Replica, ...]) -> Iterator[Row]:
    if profile.queue is not None:
        yield from of_queue(profile.queue, queue.of(profile, call.environ).read(), replicas)


def _of_database(call: Call, profile: Profile, engines: Engines, trial: Trial) -> Iterator[Row]:
    if profile.database is None:
        return
    try:
        store = documents.connect(profile, call.environ)
        if isinstance(store, Unmeasured):
            yield Row("refused", "database", str(store))
            return
        with contextlib.closing(store):
            store.ping()
            yield Row("ok", "database", f"{profile.database.says} answers")
            found = _since(profile, engines, store)
            yield from of_documents(found)
            yield from of_finished(trial.finished, store.by_id(trial.finished))
            if profile.completeness and not isinstance(found, Unmeasured):
                yield from of_level(profile.completeness, found.documents)
    except (WrongSetting, Unreachable) as error:
        yield Row("refused", "database", str(error))


def _since(profile: Profile, engines: Engines, store: Documents) -> DocumentsReading | Unmeasured:
    now = engines.now()
    return store.since(now.plus(-profile.limits.baseline_s), now.plus(profile.limits.clock_skew_s))


def _of_upstream(call: Call, profile: Profile) -> Iterator[Row]:
    if profile.upstream is None:
        return
    reading = upstream.of(profile, call.environ)()
    yield Row("ok" if reading.answers else "warning", "upstream", f"{reading.name} {reading.state}: {reading.says}")


def _of_keeps(profile: Profile, engines: Engines) -> Iterator[Row]:
    found = keeping.read(profile, lambda keep: SubprocessRunner(allowed(engines.environment, keep.variables)))
    for says, one in found.items():
        if isinstance(one, Unmeasured):
            yield Row("refused", "keep", str(one))
        else:
            yield Row("ok" if one else "warning", "keep", f"{says} is {'there' if one else 'not there'}")


def _of_own(checks: Iterable[Own]) -> Iterator[Row]:
    for one in checks:
        yield Row("refused" if one.trouble else "ok", one.id.partition("::")[0], one.trouble or one.says)


def _of_answers(profile: Profile, engines: Engines, found: dict[str, tuple[Replica, ...]]) -> Iterator[Row]:
    """The ready conditions and the metric. No request is sent: profile.check changes nothing."""
    for name, service in profile.services.items():
        if service.ready:
            why = readiness.why_not(service.ready, found[name], engines)
            mark = "refused" if isinstance(why, Unmeasured) else "warning" if why else "ok"
            yield Row(mark, f"{name}.ready", str(why) or "it is ready")
    if profile.metric:
        number = metric.read(
            profile.metric,
            engines.now().plus(-profile.limits.stabilise_s),
            engines.now(),
            lambda section: SubprocessRunner(allowed(engines.environment, section.variables)),
        )
        mark = "refused" if isinstance(number, Unmeasured) else "ok"
        yield Row(mark, profile.metric.name, str(number))


# --- what it comes to


def stands_on(profile: Profile) -> Iterator[str]:
    """What a GO would stand on, and what of it could not tell old from new."""
    counted = (
        (len(profile.files), "restored files"),
        (len(profile.removed()), "removed paths"),
        (len(profile.values), "settings and images"),
    )
    parts = [f"{count} {what}" for count, what in counted if count]
    every = [form.name for form in profile.logs.new if form.every_document]
    log = f"log lines ({', '.join(every)})" if every else ""
    mark = "the mark in fresh documents" if profile.database else ""
    yield f"check 1 would stand on {', '.join(filter(None, [*parts, log, mark]))}"
    if not every:
        yield "the log's silence proves nothing: no form of logs.new has every_document = true"
    if not profile.code and not profile.logs.new and not profile.database:
        yield "no code is compared: only what the containers were created with tells old from new"
    for name, why in profile.not_asked.items():
        yield f"check `{name}` is not asked: {why}"
    wanted = profile.completeness
    if wanted is not None and any(wanted.low <= score <= wanted.high for score in wanted.ambiguous):
        yield "completeness does not tell old from new alone: both give some scores of the band"
