"""`profile.new`: a profile proposed from what runs, and from what differs between old and new. Changes nothing else.

Every value says where it comes from. What could not be found is a commented line that says what to look for.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollback_gate.draft import differences
from rollback_gate.draft.text import Draft, key_of, toml
from rollback_gate.errors import Refused
from rollback_gate.evidence.oddities import oddities
from rollback_gate.model import ExitCode
from rollback_gate.platform.engine import connect
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import tag_of, without_tag
from rollback_gate.rollback.files import write_text
from rollback_gate.workflow.call import Call
from rollback_gate.workflow.differing import Difference, Pair, brought, sources_of, text_of
from rollback_gate.workflow.running import Running, Where, running
from rollback_gate.workflow.surveyed import Around, around_of, inside_of

_SECRET = re.compile(r"(?i)pass|pwd|secret|token|credential|auth|dsn|salt|private|api_?key|(^|_)key(_|$)")
_MODE = 0o644


@dataclass(frozen=True)
class Wish:
    """`revisions`: "git:OLD..NEW", or "" to look for backups, then at the last two commits. `out`: what is written.

    `nodes`: how each node of a Swarm is reached, such as tcp://{address}:2376.
    """

    directory: Path
    project: str = ""
    revisions: str = ""
    out: Path | None = None
    yes: bool = False
    nodes: str = ""


def new(call: Call, wish: Wish) -> ExitCode:
    """Writes a proposed profile. Raises Refused if there is nothing to look at; WrongSetting, Unreachable."""
    directory = wish.directory.resolve()
    out = (wish.out or directory / "profile.toml").absolute()
    if out.exists() or out.is_symlink():
        raise Refused(f"{out} is there already; nothing was written", "name another file with --out, or move it away")
    choose = None if wish.yes else call.terminal.choose
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(contextlib.closing(connect(call.environ)))
        found = running(engine, call.environ, Where(directory, wish.project, wish.nodes, choose))
        stack.callback(found.engines.close)
        draft = _Proposal(call, found, directory, wish).draft()
    try:
        write_text(out, draft.text, _MODE)  # whole or not at all, and through no link
    except OSError as error:
        raise Refused(f"{out} cannot be written: {error.strerror}", "name another file with --out") from error
    call.terminal.line(f"{out}: {draft.found} values proposed, {draft.missing} to be found (commented lines)")
    call.terminal.line(f"next: read it, then `invoke profile.check --profile {out}`")
    return ExitCode.GO


@dataclass(frozen=True)
class _Proposal:
    call: Call
    found: Running
    directory: Path
    wish: Wish

    @property
    def engines(self) -> Engines:
        return self.found.engines

    @property
    def everyone(self) -> tuple[Replica, ...]:
        return self.found.everyone

    def draft(self) -> Draft:
        sources = sources_of(self.directory)
        pairs = list(Difference(self.engines.environment, self.directory, self.wish.revisions).pairs())
        carriers = self._carriers(pairs)
        old = {pair.path: pair.old for pair in pairs if pair.old is not None}
        around = around_of(self.engines, self.everyone, sources.texts, self.call.environ, _names(carriers), old)
        made = Draft()
        self._head(made)
        self._nodes(made)
        services = self._items(made, pairs, carriers)
        _brought(made, brought(pairs, sources))
        self._services(made, services or around.others, around)
        around.write(made)
        made.rows += ["", "# What a rollback must leave as it is, such as a migration:"]
        made.lack("keep", '[{ says = "...", check = ["a command"] }]: exit status 0 if it is there, 1 if it is gone')
        return made

    def _head(self, made: Draft) -> None:
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", self.directory.name) or "change"
        made.rows.append("# Proposed by profile.new from what runs: read each line; docs/profile.md is the manual.")
        made.set("format", 3)
        made.set("name", f"{name}-change", "part of the records' id: give it the change's name")
        made.set("title", f"The change of {name}", "for people")
        made.section("[deployment]")
        made.set("project_directory", str(self.directory))
        if self.found.is_stack:
            self._of_a_stack(made)
        made.set("project", self.found.project, "the containers' label")
        if names := self._variables():
            made.set("variables", names, "used by the files, and set in no .env that is read for them")

    def _of_a_stack(self, made: Draft) -> None:
        made.set("platform", "swarm", "the engine is a manager, and has this stack")
        if self.found.files:
            made.set("files", list(self.found.files), "it has the stack's services")
        else:
            made.lack("files", "the stack's files: no file of the folder has all services of the stack")
        for unseen in self.engines.unseen_services(self.found.project).values():
            made.comment(f"not looked at: {unseen}")

    def _nodes(self, made: Draft) -> None:
        for name, one in self.found.nodes.items():
            made.section(f"[nodes.{key_of(name)}]", "by --nodes")
            made.set("address", one.address)

    def _compose_text(self) -> str:
        return "\n---\n".join(text_of(self.directory / name) or "" for name in self.found.files)

    def _variables(self) -> list[str]:
        used = dict.fromkeys(re.findall(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)", self._compose_text().replace("$$", "")))
        own = "" if self.found.is_stack else text_of(self.directory / ".env") or ""  # no .env is read for a stack
        return [name for name in used if not re.search(rf"^\s*(?:export\s+)?{name}\s*=", own, re.MULTILINE)]

    # --- which services it is for

    def _carriers(self, pairs: list[Pair]) -> dict[str, dict[str, str]]:
        """By path of a pair, the services that have it, and where it is inside each."""
        found: dict[str, dict[str, str]] = {}
        for pair in pairs:
            for replica in self.everyone:
                if place := inside_of(self.engines.of(replica), replica, self.directory, pair.path, pair.new):
                    found.setdefault(pair.path, {})[replica.service] = place
        return found

    def _items(self, made: Draft, pairs: list[Pair], carriers: dict[str, dict[str, str]]) -> dict[str, str]:
        """Writes the items; returns the services that they name, each with its root."""
        services: dict[str, str] = {}
        for pair in pairs:
            if differences.is_env(pair.path):
                self._settings(made, pair, services)
            elif pair.path in self.found.files and pair.old is not None:
                for changed in differences.in_compose(pair.old, pair.new):
                    service = changed.key.split(".")[1]
                    services.setdefault(service, "")
                    self._value(made, pair.path, changed, [service], changed.key.rpartition(".")[2], pair.why)
            elif pair.path in carriers:
                self._code(made, pair, carriers[pair.path], services)
            else:
                made.rows += [
                    "",
                    f"# {pair.path} differs ({pair.why}), and no container has it: not part of the change?",
                ]
        if not made_items(made):
            self._images(made, services)
        if not made_items(made):
            made.section("[[change]]", "no file with a backup, no commit and no older image was found")
            made.lack("kind", "file, removed, setting or image: docs/profile.md")
        return services

    def _code(self, made: Draft, pair: Pair, places: dict[str, str], services: dict[str, str]) -> None:
        made.section("[[change]]", f"{pair.why}; in {', '.join(places)}")
        inside, root = next(iter(places.values())), ""
        if inside.endswith(f"/{pair.path}"):
            root = inside.removesuffix(f"/{pair.path}")
        for service in places:
            services[service] = root or services.get(service, "")
        made.set("kind", "removed" if pair.old is None else "file")
        made.set("services", list(places))
        made.set("path", pair.path)
        if not root:
            made.set("inside", inside, "where it is mounted")
        if pair.old is None:
            return
        made.set("backups", pair.backups)
        if pair.stamp and pair.stamp != "%Y%m%d_%H%M%S":
            made.set("stamp", pair.stamp)
        found = differences.marks(pair.old, pair.new)
        for key, texts, where in (("new", found.new, "the present file"), ("old", found.old, "its old version")):
            if texts:
                made.set(key, list(texts), f"lines that only {where} has: keep what is telling")
            else:
                made.lack(key, f"a text that only {where} has")

    def _settings(self, made: Draft, pair: Pair, services: dict[str, str]) -> None:
        compose = self._compose_text()
        given = differences.given_to(compose, pair.path)
        for changed in differences.in_env(pair.old or "", pair.new):
            uses = differences.uses(compose, changed.key)
            for use in (one for one in uses if not one.variable):
                old, latest = (
                    differences.filled(use.written, changed.key, v) for v in (changed.old or "", changed.new)
                )
                services.setdefault(use.service, "")
                self._image(made, [use.service], old, latest, (pair.path, changed.key), pair.why)
            if of_variables := [use for use in uses if use.variable]:
                names = list(dict.fromkeys(use.service for use in of_variables))
                for name in names:
                    services.setdefault(name, "")
                self._value(made, pair.path, changed, names, of_variables[0].variable, pair.why)
            elif given:
                for name in given:
                    services.setdefault(name, "")
                self._value(made, pair.path, changed, given, changed.key, pair.why)
            elif not uses:
                made.rows += ["", f"# {changed.key} of {pair.path} differs ({pair.why}): no service seems to use it"]

    def _value(
        self, made: Draft, path: str, changed: differences.Changed, services: list[str], variable: str, why: str
    ) -> None:
        if changed.key.endswith(".image"):
            self._image(made, services, changed.old or "", changed.new, (path, changed.key), why)
            return
        made.section("[[change]]", why)
        made.set("kind", "setting")
        made.set("services", services, "they use it, by the Compose files")
        made.set("file", path)
        made.set("key", changed.key)
        if _SECRET.search(changed.key) or "@" in changed.new:
            made.lack("new", "the change's value, which looks like a secret: is it part of the change?")
            made.lack("old", "the value before")
        else:
            made.set("new", changed.new)
            if changed.old is not None:
                made.set("old", changed.old)
        if variable != changed.key.rpartition(".")[2] or (self.found.is_stack and ".environment." not in changed.key):
            made.set("variable", variable, "its name in the containers")

    def _image(self, made: Draft, services: list[str], old: str, latest: str, place: tuple[str, str], why: str) -> None:
        made.section("[[change]]", why)
        made.set("kind", "image")
        made.set("services", services)
        made.set("file", place[0])
        made.set("key", place[1])
        made.set("new", latest)
        if any(engine.image_id(old) for engine in self.engines.everywhere()):
            made.set("old", old)
        else:
            made.lack("old", f"the image that ran before the change: {old or 'its name'} is not here")

    def _images(self, made: Draft, services: dict[str, str]) -> None:
        """An older image of the same repository, where the tag is written in a file of the project."""
        for replica in self.everyone:
            name = replica.image_name.partition("@")[0]  # a service of a stack has it with its digest
            older = self._older(replica, name) if tag_of(name) and replica.service not in services else ""
            for path in (".env", *self.found.files):
                if older and (key := _written_at(path, text_of(self.directory / path) or "", replica, name)):
                    services[replica.service] = ""
                    why = "the newest older image of it that is here"
                    self._image(made, [replica.service], older, name, (path, key), why)
                    break

    def _older(self, replica: Replica, name: str) -> str:
        """The newest older image of the same repository, on the engine that runs it; "" for none."""
        repository = without_tag(name)
        rows = list(self.engines.of(replica).client.images.list(name=repository))
        mine = next((str(image.attrs["Created"]) for image in rows if image.id == replica.image_id), "")
        others = [image for image in rows if image.id != replica.image_id]
        tags = [(image, tag) for image in others for tag in image.tags if tag.startswith(f"{repository}:")]
        found = [(str(image.attrs["Created"]), one) for image, one in tags or list(_by_digest(others, name))]
        earlier = [row for row in found if row[0] < mine] or found
        return max(earlier, default=("", ""))[1]

    # --- services

    def _services(self, made: Draft, services: dict[str, str] | list[str], around: Around) -> None:
        rows = services if isinstance(services, dict) else dict.fromkeys(services, "")
        # The first one is waited for by the line `consuming`, where none reads the queue.
        ordered = sorted(rows.items(), key=lambda row: row[0] not in around.ready_by_log)
        for service, root in ordered:
            replicas = [one for one in self.everyone if one.service == service]
            made.section(f"[services.{service}]")
            made.set("root", root or (replicas[0].working_directory if replicas else "") or "/srv", _of_root(root))
            if len(replicas) > 1:
                made.set("replicas", len(replicas), "as many run now")
            if why := around.reads_queue(service, list(rows)):
                made.set("consumes", True, why)
            for odd in oddities(self.engines, replicas, self.found.is_stack):
                made.comment(f"look: {odd}")
            health = replicas[0].health if replicas else ""
            if health == "healthy":
                made.set("ready", {"kind": "health"}, "it has a health check")
            elif health:  # a rollback would wait for one that never passes
                made.lack("ready", f'its health check is "{health}" now; {{ kind = "health" }} if it passes else')


def _by_digest(images: Iterable[Any], name: str) -> Iterator[tuple[Any, str]]:
    """Of a registry that has one tag for all: the tag, with the digest of each."""
    for image in images:
        for one in image.attrs.get("RepoDigests") or ():
            repository, _, digest = one.partition("@")
            if repository == without_tag(name):
                yield image, f"{name}@{digest}"


def _names(carriers: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    return frozenset(service for places in carriers.values() for service in places)


def _brought(made: Draft, found: Iterable[tuple[str, str]]) -> None:
    """As comments: whether a file was there before the change, its imports do not show."""
    for path, by in found:
        rows = ("[[change]]", 'kind = "removed"', f"path = {toml(path)}")
        made.rows += [
            "",
            f"# Only the new {Path(by).name} imports it. If the change has brought it, it is an item too:",
        ]
        made.rows += [f"# {row}" for row in rows]


def made_items(made: Draft) -> bool:
    return "[[change]]" in made.rows


def _of_root(root: str) -> str:
    return "where the project's files are inside" if root else "its working directory: where are the project's files?"


def _written_at(path: str, text: str, replica: Replica, name: str) -> str:
    """Where the name or the tag of a container's image is written in this file; "" if it is not."""
    if differences.is_env(path):
        return next((c.key for c in differences.in_env("", text) if c.new in (name.rpartition(":")[2], name)), "")
    wanted = f"services.{replica.service}.image"
    return next((c.key for c in differences.in_compose("", text) if (c.key, c.new) == (wanted, name)), "")
