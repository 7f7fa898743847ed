"""Services of a stack that the profile does not name, by what they are made from: also where no task of them runs."""

from __future__ import annotations

from collections.abc import Mapping

from rollback_gate.platform.swarm.service import Service, familiar
from rollback_gate.platform.swarm.update import variables_of
from rollback_gate.profile.deployment import ConfigItem, ImageItem, SettingItem
from rollback_gate.profile.schema import Profile


def left_out(profile: Profile, services: Mapping[str, Service]) -> dict[str, str]:
    """By name, what a new task would have of the change; of services that are neither listed nor waived."""
    known = {*profile.services, *profile.waived}
    found = {name: _of_the_change(profile, one) for name, one in services.items() if name not in known}
    return {name: f"would start with the change's {', '.join(says)}" for name, says in found.items() if says}


def _of_the_change(profile: Profile, service: Service) -> list[str]:
    """Names of items. An empty value is too common to show anything."""
    variables = variables_of(service.spec["TaskTemplate"]["ContainerSpec"])
    configs = set(service.configs.values())
    found = []
    for item in profile.values:
        match item:
            case SettingItem():
                has = bool(item.new) and variables.get(item.in_container) == item.new
            case ConfigItem():
                has = item.new in configs
            case ImageItem():
                has = _is_new(item, service.image)
        if has:
            found.append(item.says)
    return found


def _is_new(item: ImageItem, image: str) -> bool:
    """By its name: of a tag that a rollback moves back, only what a node has behind it tells."""
    name, _, digest = image.partition("@")
    new, _, wanted = item.new.partition("@")
    if item.is_moved or familiar(name) != familiar(new):
        return False
    if item.has_one_tag:
        return digest != item.old.partition("@")[2]
    return not wanted or not digest or digest == wanted
