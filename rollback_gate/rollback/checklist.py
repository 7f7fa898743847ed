"""Preflight checks and their outcomes: all problems are reported at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from rollback_gate.errors import Refused, RollbackGateError

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """One preflight check. `outcome`: ok, warning or refused."""

    name: str
    outcome: str
    says: str
    remedy: str = ""


@dataclass
class Checklist:
    items: list[Item] = field(default_factory=list)

    def ask(self, name: str, question: Callable[[], tuple[T, str]]) -> T | None:
        """The answer; None, and a refused item, if the question raises. Callers then skip what depends on it."""
        try:
            value, says = question()
        except RollbackGateError as error:
            self.items.append(Item(name, "refused", error.message, error.remedy))
            return None
        except (OSError, ValueError, KeyError) as error:  # malformed files, unexpected engine answers
            self.items.append(Item(name, "refused", f"{type(error).__name__}: {error}"))
            return None
        self.items.append(Item(name, "ok", says))
        return value

    def warn(self, name: str, says: str) -> None:
        if says:
            self.items.append(Item(name, "warning", says))

    def refusal(self) -> Refused | None:
        bad = [item for item in self.items if item.outcome == "refused"]
        if not bad:
            return None
        message = "preflight refused, nothing was touched: " + "; ".join(f"{i.name}: {i.says}" for i in bad)
        return Refused(message, "; ".join(i.remedy for i in bad if i.remedy))
