"""Which Compose makes new containers, and what it knows of the services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollback_gate.change.strategy import covering_mount
from rollback_gate.errors import Refused
from rollback_gate.platform import compose as composes
from rollback_gate.platform.commands import Runner
from rollback_gate.platform.compose import Compose, ComposeService
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback.checklist import Checklist

Found = Mapping[str, tuple[Replica, ...]]  # the replicas of every service, by its name
Answer = tuple[Compose, dict[str, ComposeService]]


@dataclass(frozen=True)
class WhichCompose:
    """Of this deployment. Raises Refused where none can be used and one is needed."""

    profile: Profile
    engines: Engines
    runner: Runner

    def find(self, found: Found, checklist: Checklist) -> tuple[Answer, str]:
        """Compose is optional if all code is mounted and no container is missing: restarts are then enough."""
        if self.profile.deployment.platform == "swarm":
            return (composes.none(self.profile.deployment), {}), "not needed: the manager makes the tasks anew"
        try:
            return self._installed(found[self.profile.consumer], checklist)
        except Refused as error:
            if not self._needs_only_restarts(found):
                raise
            says = f"{error.message}: not needed, as all code is mounted and nothing is missing"
            checklist.warn("compose", says)
            return (composes.none(self.profile.deployment), {}), "containers are restarted without it"

    def _needs_only_restarts(self, found: Found) -> bool:
        if self.profile.values:
            return False
        is_whole = all(len(rows) >= self.profile.services[name].replicas for name, rows in found.items())
        inside = self.profile.inside
        return is_whole and all(
            covering_mount(replica.mounts, inside(replica.service, item.path)) is not None
            for rows in found.values()
            for replica in rows
            for item in self.profile.files_of(replica.service)
        )

    def _installed(self, worker: tuple[Replica, ...], checklist: Checklist) -> tuple[Answer, str]:
        directory = self.profile.deployment.project_directory
        bound = composes.of(self.profile.deployment, worker[0], self.runner, self.engines.environment)
        if missing := [name for name in bound.files if not (directory / name).is_file()]:
            raise Refused(
                f"{directory} has no {', '.join(missing)}", "correct deployment.project_directory, or deployment.files"
            )
        if missing := [name for name in bound.environment_files if not (directory / name).is_file()]:
            raise Refused(
                f"the project was made with --env-file {', '.join(missing)}, which is not there any more",
                "put it back: without it a new container would get other settings",
            )
        services = composes.services(bound, self.runner, directory)
        wanted = self.profile.services
        missing = [name for name in wanted if name not in services]
        if missing:
            raise Refused(
                f"the Compose file has no service {', '.join(missing)} (it has {', '.join(services)})",
                "correct the names under [services]",
            )
        checklist.warn("compose version", composes.version_warning(bound.version, worker[0].compose_version))
        hooks = [f"{name}'s {hook}" for name in wanted for hook in services[name].hooks]
        says = "run only where Compose itself makes or stops a container: after a restart, run by hand what they do"
        checklist.warn("hooks", f"{', '.join(hooks)} {says}" if hooks else "")
        return (bound, services), f"{' '.join(bound.command)} {bound.version}"
