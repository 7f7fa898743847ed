"""The command line: Invoke's program with our name, our help, and suggestions for mistyped words."""

from __future__ import annotations

import copy
import difflib
import inspect
import shutil
import sys
import textwrap
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from invoke.exceptions import Exit
from invoke.parser import Parser
from invoke.program import Program
from invoke.util import helpline

from rollback_gate.model import MEANING, WRONG_USAGE
from rollback_gate.tasks.chain import Grammar, SharedArguments
from rollback_gate.tasks.collection import collection
from rollback_gate.tasks.groups import GROUPS, OTHERS

NAME = "rollback-gate"
OPTIONS = (  # Invoke's; its other options work too
    ("-h, --help [COMMAND]", "show this, or what a command does, how long it takes, and its options"),
    ("-V, --version", "show the version"),
    ("-R, --dry", "the same as --dry-run, for the commands that have it; the others are refused"),
    ("--print-completion-script SHELL", "for bash, zsh or fish, to be sourced: completes commands and options"),
)
_WIDEST = 100


class _Program(Program):
    _made: Parser | None = None

    def _make_parser(self) -> Parser:
        """Invoke's parser takes the help out of the tasks: only the first parser made has any."""
        if self._made is None:
            self._made = super()._make_parser()
        return copy.deepcopy(self._made)

    def parse_tasks(self) -> None:
        """Accepts options in any order. Raises Exit for an unknown word."""
        tasks = self._make_parser().contexts
        words = {name: getattr(self.collection[name].body, "word", "") for name in tasks}
        grammar = Grammar(tasks, self.initial_context, words)
        if not self.args.complete.value:
            if self.core.remainder:
                raise Exit(f"error: nothing may follow --: {self.core.remainder}\n  → leave out --", code=WRONG_USAGE)
            self.core.unparsed = grammar.in_place(self.core.unparsed)
            if wrong := grammar.unknown(self.core.unparsed):
                raise Exit(_not_known(*wrong, grammar, self.binary), code=WRONG_USAGE)
        super().parse_tasks()

    def print_help(self) -> None:
        print(_wrapped(f"Usage: {self.binary} COMMAND [OPTIONS] [COMMAND [OPTIONS]]...") + "\n")
        print(_wrapped("Takes a change back from a Docker Compose deployment, and judges whether it is really gone."))
        listed = {name: helpline(task) or "" for name, task in _listed(self.collection)}
        for heading, names in (*GROUPS, (OTHERS, tuple(listed))):
            rows = [(name, listed.pop(name)) for name in names if name in listed]
            if rows:
                print(f"\n{heading}:")
                print("\n".join(_columns(rows)))
        print("\nOptions:")
        print("\n".join(_columns(list(OPTIONS))))
        print("\nExit status:")
        print("\n".join(_columns([(str(int(code)), says) for code, says in MEANING.items()])))
        print(
            "\n" + _wrapped(f"`{self.binary} --help COMMAND` explains a command, how long it takes, and its options.")
        )

    def print_task_help(self, name: str) -> None:
        rows = self.parser.contexts[name].help_tuples()
        print(_wrapped(f"Usage: {self.binary} {name}{' [OPTIONS]' if rows else ''}") + "\n")
        for paragraph in (inspect.getdoc(self.collection[name]) or "").split("\n\n"):
            print(f"{_wrapped(' '.join(paragraph.split()))}\n")
        if rows:
            print("Options:")
            print("\n".join(_columns([(flag, text or "") for flag, text in rows])))


def program(root: Path, launcher: str) -> Program:
    """`root`: where this tool is; `launcher`: how the operator calls it, for printed commands."""
    return _Program(
        version=version(NAME),
        namespace=collection(root, launcher),
        name=NAME,
        binary=launcher,
        binary_names=[NAME],
        executor_class=SharedArguments,
    )


def _listed(namespace: Any) -> list[tuple[str, Any]]:
    """Tasks by the shortest name that users can type."""
    names = namespace.task_names
    return [(min([name, *names[name]], key=len), namespace[name]) for name in names]


def _not_known(word: str, task: str, grammar: Grammar, binary: str) -> str:
    if not word.startswith("-"):
        close = difflib.get_close_matches(word, list(grammar.tasks), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"{binary} --help lists the commands"
        return f"error: there is no command '{word}'\n  → {hint}"
    flag = word.partition("=")[0]
    own = list(grammar.tasks[task].flags) if task else []
    owners = sorted({name for name, one in grammar.tasks.items() if flag in one.flags})
    close = difflib.get_close_matches(flag, own, n=2)
    if close:
        hint = f"did you mean {' or '.join(close)}?"
    elif owners:
        hint = f"it belongs behind one of: {', '.join(owners)}"
    else:
        hint = f"{binary} --help {task}".rstrip()
    return f"error: {task or 'the command line'} has no option '{flag}'\n  → {hint}"


def _columns(rows: list[tuple[str, str]]) -> Iterable[str]:
    """Names with their descriptions beside them, or below them on a narrow terminal."""
    width, gap = _width(), max(len(name) for name, _ in rows) + 4
    for name, text in rows:
        if width - gap < 30:
            yield f"  {name}"
            yield textwrap.fill(text, width, initial_indent="      ", subsequent_indent="      ")
        else:
            first, *rest = textwrap.wrap(text, width - gap) or [""]
            yield f"  {name.ljust(gap - 2)}{first}".rstrip()
            yield from (f"{' ' * gap}{line}" for line in rest)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _width())


def _width() -> int:
    return min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST) if sys.stdout.isatty() else _WIDEST
