"""What is around the workers, for a proposed profile: logs, queue, database, and what normal is."""

from __future__ import annotations

import contextlib
import hashlib
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.errors import APIError
from pydantic import SecretStr, TypeAdapter, ValidationError

from rollback_gate.change.reading import Baseline
from rollback_gate.draft import printed, source
from rollback_gate.draft.source import Said
from rollback_gate.draft.text import Draft
from rollback_gate.errors import RollbackGateError, Unreachable
from rollback_gate.evidence import logs
from rollback_gate.evidence.adapters import recognised
from rollback_gate.evidence.adapters.known import Found, Known
from rollback_gate.evidence.adapters.recognised import section_of
from rollback_gate.evidence.documents import connect_to
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.archive import digest_in
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.systems import Database

_ANSWER_S, _WEEK_S, _MOST_LOG_BYTES = 5.0, 604_800.0, 1 << 20
_NEVER = "0001-01-01T00:00:00Z"
_PASSWORD = "ROLLBACK_GATE_DATABASE_PASSWORD"
_LONGEST_NAME = 60
_SPREADS, _LEAST, _FLOOR = 3, 0.05, 0.02


def inside_of(engine: Engine, replica: Replica, directory: Path, path: str, content: str) -> str:
    """Where a container has a file of the project; "" if it has not. By its mounts, else by name and content."""
    if mounted := mounted_at(replica, directory, path):
        return mounted
    wanted = hashlib.sha256(content.encode()).hexdigest()
    places = [f"{root.rstrip('/')}/{path}" for root in (replica.working_directory, "/app", "/srv", "/usr/src/app")]
    if found := _with(engine, replica, places, wanted):  # the engine shows these of a stopped container too
        return found
    with contextlib.suppress(APIError):
        return _with(engine, replica, _found(engine, replica, Path(path).name), wanted) if replica.is_running else ""
    return ""


def mounted_at(replica: Replica, directory: Path, path: str) -> str:
    """Where a mount shows a file of the project in a container; "" for none."""
    host = str(directory / path)
    for mount in replica.mounts:
        source = mount.source.rstrip("/")
        if source and (host == source or host.startswith(f"{source}/")):
            return mount.target.rstrip("/") + host[len(source) :]
    return ""


def _with(engine: Engine, replica: Replica, places: Iterable[str], digest: str) -> str:
    """The first of these places with this content; "" for none."""
    with contextlib.suppress(Unreachable):
        return next((one for one in places if digest_in(engine, replica.id, one) == digest), "")
    return ""


def _found(engine: Engine, replica: Replica, name: str) -> list[str]:
    """Files of this name inside, wherever they are."""
    api = engine.client.api
    made = api.exec_create(
        replica.id, ["timeout", "10", "find", "/", "-xdev", "-name", name, "-type", "f"], stderr=False
    )
    return [line for line in api.exec_start(made["Id"]).decode(errors="replace").splitlines() if line.startswith("/")]


