"""`invoke rollback verify --profile X` must never roll back one deployment and verify another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from invoke.exceptions import Exit
from invoke.executor import Executor
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext

from rollback_gate.model import ExitCode

SHARED = ("profile", "set", "without_database")


class SharedArguments(Executor):
    """What one task of a chain was given, the others get too; two different values are refused."""

    def execute(self, *tasks: Any) -> Any:
        contexts = [task for task in tasks if isinstance(task, ParserContext)]
        for name in SHARED:
            _share([context.args[name] for context in contexts if name in context.args])
        return super().execute(*tasks)


def _share(arguments: Iterable[Argument]) -> None:
    rows = list(arguments)
    given = [argument for argument in rows if argument.got_value]
    if not given:
        return
    if any(argument.value != given[0].value for argument in given):
        raise Exit(
            f"error: --{given[0].name} is given twice with different values: {given[0].value} and "
            f"{given[-1].value}\n  → one chain of tasks is about one deployment",
            code=int(ExitCode.WRONG_SETTING),
        )
    for argument in rows:
        if not argument.got_value:
            for value in given[0].value if isinstance(given[0].value, list) else [given[0].value]:
                argument.value = value
