"""Where this tool is: a checkout, or an installation (`pipx install .`)."""

from __future__ import annotations

import sysconfig
from pathlib import Path

_SHARE = "share/rollback-gate"  # pyproject.toml: data-files


def root() -> Path:
    """The folder that holds `profiles/` and `tests/gate/`."""
    checkout = Path(__file__).resolve().parents[2]
    return checkout if is_checkout(checkout) else Path(sysconfig.get_path("data")) / _SHARE


def is_checkout(folder: Path) -> bool:
    """True if the folder has its own lab and tests, and a folder for reports."""
    return (folder / "tasks.py").is_file() and (folder / "tests/gate").is_dir()
