"""What a new container of a service would be: asked of Compose, or of a Swarm's manager."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from rollback_gate.change.reading import ValueReading
from rollback_gate.evidence.configurations import Configurations
from rollback_gate.evidence.specs import Specs
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import Runner, SubprocessRunner, allowed
from rollback_gate.platform.compose import Compose
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.profile.schema import Profile


class Configured(Protocol):
    """Asked for the services of these replicas. Nothing is raised: what cannot be asked is Unmeasured."""

    def now(self, replicas: Iterable[Replica]) -> dict[str, str | Unmeasured]:
        """By service, its configuration hash, SAME_PARTS, or differences in words."""

    def values(self, replicas: Iterable[Replica]) -> dict[str, tuple[ValueReading, ...] | Unmeasured]:
        """By service, the settings and images of the change that it would get."""

    def rewritten(
        self, replicas: Iterable[Replica], by_content: bool = True
    ) -> dict[str, tuple[str, ...] | Unmeasured]:
        """By service, what the next deployment of the project's files would change.

        `by_content`: also where the same tag means another image by now. Empty under Compose, where `now` has it.
        """

    def written(self) -> dict[str, ValueReading | Unmeasured]:
        """What the project's files hold of the change's values, by the item's place."""


Now = Callable[[Iterable[Replica]], Mapping[str, str | Unmeasured]]


def of_a_run(profile: Profile, engines: Engines, runner: Runner, compose: Compose) -> Now:
    """What a new container would be by the files that a run works with; of a Swarm, by its services' specs."""
    if isinstance(engines, Cluster):
        return Specs(profile, engines, runner).now
    return Configurations(profile, engines.main, runner, compose, of_others=False).now


def of(profile: Profile, engines: Engines) -> Configured:
    """The way to ask that fits the deployment's platform."""
    runner = SubprocessRunner(allowed(engines.environment, profile.deployment.variables))
    if isinstance(engines, Cluster):
        return Specs(profile, engines, runner)
    return Configurations(profile, engines.main, runner)
