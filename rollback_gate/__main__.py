"""`rollback-gate`, and `python -m rollback_gate`."""

from __future__ import annotations

import os
import sys

from rollback_gate.launcher import VARIABLE
from rollback_gate.model import WRONG_USAGE
from rollback_gate.tasks.place import is_checkout, root
from rollback_gate.tasks.program import program


def main() -> None:
    """Runs the command line of this process; exits with its status."""
    here = root()
    if is_checkout(here):
        sys.path.insert(0, str(here))  # lab and tests: -P keeps the current directory off the path
    try:
        program(here, os.environ.get(VARIABLE) or "rollback-gate").run(["rollback-gate", *sys.argv[1:]])
    except BrokenPipeError:  # `--help | head`: the reader is gone, and so is what is still buffered
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(WRONG_USAGE)


if __name__ == "__main__":
    main()
