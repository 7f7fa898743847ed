"""Checks of a team's own: which there are, and what each comes to.

They stand in `checks/` beside the profile; those in a folder of a service's name are asked of that service only. Found
without running anything: the caller must know what is required before the suite begins.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from rollback_gate.checks.manifest import OWN, Own
from rollback_gate.errors import WrongSetting
from rollback_gate.model import Claim, Evidence, failed, inconclusive, passed
from rollback_gate.profile.schema import Profile
from rollback_gate.redaction import cut

FOLDER = "checks"
OF_REPLICAS = frozenset({"host", "replica", "service"})  # fixtures that are one replica's
_LONGEST = 300


def folder_of(profile_path: Path) -> Path:
    return profile_path.resolve().parent / FOLDER


def find(folder: Path, profile: Profile) -> tuple[Own, ...]:
    """The team's checks, by file and in their order there; () without a folder. Raises WrongSetting."""
    if not folder.is_dir():
        return ()
    files = sorted(path for path in folder.rglob("test_*.py") if path.is_file())
    return tuple(own for path in files for own in _in_file(folder, path, profile))


def _in_file(folder: Path, path: Path, profile: Profile) -> Iterator[Own]:
    relative = path.relative_to(folder)
    service = relative.parts[0] if len(relative.parts) > 1 else ""
    if len(relative.parts) > 2 or (service and service not in profile.services):
        raise WrongSetting(f"{path} stands in no service's folder", f"one of {', '.join(profile.services)}, or none")
    try:
        data = path.read_bytes()
        tree = ast.parse(data)
    except (OSError, SyntaxError, ValueError) as error:
        raise WrongSetting(f"{path} cannot be read as Python: {error}", "correct it, or move it away") from error
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    tests = [node for node in functions.values() if node.name.startswith("test")]
    if not tests:
        raise WrongSetting(f"{path} has no check", "write functions whose names begin with test_, outside of a class")
    slot = "replica" if service and profile.services[service].consumes else service
    for test in tests:
        _refuse_parameters(path, test)
        name = f"{OWN}/{relative.with_suffix('')}::{test.name}"
        says = (ast.get_docstring(test) or test.name.removeprefix("test_").replace("_", " ")).splitlines()[0]
        is_of_replicas = bool(_asked(test, functions, frozenset()) & OF_REPLICAS)
        yield Own(name, says, slot, is_of_replicas, hashlib.sha256(data).hexdigest())


def _refuse_parameters(path: Path, test: ast.FunctionDef) -> None:
    """What is required must be known before it runs."""
    if any("parametrize" in ast.unparse(one) or "skip" in ast.unparse(one) for one in test.decorator_list):
        raise WrongSetting(f"{path}: {test.name} is parametrized or skipped", "write one function for each, or a loop")


def _asked(test: ast.FunctionDef, functions: dict[str, ast.FunctionDef], seen: frozenset[str]) -> frozenset[str]:
    """The fixtures that a test uses, and those that they use in the same file."""
    names = frozenset(argument.arg for argument in (*test.args.args, *test.args.kwonlyargs)) - seen
    more = (_asked(functions[name], functions, seen | names) for name in names if name in functions)
    return names.union(*more)


def gate_id(path: Path, folder: Path, rest: str) -> str:
    """The id of one of these tests. `rest`: what pytest's node id has after the file."""
    return f"{OWN}/{path.relative_to(folder).with_suffix('')}::{rest}"


def claim_of(subject: str, says: str, error: BaseException | None, is_its_own: bool, doubts: list[str]) -> Claim:
    """What one check comes to. `error`: what it raised; `is_its_own`: in the check's own file, as an assertion.

    `doubts`: why its answers cannot be believed: its container went, or a command did not run to its end.
    """
    if doubts:
        return inconclusive(subject, f"{says}: {doubts[0]}", *doubts)
    if error is None:
        return passed(subject, says, Evidence.PROCESS)
    told = cut(" ".join(str(error).split()) or type(error).__name__, _LONGEST)
    if is_its_own:
        return failed(subject, f"not so: {says}", Evidence.PROCESS, told)
    return inconclusive(subject, f"{says}: it ended with {type(error).__name__}: {told}")
