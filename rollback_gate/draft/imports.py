"""Which modules of a project only the change's code imports: what the change has brought with it. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

_INIT = "__init__.py"


def imported(text: str) -> set[str]:
    """Dotted names that a source imports; of `from a import b` both a and a.b. Relative imports are left out."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return set()
    return {name for node in ast.walk(tree) for name in _names(node)}


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def brought(old: str, new: str, sources: Mapping[str, str]) -> list[str]:
    """Paths that the new text imports, and neither the old one nor another file: a module, or a whole package.

    `sources`: the project's Python files by path. Tests are nobody's users, and go with what they test.
    """
    modules = {path: _module(path) for path in sources}
    found = [path for path, name in modules.items() if name in imported(new) - imported(old)]
    paths = dict.fromkeys(_whole(path, sources) for path in found)
    return [path for path in paths if not _is_used(path, sources, modules, new, old)]


def _module(path: str) -> str:
    return ".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__")


def _whole(path: str, sources: Mapping[str, str]) -> str:
    """The package that a module is in, or the module itself where that holds the rest of the program."""
    package = PurePosixPath(path).parent
    is_own = str(package / _INIT) in sources and len(package.parts) > 1
    return str(package) if is_own else path


def _is_used(path: str, sources: Mapping[str, str], modules: Mapping[str, str], new: str, old: str) -> bool:
    """True if old code uses it."""
    own = {name for one, name in modules.items() if one == path or one.startswith(f"{path}/")}
    others = [text for one, text in sources.items() if modules[one] not in own and text != new and not _is_test(one)]
    return any(own & imported(text) for text in (*others, old))


def _is_test(path: str) -> bool:
    return "tests" in PurePosixPath(path).parts or PurePosixPath(path).name.startswith("test_")
