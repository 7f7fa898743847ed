"""`invoke rollback verify --profile X` must never roll back one deployment and verify another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from invoke.exceptions import Exit
from invoke.executor import Executor
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext

from rollback_gate.model import ExitCode

SHARED = ("profile", "set", "without_database")
_SHARED_FLAGS = {f"--{name.replace('_', '-')}" for name in SHARED}
# These differ in meaning between the tasks of a chain: they stay where they were written.
_OWN = {"--dry-run", "--partial", "--mode", "--step"}


class SharedArguments(Executor):
    """Arguments given to one task of a chain apply to the others too; two different values are refused."""

    def execute(self, *tasks: Any) -> Any:
        contexts = [task for task in tasks if isinstance(task, ParserContext)]
        if self.config["run"]["dry"]:
            _refuse_to_act(contexts)
        for name in SHARED:
            _share([context.args[name] for context in contexts if name in context.args])
        return super().execute(*tasks)


def _share(arguments: Iterable[Argument]) -> None:
    rows = list(arguments)
    given = [argument for argument in rows if argument.got_value]
    if not given:
        return
    if isinstance(given[0].value, list):
        _share_settings(rows, given)
        return
    for argument in given:
        if argument.value != given[0].value:
            raise _differ(f"--{given[0].name}", given[0].value, argument.value)
    for argument in rows:
        if not argument.got_value:
            argument.value = given[0].value


def _share_settings(rows: Iterable[Argument], given: Sequence[Argument]) -> None:
    """Merges the settings of several tasks; two values for one key are refused. Within one task the last one counts."""
    known: dict[str, str] = {}
    for argument in given:
        own = {key: value for key, _, value in (text.partition("=") for text in argument.value)}
        for key, value in own.items():
            if known.setdefault(key, value) != value:
                raise _differ(f"--set {key}", known[key], value)
    values = list(dict.fromkeys(value for argument in given for value in argument.value))
    for argument in rows:
        argument._value = list(values)


def _differ(what: str, one: Any, other: Any) -> Exit:
    says = f"error: {what} is given twice with different values: {one} and {other}"
    return Exit(f"{says}\n  → one chain of tasks is about one deployment", code=int(ExitCode.WRONG_SETTING))


def _refuse_to_act(contexts: Iterable[ParserContext]) -> None:
    """`--dry` stops only Invoke's own commands, so a task without a dry run is refused."""
    acting = [str(context.name) for context in contexts if "dry_run" not in context.args]
    if acting:
        says = f"error: {', '.join(acting)} has no dry run: nothing was done\n  → leave out --dry"
        raise Exit(says, code=int(ExitCode.WRONG_SETTING))


@dataclass
class _Part:
    """A task of the chain, or what precedes the first one. `items`: options with their values, and single words."""

    name: str
    context: ParserContext | None
    items: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def names(self) -> list[tuple[str, ...]]:
        return [(self.name,)] if self.name else []

    def has(self, item: tuple[str, ...]) -> bool:
        return self.context is not None and _flag(item) in self.context.flags

    @property
    def waits_for_a_word(self) -> bool:
        words = [item for item in self.items if not _is_option(item[0])]
        return self.context is not None and len(words) < len(self.context.positional_args)


@dataclass(frozen=True)
class Grammar:
    """What a command line may contain: the tasks by name, and the options that belong to none of them."""

    tasks: Mapping[str, ParserContext]
    core: ParserContext
    words: Mapping[str, str] = field(default_factory=dict)  # by task: the option that a single word sets

    def in_place(self, words: Sequence[str]) -> list[str]:
        """Moves each option behind a task that has it; an option that no task has stays where it is."""
        end = list(words).index("--") if "--" in words else len(words)  # Invoke's: no task takes what follows
        parts = self._parts(words[:end])
        for part in list(parts):
            for item in [item for item in part.items if _is_option(item[0]) and not part.has(item)]:
                owners = [one for one in parts if one.has(item)]
                if _flag(item) in _OWN or (len(owners) > 1 and _flag(item) not in _SHARED_FLAGS):
                    continue  # ambiguous: the operator has to place it
                if owners:
                    part.items.remove(item)
                    owners[0].items.append(item)
        sorted_out = [word for part in parts for item in [*part.names, *part.items] for word in item]
        return sorted_out + list(words[end:])

    def unknown(self, words: Sequence[str]) -> tuple[str, str] | None:
        """The first unknown word, and the task before it ("" for none); None if every word is known."""
        for part in self._parts(words):
            left = 0 if part.context is None else len(part.context.positional_args)
            for item in part.items:
                if part.has(item) or _flag(item) in self.core.flags:
                    continue
                left -= 1
                if _is_option(item[0]) or left < 0:
                    return item[0], part.name
        return None

    def _parts(self, words: Sequence[str]) -> list[_Part]:
        parts, rest = [_Part("", None)], iter(words)
        for word in rest:
            part = parts[-1]
            if _is_option(word):
                part.items.append((word, *self._value(word, part, rest)))
            elif word in self.tasks and not part.waits_for_a_word:
                parts.append(_Part(word, self.tasks[word]))
            else:
                part.items.append(self._meant(word, part))
        return parts

    def _meant(self, word: str, part: _Part) -> tuple[str, ...]:
        option = self.words.get(part.name, "")
        is_given = any(_flag(item) == f"--{option}" for item in part.items)
        return (f"--{option}", word) if option and not is_given else (word,)

    def _value(self, word: str, part: _Part, rest: Iterator[str]) -> tuple[str, ...]:
        """The value of an option, as this task defines the option, else as any task does."""
        mine = [part.context] if part.context is not None and word in part.context.flags else []
        known = [one.flags[word] for one in mine or self.tasks.values() if word in one.flags]
        value = next(rest, None) if any(bool(flag.takes_value) for flag in known) else None
        return () if value is None else (value,)


def _flag(item: tuple[str, ...]) -> str:
    return item[0].partition("=")[0]


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"