@dataclass
class Around:
    """Queue and database as sections, and the log lines that the sources print, and the old ones of changed
    files printed. `others`: the team's own services.

    `readers`: those that read the queue, by its own list (`are_listed`) or by their source; `ready_by_log`: those that
    have printed the line of a ready one; `log`: of one that reads the queue. `normal`: of check 4. `old`: texts of
    changed files before the change, by path.
    """

    sections: dict[str, tuple[str, Found, str]]
    lines: list[Said]
    sources: Mapping[str, str]
    others: list[str]
    readers: frozenset[str]
    are_listed: bool
    normal: dict[str, float] | Unmeasured
    ready_by_log: frozenset[str]
    log: str
    old: Mapping[str, str]

    def reads_queue(self, service: str, all_of_them: Iterable[str]) -> str:
        """Why a service is taken for one that reads the queue; "" if it is not."""
        if "queue" not in self.sections:
            return ""
        if service in self.readers:
            return "the queue lists it as its reader" if self.are_listed else "its source reads the queue"
        return "it is the only service of the change" if list(all_of_them) == [service] else ""

    def write(self, made: Draft) -> None:
        """The sections on logs, queue, database, probe and completeness."""
        made.section("[logs]")
        self._line(
            made,
            "consuming",
            source.ready(self.lines, self.log),
            "",
            "the line by which a worker says that it is ready",
        )
        if "queue" in self.sections:
            self._line(made, "picked_up", source.begins(self.lines), "document", "a task is begun, with its id")
            self._line(made, "completed", source.done(self.lines), "task", "a task is done, with its id")
        made.set(
            "error",
            re.compile(source.error(self.log, "\n".join(self.sources.values()))),
            "look whether yours looks otherwise",
        )
        self._new_lines(made)
        for name, (kind, found, where) in self.sections.items():
            made.section(f"[{name}]", where)
            made.set("kind", kind)
            for key, value in found.values.items():
                if value is None:
                    made.lack(key, found.look_for.get(key, "it is in the worker's configuration"))
                else:
                    made.set(key, value, found.why.get(key, ""))
        self._left_out(made)
        self._probe(made)

    def _new_lines(self, made: Draft) -> None:
        unchanged = {path: text for path, text in self.sources.items() if path not in self.old}
        for said in printed.of_the_change(self.lines, {**unchanged, **self.old}, self.old.keys(), self.log):
            made.section("[[logs.new]]", f"only the new code prints it, at {said.place}")
            made.set("name", printed.example(said)[:_LONGEST_NAME])
            made.set("kind", "line of the change")
            made.set("pattern", re.compile(said.pattern()))
            made.set("example", printed.example(said))
            if said.is_on_a_task:
                made.rows.append(
                    "# every_document = true  # if each document has one: its absence then proves something"
                )

    def _line(self, made: Draft, key: str, said: Said | None, group: str, what: str) -> None:
        if said is None:
            made.lack(key, what)
        else:
            old = source.lines_of(said.path, self.old.get(said.path, ""))
            before = {"consuming": source.ready, "picked_up": source.begins, "completed": source.done}[key](old)
            pattern = source.either(said, before, group)
            also = "" if pattern == said.pattern(group) else ", and otherwise by its old version"
            made.set(key, re.compile(pattern), f"printed at {said.place}{also}")

    def _left_out(self, made: Draft) -> None:
        if {"queue", "database"} <= self.sections.keys():
            return
        made.section("[not_asked]", "leave a check out by name, or find what it needs")
        if not any(row.startswith("ready = ") for row in made.rows):
            made.set("processing", "no queue was found", "or give a service `ready`, or [request]")
        made.set("completeness", "no score was found", "or give [database] and [completeness], or [metric]")

    def _probe(self, made: Draft) -> None:
        if not {"queue", "database"} <= self.sections.keys():
            return
        key = next((found for text in self.sources.values() if (found := source.task_id(text))), "")
        database = self.sections["database"][1].values
        table = database.get("table") or database.get("collection")
        made.section("[probe]", "a test document; without it, verify waits for one that comes by itself")
        if key and table:
            made.set("task", {key: "{document_id}"}, "the key that the source reads")
            field = "_id" if "collection" in database else database.get("id", "id")
            made.set("traces", [{"collection": table, "field": field}], "what a task leaves")
        else:
            made.lack("task", "a task as your producers send it, with {document_id} for its id")
            made.lack("traces", "where a task leaves data: [{ collection = ..., field = ... }]")
        made.section("[completeness]", "normal scores, as shares of 1; the change's own level")
        if not isinstance(self.normal, Unmeasured):
            for name, value in self.normal.items():
                made.set(name, round(value, 3), "of documents of the last seven days")
            return
        made.rows.append(f"# {self.normal}")
        for name, what in (
            ("expected", "the mean of the last seven days before the change"),
            ("low", "the band around it"),
            ("high", "the band around it"),
            ("critical", "below it, it does not work"),
            ("changed", "the mean since the change; leave it out if the change does not alter it"),
        ):
            made.lack(name, what)


def around_of(
    engines: Engines,
    everyone: Iterable[Replica],
    sources: Mapping[str, str],
    environ: Mapping[str, str],
    carriers: frozenset[str],
    old: Mapping[str, str],
) -> Around:
    """`carriers`: services that have the change, if that is known; `old`: texts of changed files before it, by path.

    `environ`: may hold the database's password, with which its documents are looked at.
    """
    rows = list(everyone)
    systems = {replica.service: one for replica in rows if (one := _system(engines.of(replica), replica))}
    own = [replica for replica in rows if replica.service not in systems]
    changed = [replica for replica in own if replica.service in carriers] or own
    known = _known(sources, _variables(engines, changed), _variables(engines, rows), changed, environ)
    sections: dict[str, tuple[str, Found, str]] = {}
    for replica in rows:
        if replica.service in systems:
            section, kind, port = systems[replica.service]
            address = _address(engines.of(replica).raw(replica.id), replica, port)
            sections.setdefault(section, (kind, section_of(kind, address, known), f"container {replica.name}"))
    for section, (kind, address) in recognised.named_in(_variables(engines, changed)).items():
        sections.setdefault(section, (kind, section_of(kind, address, known), "the containers' environment names it"))
    lines = [said for path, text in sources.items() for said in source.lines_of(path, text)]
    others = list(dict.fromkeys(replica.service for replica in own))
    readers, are_listed = _readers(sections, sources, others)
    texts = {replica.service: _log(engines.of(replica), replica) for replica in own}
    log = next((texts[name] for name in others if name in readers or others == [name]), "")
    said = source.ready(lines, log)
    ready = frozenset(name for name, text in texts.items() if said and re.search(said.pattern(), text))
    normal = _normal(sections, environ, engines)
    return Around(sections, lines, sources, others, readers, are_listed, normal, ready, log, old)


