"""Values in the files that configure containers: env files and YAML. Pure; every other byte stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import yaml

from rollback_gate.errors import Refused

_YAML = (".yml", ".yaml")
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?(?P<key>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*(?P<value>.*)$")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_WORD = re.compile(r"^[A-Za-z_/.$][^#]*$")
_NEEDS_QUOTES = re.compile(r"""[\s#'"\\`]""")


class Place(NamedTuple):
    """Where a value is written: `text[start:end]`. `line`: where its entry begins.

    `quoting`: what a new value may need: "env" or "yaml"; "" where it stands between quotes or in a list already.
    `is_alone`: its entry can be removed as whole lines.
    """

    start: int
    end: int
    value: str
    quoting: str
    line: int
    is_alone: bool = True


def value_in(data: bytes, path: str, key: str, is_literal: bool = False) -> str | None:
    """The value of `key` in the file, as it is written there, without quotes; None if it is not set.

    `key`: a name in an env file; in YAML the path to it (`services.api.environment.TIMEOUT`). `is_literal`: all that
    follows the sign in an env file is the value, as `docker stack deploy` has it. Raises Refused.
    """
    found = _place(_text(data), path, key, is_literal)
    return None if found is None else found.value


def with_value(data: bytes, path: str, key: str, value: str | None, is_literal: bool = False) -> bytes:
    """The file with another value of `key`; None removes its entry. Raises Refused, also if there is no such key."""
    text = _text(data)
    place = _place(text, path, key, is_literal)
    if place is None:
        raise Refused(f"{path} does not set {key}", "correct the item's file and key; `docker compose config` helps")
    made = _without(text, path, key, place) if value is None else _replaced(text, place, value)
    result = made.encode(errors="surrogateescape")
    if value_in(result, path, key, is_literal) != value:
        says = f"the old value of {key} cannot be written into {path} as it stands there"
        raise Refused(says, "put quotes around the present value in the file, then try again")
    return result


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _replaced(text: str, place: Place, value: str) -> str:
    return text[: place.start] + _as_written(value, place) + text[place.end :]


def _as_written(value: str, place: Place) -> str:
    """As it must be written to be taken as this text. Variables in it (`${A}`) stay what they are."""
    if place.quoting == "yaml" and not _is_taken_as_it_is(value):
        return "'" + value.replace("'", "''") + "'"
    if place.quoting == "env" and _NEEDS_QUOTES.search(value):
        return f'"{value}"' if "$" in value else f"'{value}'"
    return value


def _is_taken_as_it_is(text: str) -> bool:
    """True if YAML reads this text without quotes, and Compose makes the same text of it: 012 is 10, and 1.0 is 1."""
    try:
        node = yaml.compose(f"key: {text}", Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return False
    value = node.value[0][1] if isinstance(node, yaml.MappingNode) else None
    if not isinstance(value, yaml.ScalarNode) or value.style is not None or value.value != text:
        return False
    is_number = value.tag == "tag:yaml.org,2002:int" and text == str(int(text) if text.isdecimal() else "")
    # Compose reads another version of YAML, in which 1e3 is a number: what is not a plain word gets quotes.
    return is_number or (value.tag == "tag:yaml.org,2002:str" and bool(_WORD.match(text)))


def _without(text: str, path: str, key: str, place: Place) -> str:
    if not place.is_alone:
        says = f"the entry of {key} in {path} cannot be removed alone: it shares its line, or is the only one"
        raise Refused(says, "write it on a line of its own, beside others, then try again")
    begin = text.rfind("\n", 0, place.line) + 1
    newline = text.find("\n", place.end)
    return text[:begin] + ("" if newline < 0 else text[newline + 1 :])


def _place(text: str, path: str, key: str, is_literal: bool) -> Place | None:
    if PurePosixPath(path).suffix in _YAML:
        return _in_yaml(text, path, key)
    found = list(_in_env(text, path, key, is_literal))
    if len(found) > 1:
        raise Refused(f"{path} sets {key} {len(found)} times", "leave the one that counts, the last, then try again")
    return found[0] if found else None


# --- env files


def _in_env(text: str, path: str, key: str, is_literal: bool) -> Iterator[Place]:
    at = 0
    for line in text.split("\n"):
        match = _ASSIGNMENT.match(line.rstrip("\r"))
        if match and match["key"] == key and not line.lstrip().startswith("#"):
            if is_literal:
                value = line.rstrip("\r").partition("=")[2]
                start = at + line.index("=") + 1
                yield Place(start, start + len(value), value, "", at)
            else:
                yield _assigned(match["value"], at + match.start("value"), at, path, key)
        at += len(line) + 1


def _assigned(rest: str, start: int, line: int, path: str, key: str) -> Place:
    quote = rest[:1] if rest[:1] in ("'", '"') else ""
    if not quote:
        value = _COMMENT.sub("", rest).rstrip()
        return Place(start, start + len(value), value, "env", line)
    end = rest.find(quote, 1)
    if end < 0 or "\\" in rest[1:end]:
        says = f"the value of {key} in {path} has escapes, or more than one line"
        raise Refused(says, "write it in one line and without backslashes, then try again")
    return Place(start + 1, start + end, rest[1:end], "", line)


# --- YAML


def _in_yaml(text: str, path: str, key: str) -> Place | None:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise Refused(f"{path} is not YAML: {error}", "correct it: Compose could not read it either") from error
    return None if root is None else _below(text, root, key.split("."), f"{key} in {path}")


def _below(text: str, node: yaml.Node, parts: list[str], what: str) -> Place | None:
    if isinstance(node, yaml.SequenceNode):
        return _element(text, node, ".".join(parts), what)
    if not isinstance(node, yaml.MappingNode):
        return None
    entries = {str(name.value): (name, value) for name, value in node.value}
    for count in range(len(parts), 0, -1):  # a name may hold dots itself
        name, value = entries.get(".".join(parts[:count]), (None, None))
        if name is None or value is None:
            continue
        _refuse_alias(node, value, what)
        if rest := parts[count:]:
            return _below(text, value, rest, what)
        return _value(text, name, value, not node.flow_style and len(entries) > 1, what)
    return None


def _refuse_alias(parent: yaml.Node, child: yaml.Node, what: str) -> None:
    """An alias leads to text elsewhere, which other services may share."""
    if not parent.start_mark.index <= child.start_mark.index <= parent.end_mark.index:
        raise Refused(f"{what} is written through a YAML alias", "write it out at its own place, then try again")


def _value(text: str, name: yaml.Node, value: yaml.Node, is_alone: bool, what: str) -> Place:
    start, end = value.start_mark.index, value.end_mark.index
    raw, line = text[start:end], name.start_mark.index
    if isinstance(value, yaml.ScalarNode) and raw == value.value:
        return Place(start, end, raw, "yaml", line, is_alone)
    if isinstance(value, yaml.ScalarNode) and raw[1:-1] == value.value and value.style in ("'", '"'):
        return Place(start + 1, end - 1, value.value, "", line, is_alone)
    raise Refused(f"{what} is not a value in one line, without escapes or an anchor", "write it so, then try again")


def _element(text: str, node: yaml.SequenceNode, key: str, what: str) -> Place | None:
    """An element `NAME=value` of a list, as environments are often written."""
    for one in node.value:
        if isinstance(one, yaml.ScalarNode) and one.value.partition("=")[0] == key and "=" in one.value:
            value = one.value.partition("=")[2]
            begin = one.start_mark.index
            start = text.index("=", begin) + 1
            if text[start : start + len(value)] != value:
                raise Refused(f"{what} has escapes or an anchor", "write it without, then try again")
            is_alone = not node.flow_style and len(node.value) > 1
            return Place(start, start + len(value), value, "", begin, is_alone)
    return None
