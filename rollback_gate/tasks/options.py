"""Tasks that share options. Invoke reads options from a function's signature: it is built here from tables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task, task

Option = tuple[Any, str]  # default and help; the default's type is the option's
REQUIRED: Any = inspect.Parameter.empty


def task_with(
    *tables: Mapping[str, Option], name: str | None = None, positional: Sequence[str] = (), word: str = ""
) -> Callable[[Callable[[Any], None]], Task[Any]]:
    """Makes a task whose function takes one namespace: options (with underscores), `root` and `launcher`.

    `word`: the option that a single word after the task sets; Invoke has no positional argument with a default.
    """
    options = {key: option for table in tables for key, option in table.items()}
    options = dict(sorted(options.items(), key=lambda row: row[1][0] is not REQUIRED))  # required ones come first

    def decorate(function: Callable[[Any], None]) -> Task[Any]:
        def body(context: Context, **given: Any) -> None:
            function(SimpleNamespace(root=root_of(context), launcher=launcher_of(context), **_dry(context, given)))

        first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        rest = [
            inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
            for key, (default, _) in options.items()
        ]
        body.__signature__ = inspect.Signature([first, *rest])  # type: ignore[attr-defined]
        body.__name__, body.__doc__ = function.__name__, function.__doc__
        lists = [key for key, (default, _) in options.items() if isinstance(default, list)]
        explained = {key.strip("_").replace("_", "-"): text for key, (_, text) in options.items()}
        body.word = word  # type: ignore[attr-defined]
        made: Task[Any] = task(positional=positional, iterable=lists, auto_shortflags=False, help=explained, name=name)(
            body
        )
        return made

    return decorate


def _dry(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    """`invoke --dry` means this tool's own dry run; a task without one is refused."""
    if not context.config["run"]["dry"]:
        return given
    if "dry_run" not in given:
        raise Exit("error: this task has no dry run: nothing was done\n  → leave out --dry", code=2)
    return given | {"dry_run": True}


def launcher_of(context: Context) -> str:
    """How the operator calls this tool."""
    return str(context.config["launcher"])


def root_of(context: Context) -> Path:
    """Where this tool is installed: the folder of the tasks.py that `invoke` found."""
    return Path(context.config["root"])
