"""Checks of a team's own: which there are, and what each comes to.

They stand in `checks/` beside the profile; those in a folder of a service's name are asked of that service only. Found
without running anything: the caller must know what is required before the suite begins.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

from rollback_gate.checks.manifest import OWN, Own
from rollback_gate.model import Claim, Evidence, failed, inconclusive, passed
from rollback_gate.profile.schema import Profile
from rollback_gate.redaction import cut

FOLDER = "checks"
OF_REPLICAS = frozenset({"host", "replica", "service"})  # fixtures that are one replica's
_LONGEST = 300


def folder_of(profile_path: Path) -> Path:
    return profile_path.resolve().parent / FOLDER


def find(folder: Path, profile: Profile) -> tuple[Own, ...]:
    """The team's checks, by file and in their order there; () without a folder.

    What cannot be asked is one of them too, with the reason: it is required, and never passes.
    """
    if not folder.is_dir():
        return ()
    files = sorted(path for path in folder.rglob("*.py") if path.is_file() and _is_meant_as_one(path))
    return tuple(own for path in files for own in _in_file(folder, path, profile))


def _is_meant_as_one(path: Path) -> bool:
    """By its name, or by what it defines: a check in a file of another name would never be asked.

    Fixtures, and what pytest would not take for a test, are a helper's.
    """
    if path.name == "conftest.py":
        return False
    if path.name.startswith(("test_", "check")) or path.name.endswith("_test.py"):
        return True
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True  # nobody knows what it holds
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    return any(not any("fixture" in ast.unparse(one) for one in node.decorator_list) for node in functions)


def _is_named_as_one(node: ast.AST) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return isinstance(node, kinds) and node.name.lower().startswith("test")


def _in_file(folder: Path, path: Path, profile: Profile) -> tuple[Own, ...]:
    relative = path.relative_to(folder)
    try:
        data = path.read_bytes()
        tree = ast.parse(data)
    except (OSError, SyntaxError, ValueError) as error:
        return (_broken(relative, f"it cannot be read as Python: {error}", b""),)
    service = relative.parts[0] if len(relative.parts) > 1 else ""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    tests = [node for node in functions.values() if node.name.startswith("test")]
    if why := _why_not(relative, service, tree, tests, profile):
        return (_broken(relative, why, data),)
    slot = "replica" if service and profile.services[service].consumes else service
    return tuple(_own(relative, test, functions, slot, data) for test in tests)


def _own(relative: Path, test: ast.FunctionDef, functions: dict[str, ast.FunctionDef], slot: str, data: bytes) -> Own:
    told = (ast.get_docstring(test) or test.name.removeprefix("test").replace("_", " ")).strip().splitlines()
    is_of_replicas = bool(_fixtures(test, functions, frozenset()) & OF_REPLICAS)
    name, digest = f"{OWN}/{relative.with_suffix('')}::{test.name}", hashlib.sha256(data).hexdigest()
    return Own(name, told[0] if told else test.name, slot, is_of_replicas, digest)


def _broken(relative: Path, why: str, data: bytes) -> Own:
    name = f"{OWN}/{relative.with_suffix('')}::"
    return Own(name, str(relative), "", False, hashlib.sha256(data).hexdigest(), f"{relative}: {why}")


def _why_not(relative: Path, service: str, tree: ast.Module, tests: list[ast.FunctionDef], profile: Profile) -> str:
    """Why the checks of a file cannot be required as they are; "" if they can. What is required must be known first."""
    if len(relative.parts) > 2 or (service and service not in profile.services):
        return f"it stands in no service's folder: one of {', '.join(profile.services)}, or none"
    if not relative.name.startswith("test_"):
        return "its name does not begin with test_"
    named = [one for one in ast.walk(tree) if _is_named_as_one(one)]
    if other := next((one for one in named if one not in tests), None):
        return f"{getattr(other, 'name', '')} is no plain function at the top of the file"
    if not tests:
        return "it has no function whose name begins with test_"
    for test in tests:
        if any(word in ast.unparse(one) for one in test.decorator_list for word in ("parametrize", "skip")):
            return f"{test.name} is parametrized or skipped: write one function for each, or a loop"
    return ""


def _fixtures(test: ast.FunctionDef, functions: dict[str, ast.FunctionDef], seen: frozenset[str]) -> frozenset[str]:
    """The fixtures that a test uses, and those that they use in the same file."""
    names = frozenset(argument.arg for argument in (*test.args.args, *test.args.kwonlyargs)) - seen
    more = (_fixtures(functions[name], functions, seen | names) for name in names if name in functions)
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
