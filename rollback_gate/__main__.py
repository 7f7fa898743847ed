"""`rollback-gate`, and `python -m rollback_gate`."""

from __future__ import annotations

import os
import sys

from rollback_gate.launcher import VARIABLE
from rollback_gate.tasks.place import is_checkout, root
from rollback_gate.tasks.program import program


def main() -> None:
    """Runs the command line of this process; exits with its status."""
    here = root()
    if is_checkout(here):
        sys.path.insert(0, str(here))  # lab and tests: -P keeps the current directory off the path
    program(here, os.environ.get(VARIABLE) or "rollback-gate").run(["rollback-gate", *sys.argv[1:]])


if __name__ == "__main__":
    main()
