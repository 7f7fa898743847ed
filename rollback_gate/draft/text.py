"""The text of a proposed profile: each value with where it comes from; what was not found, as a comment. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_LONGEST = 60
_BARE = re.compile(r"^[A-Za-z0-9_-]+$")


@dataclass
class Draft:
    """Filled section by section. `found`, `missing`: how many keys are proposed, and left to find."""

    rows: list[str] = field(default_factory=list)
    found: int = 0
    missing: int = 0

    def section(self, header: str, why: str = "") -> None:
        self.rows += ["", *([f"# {why}"] if why else []), header]

    def set(self, key: str, value: Any, why: str = "") -> None:
        """`why`: where the value comes from."""
        self.found += 1
        line = f"{key} = {toml(value)}"
        self.rows += [f"# {why}", line] if why and len(line) > _LONGEST else [f"{line}  # {why}" if why else line]

    def lack(self, key: str, look_for: str) -> None:
        """A key that could not be found."""
        self.missing += 1
        self.rows.append(f"# {key} =   # not found: {look_for}")

    def comment(self, text: str) -> None:
        """In one line, whatever it holds."""
        self.rows.append(f"# {' '.join(text.split())}")

    @property
    def text(self) -> str:
        return "\n".join(self.rows).lstrip("\n") + "\n"


def key_of(name: str) -> str:
    """A name as a key of TOML, in quotes where it needs them."""
    return name if _BARE.match(name) else json.dumps(name)


def toml(value: Any) -> str:
    """A value as TOML. Patterns (`re.Pattern`) are literal strings."""
    if isinstance(value, re.Pattern):
        pattern = value.pattern
        return f"'{pattern}'" if "'" not in pattern else json.dumps(pattern)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, Mapping):
        rows = (f"{key_of(name)} = {toml(one)}" for name, one in value.items())
        return f"{{ {', '.join(rows)} }}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(str(value), ensure_ascii=False)
