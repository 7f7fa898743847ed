"""Which modules a program imports, from its files alone: nothing is ever imported to find out. Pure.

For a partial rollback (runbook, Partial Rollback): the new modules are kept, and nobody may use them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from rollback_gate.model import Unmeasured


@dataclass(frozen=True)
class KeptModules:
    """What is known of modules that a partial rollback keeps, in one container. Both empty: nobody uses them.

    `imported`: "FILE, imported by FILE:LINE". `named`: texts that name one, which code could import by its name.
    """

    imported: tuple[str, ...]
    named: tuple[str, ...]


def read(
    files: Mapping[str, str], entries: Iterable[str], kept: Iterable[str], subject: str
) -> KeptModules | Unmeasured:
    """`files`: text by path; `entries`: the programs; `kept`: paths of modules, all relative to the same folder."""
    paths = tuple(kept)
    waiting = [entry for entry in entries if entry in files]
    missing = [entry for entry in entries if entry not in files]
    if missing or not waiting:
        return Unmeasured(f"what {subject} imports", f"{', '.join(missing) or 'code.entries'} is not there")
    seen: dict[str, str] = dict.fromkeys(waiting, "")
    imported, named = [], []
    while waiting:
        path = waiting.pop()
        if any(_is_in(path, place) for place in paths):
            imported.append(f"{path}, imported by {seen[path]}")
            continue
        try:
            tree = ast.parse(files[path])
        except (SyntaxError, ValueError) as error:
            return Unmeasured(f"what {subject} imports", f"{path} is no Python: {error}")
        named += [f"{path}:{line} names {text}" for line, text in _names(tree, paths)]
        for line, target in _imports(tree, path):
            for file in _files_of(target, files):
                if file not in seen:
                    seen[file] = f"{path}:{line}"
                    waiting.append(file)
    return KeptModules(tuple(sorted(imported)), tuple(sorted(named)))


def _is_in(path: str, place: str) -> bool:
    return PurePosixPath(path).is_relative_to(place)


def _imports(tree: ast.AST, path: str) -> Iterator[tuple[int, str]]:
    """Every dotted name that an import statement anywhere in the file can mean, with its line."""
    pure = PurePosixPath(path)
    package = pure.parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield node.lineno, base
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def _files_of(name: str, files: Mapping[str, str]) -> Iterator[str]:
    """The files that importing a dotted name runs: each package on the way, then the module, as Python finds them."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        stem = "/".join(parts[:length])
        for path in (f"{stem}/__init__.py", f"{stem}.py"):
            if path in files:
                yield path
                break


def _names(tree: ast.AST, kept: Iterable[str]) -> Iterator[tuple[int, str]]:
    dotted = [str(PurePosixPath(place).with_suffix("")).replace("/", ".") for place in kept]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if any(text == name or text.startswith(f"{name}.") for name in dotted):
                yield node.lineno, text[:100]
