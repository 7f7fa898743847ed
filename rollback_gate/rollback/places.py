"""One item of a change as one replica has it, and how it gets there. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from rollback_gate.platform.replica import Mount, Replica


class Reach(enum.Enum):
    """TREE: bind-mounted from the engine's machine. IMAGE: its image or own layer. VOLUME: outlives containers."""

    TREE = enum.auto()
    IMAGE = enum.auto()
    VOLUME = enum.auto()

    @classmethod
    def by(cls, mount: Mount | None) -> Reach:
        if mount is None:
            return cls.IMAGE
        return cls.TREE if mount.kind == "bind" else cls.VOLUME


@dataclass(frozen=True)
class Place:
    """`path`: of the item, in the project. `mount`: the one that holds it; None for its image.

    `is_wrong`: the content is not the goal's. `is_old`: the content is old code, of any version.
    """

    replica: Replica
    path: str
    reach: Reach
    mount: Mount | None
    is_wrong: bool
    is_old: bool = False

    def having(self, is_wrong: bool) -> Place:
        return replace(self, is_wrong=is_wrong)

    @property
    def in_words(self) -> str:
        if self.mount is None:
            where = f"its image {self.replica.image_name}"
        else:
            where = f"{self.mount.kind} {self.mount.name or self.mount.source} at {self.mount.target}"
        return f"{self.path} of {self.replica.name}, in {where}"

    @property
    def remedy(self) -> str:
        """The manual fix."""
        if self.reach is Reach.IMAGE:
            return f"recreate {self.replica.service} from its old image by hand, then roll back again"
        what = "that volume" if self.reach is Reach.VOLUME else "the mounted folder"
        return f"put the old files into {what} by hand, and restart {self.replica.service}"
