"""Whether a new container would get the configuration of the present one: by Compose's hash, or part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rollback_gate.change import settings
from rollback_gate.change.reading import ValueReading
from rollback_gate.change.strategy import covering_mount
from rollback_gate.change.values import Values
from rollback_gate.errors import CommandFailed, Refused, Unreachable
from rollback_gate.model import Unmeasured
from rollback_gate.platform import compose as composes
from rollback_gate.platform.commands import Runner
from rollback_gate.platform.compose import Compose
from rollback_gate.platform.configured import SAME_PARTS, Wanted
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import ImageItem
from rollback_gate.profile.schema import Profile


@dataclass(frozen=True)
class Configurations:
    """Asks Compose for the configuration that the services would get now.

    `chosen`: the Compose to use for containers made by its version; None: find one. `of_others`: also check what a
    plain `up` by another user would do, without named files, with pulls and builds as the files say. `reverted`: by
    service, the parts that the change alters, and that may therefore differ.
    """

    profile: Profile
    engine: Engine
    runner: Runner
    chosen: Compose | None = None
    of_others: bool = True
    reverted: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def now(self, replicas: Iterable[Replica]) -> dict[str, str | Unmeasured]:
        """By service, the configuration hash that a new container would get; if hashes cannot be used, SAME_PARTS.

        Otherwise the differences, in words. Services that were made the same way are read together.
        """
        groups: dict[tuple[str, ...], list[Replica]] = {}
        for one in replicas:
            made = (one.compose_version, one.config_files, one.environment_files, one.made_in)
            groups.setdefault(made, []).append(one)
        found: dict[str, str | Unmeasured] = {}
        for rows in groups.values():
            for service, now in self._of_group(rows).items():
                found[service] = now if found.get(service, now) == now else "different ones for its replicas"
        return found

    def _of_group(self, rows: list[Replica]) -> dict[str, str | Unmeasured]:
        services = {replica.service for replica in rows}
        try:
            compose = self._compose(rows[0])
            wanted = self._wanted(compose, self._directory)
            exact = compose.version == rows[0].compose_version and composes.tells_hashes(compose.version)
            hashes = composes.config_hashes(compose, services, self.runner, self._directory) if exact else {}
            otherwise = self._otherwise(compose, rows[0], wanted) if self.of_others else {}
        except (Refused, CommandFailed) as error:
            return {service: _unknown(service, error.message) for service in services}
        except OSError as error:
            return {service: _unknown(service, str(error)) for service in services}
        of = {service: [r for r in rows if r.service == service] for service in services}
        return {s: otherwise.get(s) or self._of_service(of[s], wanted.get(s), hashes.get(s)) for s in services}

    def _wanted(self, compose: Compose, directory: Path) -> dict[str, Wanted]:
        text = composes.config_of(compose, self.runner, directory)
        volumes = composes.parse_volumes(text, compose.project)
        return {name: Wanted(entry, volumes) for name, entry in composes.parse_services(text).items()}

    def _otherwise(self, compose: Compose, one: Replica, wanted: Mapping[str, Wanted]) -> dict[str, str]:
        """By service, why a plain `up` would use other files than these, in words."""
        directory = Path(one.made_in or self._directory)
        if self.profile.deployment.files or not directory.is_dir():
            return {}
        others = composes.reads_others_by_itself(compose, directory)
        plain = self._wanted(compose.plain, directory) if others else wanted
        says = f"another one by an `up` that names no files, which reads {', '.join(others)}: move that away, or name "
        says += "the right ones in deployment.files"
        return {service: says for service in wanted if not wanted[service].is_made_as(plain.get(service))}

    def _of_service(self, rows: list[Replica], wanted: Wanted | None, by_hash: str | None) -> str | Unmeasured:
        service = rows[0].service
        if wanted is None:
            return _unknown(service, "the Compose files do not have it")
        if self.of_others and wanted.made_anew_by and any(map(self._has_own_code, rows)):
            why = f"pull_policy: {wanted.made_anew_by} fetches or builds it again; remove that first"
            return Unmeasured(f"the image that the next `up` of {service} starts", why)
        try:
            is_exact = by_hash and not wanted.refers_to_containers and self._may_be_trusted(rows[0], by_hash)
            if by_hash and is_exact and (by_hash == rows[0].config_hash or not self.reverted.get(service)):
                return by_hash
            parts = {part for replica in rows for part in self._differences(wanted, replica)}
        except Unreachable as error:
            return _unknown(service, error.message)
        parts -= self.reverted.get(service, frozenset())
        return f"another {', '.join(sorted(parts))}" if parts else SAME_PARTS

    def written(self) -> dict[str, ValueReading | Unmeasured]:
        """What the project's files hold."""
        return settings.written(self.profile, self.profile.deployment.project_directory)

    def rewritten(
        self,
        _: Iterable[Replica],
        by_content: bool = True,  # noqa: ARG002 - of a stack only
    ) -> dict[str, tuple[str, ...] | Unmeasured]:
        """Nothing else: `now` is what the files say."""
        return {}

    def values(self, replicas: Iterable[Replica]) -> dict[str, tuple[ValueReading, ...] | Unmeasured]:
        """By service, the change's settings and images as a new container would get them; none is asked without any."""
        asked = {replica.service: replica for replica in replicas if self.profile.values_of(replica.service)}
        return {service: self._values_of(replica) for service, replica in asked.items()}

    def _values_of(self, replica: Replica) -> tuple[ValueReading, ...] | Unmeasured:
        try:
            wanted = self._wanted(self._compose(replica), self._directory).get(replica.service)
            if wanted is None:
                return _unknown(replica.service, "the Compose files do not have it")
            return Values(self.profile, self.engine).of_a_new_one(replica.service, wanted.entry)
        except (Refused, CommandFailed, Unreachable) as error:
            return _unknown(replica.service, error.message)
        except OSError as error:
            return _unknown(replica.service, str(error))

    def _differences(self, wanted: Wanted, replica: Replica) -> list[str]:
        """The parts in which the replica differs from `wanted`. Raises Unreachable."""
        image = self.engine.image_config(replica.image_id)
        if image is None:
            raise Unreachable(f"the image that {replica.name} was made from is not there any more")
        return wanted.differences(self.engine.raw(replica.id), image)

    def _may_be_trusted(self, replica: Replica, by_hash: str) -> bool:
        """True for an equal hash. False for a different one if that Compose version's hash ignores env files, or if it
        includes the image's id and the name points to another image now (reported separately). Raises Unreachable.
        """
        if by_hash == replica.config_hash:
            return True
        is_moved = composes.hashes_images(replica.compose_version) and (
            self.engine.image_id(replica.image_name) != replica.image_id
        )
        return not is_moved and not composes.forgets_env_files(replica.compose_version)

    @property
    def _directory(self) -> Path:
        return self.profile.deployment.project_directory

    def _has_own_code(self, replica: Replica) -> bool:
        """True if an item of the change is in its image, or is its image."""
        if any(isinstance(item, ImageItem) for item in self.profile.values_of(replica.service)):
            return True
        return any(covering_mount(replica.mounts, path) is None for path in self.profile.places(replica.service))

    def _compose(self, one: Replica) -> Compose:
        """The Compose version that made the container, else one that can read the files. Raises Refused."""
        if not self._directory.is_dir():
            raise Refused(f"there is no directory {self._directory} here")
        if self.chosen and self.chosen.version == one.compose_version:
            return composes.bind(self.profile.deployment, one, self.chosen.command, self.chosen.version)
        found = composes.installed(self.runner, self.engine.environment, one.compose_version)
        if not found:
            raise Refused("no Docker Compose is installed here: install one to verify")
        command, version = composes.choose(found, one.compose_version)
        return composes.bind(self.profile.deployment, one, command, version)


def _unknown(service: str, why: str) -> Unmeasured:
    return Unmeasured(f"the configuration that {service} would get now", why)
