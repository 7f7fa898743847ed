"""Which modules a program imports, by static analysis of its files: nothing is imported. Pure.

For a partial rollback (runbook, Partial Rollback): the new modules are kept, and must not be used.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from rollback_gate.model import Unmeasured
from rollback_gate.redaction import cut


@dataclass(frozen=True)
class KeptModules:
    """Use of the modules that a partial rollback keeps, in one container. Both empty: they are not used.

    `imported`: "FILE, imported by FILE:LINE". `named`: string constants and computed names that could import one.
    """

    imported: tuple[str, ...]
    named: tuple[str, ...]


def read(
    files: Mapping[str, str], entries: Iterable[str], kept: Iterable[str], subject: str
) -> KeptModules | Unmeasured:
    """`files`: text by path; `entries`: the programs; `kept`: paths of modules. All are relative to one folder."""
    paths = tuple(kept)
    waiting = [entry for entry in entries if entry in files]
    missing = [entry for entry in entries if entry not in files]
    if missing or not waiting:
        return Unmeasured(f"what {subject} imports", f"{', '.join(missing) or 'partial.entries'} is not there")
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
        named += [f"{path}:{line} {says}" for line, says in _names(tree, paths)]
        for line, target in _imports(tree, path):
            found = tuple(_files_of(target, files))
            if not found and _could_be(target, paths):
                named.append(f"{path}:{line} imports {target}, which is found by another way than from this folder")
            for file in found:
                if file not in seen:
                    seen[file] = f"{path}:{line}"
                    waiting.append(file)
    return KeptModules(tuple(sorted(imported)), tuple(sorted(named)))


def _is_in(path: str, place: str) -> bool:
    return PurePosixPath(path).is_relative_to(place)


def _imports(tree: ast.AST, path: str) -> Iterator[tuple[int, str]]:
    """Every dotted name that an import statement in the file can refer to, with its line number."""
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
    """The files that importing a dotted name executes, in Python's order: each parent package, then the module."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        stem = "/".join(parts[:length])
        for path in (f"{stem}/__init__.py", f"{stem}.py"):
            if path in files:
                yield path
                break


def _could_be(target: str, kept: Iterable[str]) -> bool:
    """True if the name begins with a kept module's name: with another folder on sys.path it could be that module."""
    return target.partition(".")[0] in {PurePosixPath(place).stem for place in kept}


def _names(tree: ast.AST, kept: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Imports without a statement: string constants that name a kept module, and imports by a computed name."""
    dotted = [str(PurePosixPath(place).with_suffix("")).replace("/", ".") for place in kept]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if any(text == name or text.startswith(f"{name}.") for name in dotted):
                yield node.lineno, f"names {cut(text, 100)}"
        elif isinstance(node, ast.Call) and _is_import_call(node.func):
            name = node.args[0] if node.args else None
            is_absolute = isinstance(name, ast.Constant) and isinstance(name.value, str) and name.value[:1] != "."
            if not is_absolute:
                yield node.lineno, "imports by a name that is not written there"


def _is_import_call(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def top_names(files: Mapping[str, str]) -> set[str]:
    """Top-level names of all imports in these files, without the standard library."""
    found: set[str] = set()
    for path, text in files.items():
        try:
            names = {name.partition(".")[0] for _, name in _imports(ast.parse(text), path)}
        except (SyntaxError, ValueError):
            continue  # `read` reports it where it matters
        found |= names
    return found - set(sys.stdlib_module_names) - {""}
