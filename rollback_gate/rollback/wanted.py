"""What a service of a stack must be made from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollback_gate.change.goal import Direction
from rollback_gate.platform.swarm import update
from rollback_gate.platform.swarm.service import Service, familiar, objects_of
from rollback_gate.platform.swarm.update import Given
from rollback_gate.profile.deployment import ConfigItem, ImageItem, SettingItem
from rollback_gate.profile.schema import Profile


@dataclass(frozen=True)
class Replaced:
    """A Config or a Secret in place of another one. `file`: where and whose it is inside, as the service says."""

    kind: str
    present: str
    wanted: str
    file: Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """`service`: as it is now. `given`: what its tasks must get; whatever else it is made from is left to others."""

    service: Service
    given: Given

    @property
    def is_reached(self) -> bool:
        """True if its spec says so, and an update that stood still, or was cut short, has left nothing."""
        spec = self.service.spec
        same = update.same_template(spec["TaskTemplate"], update.template_with(spec, self.given))
        return same and not update.has_our_pace(spec) and not update.has_failed(self.service)

    def replaced(self) -> list[Replaced]:
        """Configs and secrets that it gets in place of others."""
        wanted = {path: name for path, (_, name) in self.given.configs.items()}
        rows = objects_of(self.service.spec["TaskTemplate"]["ContainerSpec"])
        found = (
            Replaced(kind, str(row[f"{kind}Name"]), wanted[path], row.get("File") or {})
            for kind, path, row in rows
            if path in wanted
        )
        return [one for one in found if one.wanted != one.present]


def wanted(profile: Profile, now: Service, kept: Mapping[str, Any] | None, direction: Direction, name: str) -> Wanted:
    """`kept`: the spec of before the run; an undo gives back what the change's items had there, and nothing else."""
    if direction is not Direction.UNDO:
        return Wanted(now, given(profile, name))
    return Wanted(now, _of_before(profile, kept, name) if kept else Given(None, {}))


def given(profile: Profile, service: str) -> Given:
    """The old values of the change's items, for one service."""
    items = profile.values_of(service)
    image = next((item.old for item in items if isinstance(item, ImageItem)), None)
    variables = {item.in_container: item.old for item in items if isinstance(item, SettingItem)}
    return Given(image, variables, {item.target: ("", item.old) for item in items if isinstance(item, ConfigItem)})


def _of_before(profile: Profile, kept: Mapping[str, Any], service: str) -> Given:
    had = kept["TaskTemplate"]["ContainerSpec"]
    variables = update.variables_of(had)
    of_change = given(profile, service)
    image = str(had["Image"]) if of_change.image is not None else None
    objects = {path: (str(row[f"{kind}ID"]), str(row[f"{kind}Name"])) for kind, path, row in objects_of(had)}
    configs = {path: one for path, one in objects.items() if path in of_change.configs}
    return Given(image, {name: variables.get(name) for name in of_change.variables}, configs)


def _is_known(item: ImageItem, image: str) -> bool:
    """True if it has the tag of one of the item's, or only a digest: what that is, a name does not tell."""
    tagged, _, digest = image.partition("@")
    has_tag = ":" in tagged.rpartition("/")[2]
    if image.startswith("sha256:") or (digest and not has_tag):
        return True
    return familiar(tagged) in {familiar(one.partition("@")[0]) for one in (item.new, item.old)}


def why_not_given(profile: Profile, one: Wanted, service: str) -> str:
    """Why an item's value cannot be reverted in the service; "" if each can.

    A value that reaches the process by another way (a command, another variable) would stay, whatever is set beside it.
    """
    has = update.variables_of(one.service.spec["TaskTemplate"]["ContainerSpec"])
    for item in profile.values_of(service):
        if isinstance(item, SettingItem) and item.is_no_variable:
            return f"{item.key}: on a stack, a setting can only restore an environment variable, and this is not one"
        if isinstance(item, SettingItem) and item.is_in_a_compose_file and "$" in f"{item.new}{item.old or ''}":
            says = "uses a variable of the file's, which Swarm does not interpolate"
            return f"{item.key}: its value {says}: write the literal value there"
        if isinstance(item, ImageItem) and not _is_known(item, one.service.image):
            says = f"service {service} has image {one.service.image}, which is neither the change's nor the old one"
            return f"{says}: somebody has deployed another one since; if that has the change too, name it as `new`"
        if isinstance(item, SettingItem) and has.get(item.in_container) not in (item.new, item.old):
            what = "has another value there" if item.in_container in has else "has no such variable"
            return f"{item.in_container}: service {service} {what} than the change's or the old one"
        if isinstance(item, ConfigItem) and one.service.configs.get(item.target) not in (item.new, item.old):
            what = "has another one there" if item.target in one.service.configs else "has none there"
            return f"{item.says}: service {service} {what} than the change's or the old one"
    return ""
