"""The nodes of a Swarm, and where a service may run. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_CONSTRAINT = re.compile(r"\s*([\w.-]+)\s*(==|!=)\s*(.+?)\s*")
_OF_NODE, _OF_ENGINE = "node.labels.", "engine.labels."


@dataclass(frozen=True)
class Node:
    """One node. `name`: its host name, with its id where two have the same. `about`: what constraints can ask.

    `address`: as the manager sees it. `state`: ready, down, disconnected or unknown. `availability`: active, pause or
    drain.
    """

    id: str
    name: str
    address: str
    state: str
    availability: str
    about: Mapping[str, str]

    @property
    def as_host(self) -> str:
        """Its address as a part of a URL."""
        return f"[{self.address}]" if ":" in self.address else self.address

    def may_run(self, constraints: Iterable[str]) -> bool:
        """True unless a constraint rules it out for certain; a drained node may have run it before."""
        return not any(self._is_ruled_out(constraint) for constraint in constraints)

    def may_be_given(self, constraints: Iterable[str]) -> bool:
        """True if the manager may start a task of such a service there now."""
        return self.availability == "active" and self.may_run(constraints)

    def _is_ruled_out(self, constraint: str) -> bool:
        parts = _CONSTRAINT.fullmatch(constraint)
        if parts is None:
            return False
        key, operator, wanted = parts.groups()
        is_known = key in self.about or key.startswith((_OF_NODE, _OF_ENGINE))
        is_equal = self.about.get(key, "").lower() == wanted.lower()  # as Swarm compares
        return is_known and is_equal is not (operator == "==")


_NOWHERE = frozenset(("0.0.0.0", "::", "127.0.0.1", "::1", ""))


def parse(rows: Iterable[Mapping[str, Any]]) -> tuple[Node, ...]:
    """The nodes as the manager lists them. Raises KeyError, TypeError for any other form."""
    found = list(rows)
    names = [_host_name(row) for row in found]
    return tuple(
        _node(row, name if names.count(name) == 1 else f"{name}-{row['ID'][:8]}")
        for row, name in zip(found, names, strict=True)
    )


def _host_name(row: Mapping[str, Any]) -> str:
    """One that has joined and has not told of itself yet has none."""
    return str(row["Description"].get("Hostname") or row["ID"][:12])


def _address(row: Mapping[str, Any]) -> str:
    """Of a manager, that of the others' view: to itself it can be 0.0.0.0."""
    of_manager = str((row.get("ManagerStatus") or {}).get("Addr") or "").rpartition(":")[0].strip("[]")
    seen = str(row["Status"].get("Addr") or "")
    return of_manager or seen if seen in _NOWHERE else seen


def _node(row: Mapping[str, Any], name: str) -> Node:
    spec, description = row["Spec"], row["Description"]
    platform, labels = description.get("Platform") or {}, (description.get("Engine") or {}).get("Labels") or {}
    about = {
        "node.id": row["ID"],
        "node.hostname": _host_name(row),
        "node.role": spec["Role"],
        "node.platform.os": platform.get("OS", ""),
        "node.platform.arch": platform.get("Architecture", ""),
        **{f"{_OF_NODE}{key}": value for key, value in (spec.get("Labels") or {}).items()},
        **{f"{_OF_ENGINE}{key}": value for key, value in labels.items()},
    }
    return Node(
        id=str(row["ID"]),
        name=name,
        address=_address(row),
        state=str(row["Status"]["State"]),
        availability=str(spec["Availability"]),
        about=about,
    )