def _known(
    sources: Mapping[str, str],
    variables: list[str],
    others: list[str],
    changed: list[Replica],
    environ: Mapping[str, str],
) -> Known:
    whole = "\n".join(sources.values())
    table = source.table(whole) or source.Table("", ())
    return Known(
        queue_of=lambda kind: source.queue_name(kind, whole),
        group=source.group(whole),
        table=table.name,
        columns=table.columns,
        connection=source.connection(whole),
        pops_left=source.pops_left(whole),
        variables=variables,
        others=others,
        replicas=changed,
        password=_password(environ),
        changed_at=min((replica.created_at for replica in changed), default=Instant.parse(_NEVER)),
        limit_s=_ANSWER_S,
    )


def _system(engine: Engine, replica: Replica) -> tuple[str, str, int] | None:
    """Section, kind and port, for a queue or a database; None for any other container."""
    config = engine.raw(replica.id).get("Config") or {}
    started = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
    words = " ".join([replica.image_name, *started, replica.service]).lower()
    ran = _program(engine, replica)
    return next((kind for word, kind in recognised.KINDS.items() if word in words or word in ran), None)


def _variables(engines: Engines, replicas: Iterable[Replica]) -> list[str]:
    found = ((engines.of(replica).raw(replica.id).get("Config") or {}).get("Env") or () for replica in replicas)
    return [row for rows in found for row in rows]


def _password(environ: Mapping[str, str]) -> SecretStr | None:
    found = environ.get(_PASSWORD)
    return SecretStr(found) if found else None


def _readers(
    sections: Mapping[str, tuple[str, Found, str]], sources: Mapping[str, str], others: Iterable[str]
) -> tuple[frozenset[str], bool]:
    """Those that the queue lists, else those whose source reads it; and whether they are listed."""
    kind, found, _ = sections.get("queue", ("", Found({}), ""))
    by_source = (
        name
        for name in others
        for path, text in sources.items()
        if source.queue_name(kind, text, "\n".join(sources.values())) and name in path
    )
    return found.readers or frozenset(by_source), bool(found.readers)


def _log(engine: Engine, replica: Replica) -> str:
    """The first lines of its process; "" if they cannot be read."""
    read = b""
    try:
        with contextlib.closing(logs.blocks(engine, replica, replica.logs_since)) as blocks:
            for block in blocks:
                read += block
                if len(read) > _MOST_LOG_BYTES:
                    break
    except Unreachable:
        return ""
    return read.decode(errors="replace")


def _normal(
    sections: Mapping[str, tuple[str, Found, str]], environ: Mapping[str, str], engines: Engines
) -> dict[str, float] | Unmeasured:
    """The band of check 4 from unmarked documents, and the level of marked ones."""
    kind, found, _ = sections.get("database", ("", Found({}), ""))
    what = "what is normal"
    if lacking := [key for key, value in found.values.items() if value is None]:
        return Unmeasured(what, f"database.{lacking[0]} is to be found first")
    try:
        section: Any = TypeAdapter(Database).validate_python({"kind": kind, **found.values})
        with contextlib.closing(connect_to(section, (), environ, _ANSWER_S)) as documents:
            now = engines.now()
            baseline, latest = documents.normal_before(now, _WEEK_S), documents.since(now.plus(-_WEEK_S))
    except RollbackGateError as error:
        return Unmeasured(what, f"{error.message}; {error.remedy}")
    except ValidationError:
        return Unmeasured(what, "no database was found")
    if isinstance(baseline, Unmeasured):
        return Unmeasured(what, baseline.reason)
    if isinstance(latest, Unmeasured):
        return Unmeasured(what, latest.reason)
    if baseline is None:
        return Unmeasured(what, "too few documents of the last seven days have a score and not the mark")
    return band_of(baseline, [one.score for one in latest.documents if one.marked and one.score is not None])


def band_of(baseline: Baseline, changed: Sequence[float]) -> dict[str, float]:
    """Three standard deviations around the mean, at least 0.05; below half of the band's lower end it is critical."""
    width = max(_SPREADS * baseline.standard_deviation, _LEAST)
    low, high = max(baseline.mean - width, _FLOOR), min(baseline.mean + width, 1.0)
    found = {"expected": baseline.mean, "low": low, "high": high, "critical": low / 2}
    level = statistics.fmean(changed) if changed else None
    return found if level is None or low <= level <= high else {**found, "changed": level}


def _program(engine: Engine, replica: Replica) -> str:
    """The names of the programs that run in it."""
    try:
        rows = engine.client.api.top(replica.id).get("Processes") or ()
    except APIError:
        return ""
    return " ".join(Path(str(row[-1]).split(" ")[0].rstrip(":")).name.lower() for row in rows)


def _address(raw: Mapping[str, Any], replica: Replica, port: int) -> str:
    """As it is reached from here: a published port, else the container's own address."""
    published = ((raw.get("NetworkSettings") or {}).get("Ports") or {}).get(f"{port}/tcp") or ()
    for row in published:
        host = row.get("HostIp") or "127.0.0.1"
        return f"{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{row['HostPort']}"
    return f"{replica.addresses[0] if replica.addresses else '127.0.0.1'}:{port}"
