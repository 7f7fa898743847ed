"""Whether new containers would be as those that they replace, but for the change: a recreate uses the Compose files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rollback_gate.change.goal import How
from rollback_gate.errors import Refused
from rollback_gate.evidence.configurations import Configurations
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import Runner
from rollback_gate.platform.configured import SAME_PARTS
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import ConfigItem, SettingItem, ValueItem
from rollback_gate.profile.schema import Profile
from rollback_gate.redaction import cut
from rollback_gate.rollback.checklist import Checklist
from rollback_gate.rollback.situation import Situation

_LONGEST = 200


@dataclass(frozen=True)
class NewContainers:
    """Of one deployment."""

    profile: Profile
    engines: Engines
    runner: Runner
    how: How

    def are_the_same(self, situation: Situation, checklist: Checklist) -> tuple[bool, str]:
        """A recreate uses the Compose files: they must be those that the replaced containers were made from."""
        compose, services = situation.compose, [name for name in situation.found if situation.is_replaced(name)]
        replicas = [replica for name in services for replica in situation.found[name]]
        ours = [Path(name).name for name in compose.files]
        for replica in replicas:
            made_from = [Path(name).name for name in replica.config_files.split(",") if name]
            if made_from and made_from != ours:
                says = f"{replica.name} was made from {', '.join(made_from)}, a new one would be from {', '.join(ours)}"
                raise Refused(
                    says,
                    f"set deployment.files to {made_from}, or recreate all services from the same files first",
                )
        now = Configurations(
            self.profile, self.engines.main, self.runner, compose, of_others=False, reverted=self._reverted(services)
        ).now(replicas)
        for service, found in now.items():
            rows = [replica for replica in replicas if replica.service == service]
            self._refuse_another_image(rows, situation, checklist)
            if isinstance(found, Unmeasured):
                checklist.warn(
                    "configuration", f"it is unknown whether a new {service} would be as now: {found.reason}"
                )
            elif found != SAME_PARTS and any(replica.config_hash != found for replica in rows):
                if self.profile.values_of(service) and not situation.values:  # written already: by this run, or by hand
                    says = f"a new {service} gets {cut(found, _LONGEST)}, as the old values are in the files already"
                    checklist.warn("configuration", says)
                    continue
                self._refuse_another_configuration(rows, found, checklist)
        return True, f"from {', '.join(ours)}, as the project"

    def _reverted(self, services: list[str]) -> dict[str, frozenset[str]]:
        """By service, the parts of its configuration that the change alters: these may differ, before and after."""
        return {name: frozenset(map(_part, self.profile.values_of(name))) for name in services}

    def _refuse_another_image(self, rows: list[Replica], situation: Situation, checklist: Checklist) -> None:
        """A recreate for a setting must not bring along an image that somebody has moved the name to."""
        for replica in rows:
            if (
                replica.image_name in situation.own_images
                or "image" in self._reverted([replica.service])[replica.service]
            ):
                continue
            if self.engines.of(replica).image_id(replica.image_name) != replica.image_id:
                says = f"{replica.image_name} is another image now than {replica.name} runs"
                self._refuse_another_configuration([replica], says, checklist)

    def _refuse_another_configuration(self, rows: list[Replica], found: str, checklist: Checklist) -> None:
        """A recreate would alter more than the change. Raises Refused, or warns with --accept-configuration."""
        names = ", ".join(replica.name for replica in rows)
        says = (
            f"new containers would get another configuration than {names} ({cut(found, _LONGEST)}): the Compose files "
        )
        says += "have changed, or variables that they use are not known here"
        if not self.how.accept_configuration:
            remedy = "name the variables in deployment.variables, or say --accept-configuration"
            raise Refused(says, remedy)
        checklist.warn("configuration", f"{says} (--accept-configuration)")


def _part(item: ValueItem) -> str:
    """As `Configurations` calls it."""
    match item:
        case SettingItem():
            return f"environment {item.in_container}"
        case ConfigItem():
            return item.says
        case _:
            return "image"
