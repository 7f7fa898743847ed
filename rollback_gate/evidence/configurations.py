"""Whether a new container of a service would be configured as the present one: by Compose's hash, or part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollback_gate.change.strategy import covering_mount
from rollback_gate.errors import CommandFailed, Refused, Unreachable
from rollback_gate.model import Unmeasured
from rollback_gate.platform import compose as composes
from rollback_gate.platform import configured
from rollback_gate.platform.commands import Runner
from rollback_gate.platform.compose import Compose
from rollback_gate.platform.configured import SAME_PARTS
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile


@dataclass(frozen=True)
class Configurations:
    """Asks Compose what it would make of the services now."""

    profile: Profile
    engine: Engine
    runner: Runner

    def now(self, replicas: Iterable[Replica]) -> dict[str, str | Unmeasured]:
        """By service, the configuration hash that a new container would get; or, where that cannot tell, SAME_PARTS.

        What differs else, in words. Services made alike are asked together.
        """
        groups: dict[tuple[str, ...], list[Replica]] = {}
        for one in replicas:
            made = (one.compose_version, one.config_files, one.environment_files)
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
            entries = composes.parse_services(self.runner(compose.config(), cwd=self._directory).stdout)
            exact = compose.version == rows[0].compose_version and composes.tells_hashes(compose.version)
            hashes = composes.config_hashes(compose, services, self.runner, self._directory) if exact else {}
        except (Refused, CommandFailed) as error:
            return {service: _unknown(service, error.message) for service in services}
        except OSError as error:
            return {service: _unknown(service, str(error)) for service in services}
        of = {service: [r for r in rows if r.service == service] for service in services}
        return {s: self._of_service(of[s], entries.get(s), hashes.get(s)) for s in services}

    def _of_service(
        self, rows: list[Replica], entry: Mapping[str, Any] | None, by_hash: str | None
    ) -> str | Unmeasured:
        service = rows[0].service
        if entry is None:
            return _unknown(service, "the Compose files do not have it")
        policy = configured.made_anew_by(entry)
        if policy and any(map(self._has_own_code, rows)):
            what = f"the image that the next `up` of {service} starts"
            return Unmeasured(what, f"pull_policy: {policy} fetches or builds it anew; take that out first")
        if by_hash and not configured.refers_to_containers(entry) and self._may_be_trusted(rows[0], by_hash):
            return by_hash
        try:
            parts = {part for r in rows for part in configured.differences(entry, self.engine.raw(r.id))}
        except Unreachable as error:
            return _unknown(service, error.message)
        return f"another {', '.join(sorted(parts))}" if parts else SAME_PARTS

    def _may_be_trusted(self, replica: Replica, by_hash: str) -> bool:
        """An equal hash always; another one only of versions whose hash does not forget the env files."""
        return by_hash == replica.config_hash or not composes.forgets_env_files(replica.compose_version)

    @property
    def _directory(self) -> Path:
        return self.profile.deployment.project_directory

    def _has_own_code(self, replica: Replica) -> bool:
        """Some of the change is in its image."""
        return any(covering_mount(replica.mounts, path) is None for path in self.profile.places(replica.service))

    def _compose(self, one: Replica) -> Compose:
        """The one that made it, else one that can read the files. Raises Refused."""
        if not self._directory.is_dir():
            raise Refused(f"there is no directory {self._directory} here")
        found = composes.installed(self.runner, self.engine.environment, one.compose_version)
        if not found:
            raise Refused("no Docker Compose is installed here: install one to verify")
        command, version = composes.choose(found, one.compose_version)
        return composes.bind(self.profile.deployment, one, command, version)


def _unknown(service: str, why: str) -> Unmeasured:
    return Unmeasured(f"the configuration that {service} would get now", why)
