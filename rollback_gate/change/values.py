"""Settings and images of a change as a container has them, or as a new one would get them. Values are never kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rollback_gate.change.reading import Held, ValueReading
from rollback_gate.platform.configured import environment_of
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import ConfigItem, ImageItem, SettingItem, ValueItem, without_tag
from rollback_gate.profile.schema import Profile


@dataclass(frozen=True)
class Values:
    """Compares with what the profile names as old and new. Methods raise Unreachable."""

    profile: Profile
    engine: Engine

    def of(self, replica: Replica) -> tuple[ValueReading, ...]:
        """As the container has them: fixed when it was created."""
        if not self.profile.values_of(replica.service):
            return ()
        config = self.engine.raw(replica.id).get("Config") or {}
        environment = dict(row.partition("=")[::2] for row in config.get("Env") or ())
        configs = dict(replica.configs)
        return self._all(replica.service, environment, replica.image_name, replica.image_id, configs)

    def of_a_new_one(
        self, service: str, entry: Mapping[str, Any], configs: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[ValueReading, ...]:
        """As a new container would get them. `entry`: of the service, as Compose prints it. `configs`: of a Swarm."""
        if not self.profile.values_of(service):
            return ()
        name = str(entry.get("image") or "")
        image = (self.engine.image_config(name) if name else None) or {}
        environment = environment_of(entry.get("environment"), image.get("Env") or ())
        return self._all(service, environment, name, self.engine.image_id(name) if name else None, configs)

    def of_the_change(self, replica: Replica) -> list[str]:
        """Names of the change's values that a container has, of items that do not name its service.

        Of a service that the profile lists, images only: its configuration is compared with the files, and a variable
        of the same name may be another one. An empty value is too common to show anything.
        """
        config = self.engine.raw(replica.id).get("Config") or {}
        environment = dict(row.partition("=")[::2] for row in config.get("Env") or ())
        own = {item.new for item in self.profile.values_of(replica.service)}
        others = [one for one in self.profile.values if replica.service not in one.services and one.new not in own]
        is_listed = replica.service in self.profile.services
        settings = [one for one in others if isinstance(one, SettingItem) and one.new and not is_listed]
        found = [item.says for item in settings if environment.get(item.in_container) == item.new]
        images = (one for one in others if isinstance(one, ImageItem) and self._is_new(one, replica))
        names = {name for _, name in replica.configs}
        configs = (item.says for item in others if isinstance(item, ConfigItem) and item.new in names)
        return [*found, *(item.says for item in images), *configs]

    def _is_new(self, item: ImageItem, replica: Replica) -> bool:
        if item.is_moved or item.has_one_tag:
            is_old = replica.image_id == self.engine.image_id(item.old)
            return _is_named(replica.image_name, item.new) and not is_old
        return _is_named(replica.image_name, item.new) or self.engine.image_id(item.new) == replica.image_id

    def _all(
        self,
        service: str,
        environment: Mapping[str, str],
        name: str,
        image_id: str | None,
        configs: Mapping[str, str],
    ) -> tuple[ValueReading, ...]:
        def read(item: ValueItem) -> ValueReading:
            match item:
                case SettingItem():
                    return _setting(item, environment)
                case ConfigItem():
                    return _config(item, configs)
                case item:
                    return self._image(item, name, image_id)

        return tuple(read(item) for item in self.profile.values_of(service))

    def _image(self, item: ImageItem, name: str, image_id: str | None) -> ValueReading:
        if "@" in item.old and _content(name) == _content(item.old):
            return ValueReading(item.says, Held.OLD)
        old = self.engine.image_id(item.old)  # never by its tag alone: any digest can stand behind that
        if item.has_one_tag and old is not None and image_id == old:
            return ValueReading(item.says, Held.OLD)
        if "@" in name and _is_named(name, item.new):
            return ValueReading(item.says, Held.NEW)
        if old is None:
            return ValueReading(item.says, Held.OTHER, f"there is no image {item.old} here to compare with")
        if not (item.is_moved or item.has_one_tag) and old == self.engine.image_id(item.new):
            return ValueReading(item.says, Held.OTHER, f"{item.old} and {item.new} are the same image")
        if image_id == old:
            return ValueReading(item.says, Held.OLD)
        is_new = _is_named(name, item.new) or image_id == self.engine.image_id(item.new)
        return ValueReading(item.says, Held.NEW if is_new else Held.OTHER)


def _content(name: str) -> tuple[str, str]:
    """Repository and digest of an image's name; the tag before a digest says nothing."""
    tagged, _, digest = name.partition("@")
    return without_tag(tagged), digest


def _is_named(name: str, wanted: str) -> bool:
    """Also where the image was fetched by its digest, behind the tag."""
    return wanted in (name, name.partition("@")[0])


def _config(item: ConfigItem, configs: Mapping[str, str]) -> ValueReading:
    """By its name: a manager gives none to another content while a service has it."""
    name = configs.get(item.target)
    held = Held.NEW if name == item.new else Held.OLD if name == item.old else Held.OTHER
    return ValueReading(item.says, held, "" if name else f"its task tells of none at {item.target}")


def _setting(item: SettingItem, environment: Mapping[str, str]) -> ValueReading:
    """`is_shown` is true only of the very old value: that there is none may mean that it has another name there."""
    value = environment.get(item.in_container)
    why = f"its environment has no {item.in_container}" if value is None else ""
    held = Held.NEW if value == item.new else Held.OLD if value == item.old else Held.OTHER
    return ValueReading(item.says, held, why, is_setting=True, is_shown=value is not None and held is Held.OLD)
