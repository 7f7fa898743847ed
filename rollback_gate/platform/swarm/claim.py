"""A name in the Swarm that only one can have at a time: a config, which its manager makes for one caller only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from docker.errors import APIError, NotFound

from rollback_gate.platform.engine import Engine, answering

_CONFLICT = 409
_LONGEST = 64  # of a config's name
_CONTENT = b"rollback-gate: a rollback or a verify is under way\n"


@dataclass(frozen=True)
class Claim:
    """One made, or found. `labels`: who made it."""

    id: str
    labels: Mapping[str, str]


def name_of(project: str) -> str:
    return f"rollback-gate.{project}"[:_LONGEST]


def make(manager: Engine, name: str, labels: Mapping[str, str]) -> Claim | None:
    """None if there is one already. Raises Unreachable."""
    with answering(f"the lock {name}"):
        try:
            made = manager.client.api.create_config(name, _CONTENT, labels=dict(labels))
        except APIError as error:
            if error.status_code == _CONFLICT:
                return None
            raise
    return Claim(str(made["ID"]), labels)


def find(manager: Engine, name: str) -> Claim | None:
    """The present one. Raises Unreachable."""
    with answering(f"the lock {name}"):
        rows = manager.client.api.configs(filters={"name": name})  # type: ignore[no-untyped-call]
    found = (Claim(row["ID"], row["Spec"].get("Labels") or {}) for row in rows if row["Spec"]["Name"] == name)
    return next(found, None)


def end(manager: Engine, one: Claim) -> None:
    """Also if it has gone. Raises Unreachable."""
    with answering("the end of the lock"):
        try:
            manager.client.api.remove_config(one.id)  # type: ignore[no-untyped-call]
        except NotFound:
            return
