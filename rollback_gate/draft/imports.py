"""Which modules of a project only the change's code imports: what the change has brought with it. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

_INIT = "__init__.py"


def imported(text: str, path: str) -> set[str]:
    """Dotted names that a source at this path imports; of `from a import b` both a and a.b."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return set()
    return {name for node in ast.walk(tree) for name in _names(node, PurePosixPath(path).parent.parts)}


def _names(node: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) + 1 - node.level] if node.level else ()
        module = ".".join([*base, *([node.module] if node.module else [])])
        yield module
        yield from (f"{module}.{alias.name}" for alias in node.names)


def brought(path: str, old: str, sources: Mapping[str, str]) -> list[str]:
    """Paths that the present text at `path` imports, and neither its old one nor another file: a module or a package.

    `sources`: the project's Python files by path. Tests are nobody's users, and go with what they test. A name that
    stands anywhere else in a file, such as in a text for importlib, counts as use.
    """
    names = {one: _module(one) for one in sources}
    added = _reached(sources[path], path) - _reached(old, path)
    paths = dict.fromkeys(_whole(one, sources) for one, name in names.items() if name in added)
    others = {one: text for one, text in sources.items() if one != path and not _is_test(one)}
    return [one for one in paths if not _is_used(one, {**others, path: old}, names)]


def _reached(text: str, path: str) -> set[str]:
    """As `imported`, and as from the file's own folder: that of a script is on its path."""
    folder = ".".join(PurePosixPath(path).parent.parts)
    names = imported(text, path)
    return names | {f"{folder}.{name}" for name in names if folder}


def _module(path: str) -> str:
    return ".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__")


def _whole(path: str, sources: Mapping[str, str]) -> str:
    """The package that a module is in, or the module itself where that holds the rest of the program."""
    package = PurePosixPath(path).parent
    is_own = str(package / _INIT) in sources and len(package.parts) > 1
    return str(package) if is_own else path


def _is_used(path: str, users: Mapping[str, str], names: Mapping[str, str]) -> bool:
    own = {name for one, name in names.items() if is_in(one, path)}
    return any(
        own & _reached(text, one) or any(name in text for name in own)
        for one, text in users.items()
        if not is_in(one, path)
    )


def is_in(one: str, path: str) -> bool:
    return one == path or one.startswith(f"{path}/")


def _is_test(path: str) -> bool:
    return "tests" in PurePosixPath(path).parts or PurePosixPath(path).name.startswith("test_")
