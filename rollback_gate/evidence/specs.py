"""What a Swarm would make of its services now: by their specs, as the manager has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rollback_gate.change import settings
from rollback_gate.change.reading import Held, ValueReading
from rollback_gate.change.values import Values
from rollback_gate.errors import CommandFailed, Refused, Unreachable
from rollback_gate.model import Unmeasured
from rollback_gate.platform import compose as composes
from rollback_gate.platform.commands import Runner
from rollback_gate.platform.configured import Wanted, environment_of
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.platform.swarm.service import Service, configs_written, familiar
from rollback_gate.platform.swarm.stack import hash_of
from rollback_gate.profile.deployment import ConfigItem, ImageItem
from rollback_gate.profile.schema import Profile


@dataclass(frozen=True)
class Written:
    """A service in the stack's files. `configs`: names of its configs and secrets, by their path inside."""

    wanted: Wanted
    configs: Mapping[str, str]


@dataclass(frozen=True)
class Specs:
    """As `Configurations` does for Compose."""

    profile: Profile
    cluster: Cluster
    runner: Runner

    def now(self, replicas: Iterable[Replica]) -> dict[str, str | Unmeasured]:
        """By service, the hash of what a new task would be made from."""
        names, known = {replica.service for replica in replicas}, self._services()
        if isinstance(known, Unmeasured):
            return dict.fromkeys(names, known)
        return {name: hash_of(known[name].template) if name in known else _gone(name) for name in names}

    def values(self, replicas: Iterable[Replica]) -> dict[str, tuple[ValueReading, ...] | Unmeasured]:
        """By service, the change's settings and images as a new task would get them, on a node that runs one now."""
        asked = {replica.service: replica for replica in replicas if self.profile.values_of(replica.service)}
        known = self._services()
        if isinstance(known, Unmeasured):
            return dict.fromkeys(asked, known)
        return {name: self._values_of(replica, known) for name, replica in asked.items()}

    def rewritten(
        self, replicas: Iterable[Replica], by_content: bool = True
    ) -> dict[str, tuple[str, ...] | Unmeasured]:
        """By service, what the stack's files have otherwise than its spec, and the next deployment brings.

        `by_content`: also where the same tag means another image by now.
        """
        names, known = {replica.service for replica in replicas}, self._services()
        if isinstance(known, Unmeasured):
            return dict.fromkeys(names, known)
        written = self._written()
        if isinstance(written, Unmeasured):
            return dict.fromkeys(names, written)
        return {name: self._differences(written.get(name), known[name], by_content) for name in names if name in known}

    def written(self) -> dict[str, ValueReading | Unmeasured]:
        """As the files say; a tag that old and new share, by what its registry says it means now."""
        found = settings.written(self.profile, self.profile.deployment.project_directory)
        for item in (one for one in self.profile.values if isinstance(one, ImageItem) and one.has_one_tag):
            if item.place in found and _is_new(found[item.place]):
                found[item.place] = self._meant(item, item.old.partition("@")[2])
        for config in (one for one in self.profile.values if isinstance(one, ConfigItem)):
            if why := self._doubt(config):
                found[config.place] = Unmeasured(config.place, why)
        return found

    def _doubt(self, item: ConfigItem) -> str:
        try:
            return self.cluster.why_doubted(item.old, item.new, with_secrets=True)
        except Unreachable as error:
            return error.message

    def _meant(self, item: ImageItem, digest: str) -> ValueReading | Unmeasured:
        now = self.cluster.digest_of(item.new)
        if not now:
            return Unmeasured(
                item.place, f"it holds {item.new}, and its registry does not tell which image that is now"
            )
        return ValueReading(item.place, Held.OLD if now == digest else Held.NEW)

    def _differences(
        self, written_as: Written | None, service: Service, by_content: bool
    ) -> tuple[str, ...] | Unmeasured:
        """Parts in which the service differs from its entry in the files."""
        if written_as is None:
            return ("definition: it is not in them",)
        wanted = written_as.wanted
        written = familiar(str(wanted.entry.get("image") or ""))
        named = Wanted({**wanted.entry, "image": written}, wanted.volumes)
        paths = sorted({*written_as.configs, *service.configs})
        others = (one for one in paths if written_as.configs.get(one) != service.configs.get(one))
        container = service.as_container("@" in written)
        container["Config"]["Env"] = _without_quotes(container["Config"]["Env"], wanted.entry.get("environment"))
        found = (
            *named.differences(container, {}),
            *(f"config {path}" for path in others),
        )
        if not by_content or "image" in found or "@" in written or "@" not in service.image:
            return found
        digest = self.cluster.digest_of(written)  # `docker stack deploy` asks the registry anew
        if not digest:
            return Unmeasured(
                f"which image {written} is now", "its registry does not tell, and the files give no digest"
            )
        return found if service.image.endswith(f"@{digest}") else (*found, "image")

    def _written(self) -> dict[str, Written] | Unmeasured:
        """The services in the stack's files, as Compose reads them."""
        deployment, what = self.profile.deployment, "what the stack's files say"
        try:
            compose = composes.of_stack(deployment, self.runner, self.cluster.environment)
            text = composes.config_of(compose, self.runner, deployment.project_directory)
            volumes = composes.parse_volumes(text, deployment.project)
            names = {one: composes.parse_names(text, deployment.project, one) for one in ("configs", "secrets")}
            rows = composes.parse_services(text).items()
            return {name: Written(Wanted(entry, volumes), configs_written(entry, names)) for name, entry in rows}
        except (Refused, CommandFailed) as error:
            return Unmeasured(what, error.message)
        except OSError as error:
            return Unmeasured(what, str(error))

    def _values_of(self, replica: Replica, known: Mapping[str, Service]) -> tuple[ValueReading, ...] | Unmeasured:
        service = known.get(replica.service)
        if service is None:
            return _gone(replica.service)
        try:
            values = Values(self.profile, self.cluster.of(replica))
            entry = {"image": service.image, "environment": service.environment}
            return values.of_a_new_one(replica.service, entry, service.configs)
        except Unreachable as error:
            return Unmeasured(f"what a new task of {replica.service} would get", error.message)

    def _services(self) -> dict[str, Service] | Unmeasured:
        try:
            return self.cluster.services(self.profile.deployment.project)
        except Unreachable as error:
            return Unmeasured("the services of the stack", error.message)


def _is_new(found: ValueReading | Unmeasured) -> bool:
    return isinstance(found, ValueReading) and found.held is Held.NEW


def _without_quotes(rows: Iterable[str], written: Any) -> list[str]:
    """`docker stack deploy` takes the quotes of an env file into the value; Compose takes them off."""
    values = environment_of(written, ())

    def as_read(row: str) -> str:
        name, _, value = row.partition("=")
        is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        return f"{name}={value[1:-1]}" if is_quoted and values.get(name) == value[1:-1] else row

    return [as_read(row) for row in rows]


def _gone(service: str) -> Unmeasured:
    return Unmeasured(f"what a new task of {service} would be made from", "the stack has no such service any more")
