"""Keeps secrets out of all output: the only place where text is redacted."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

import markupsafe

MASK = "[redacted]"
# Every pattern here must be linear in the length of any text: a log may hold anything, and a rollback waits for it.
# So none begins with a repetition, and credentials in a URL are searched word by word.
_WORD = re.compile(r"[^\s\"'<>]+")
_USER = re.compile(r"[^:/]*")  # for mail services it is an address
# password=..., "token": "...", Authorization: Bearer ...: from a service that logs its own settings.
_KEY = r"(?:password|passwd|secret|token|api[_-]?key)"
_VALUE = r"(?!\$[{A-Za-z_])[^\s\"'<>,;&\\]{4,}"
_NAMED = re.compile(
    rf"(?P<name>{_KEY}[\"']?\s*[=:]\s*[\"']?|authorization[\"']?\s*[=:]\s*[\"']?(?:bearer|basic)\s+){_VALUE}",
    re.IGNORECASE,
)
_IS_KEY = re.compile(rf"{_KEY}$", re.IGNORECASE)
_IS_VALUE = re.compile(_VALUE)
_SHORTEST = 4
_CUT = "…"


class Redactor:
    """Replaces the given secrets in every form they can take, and values whose name or place marks them as secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def text(self, value: str) -> str:
        if self._secrets:
            value = self._secrets.sub(MASK, value)
        if "://" in value and "@" in value:
            value = _WORD.sub(_without_credentials, value)
        return _NAMED.sub(rf"\g<name>{MASK}", value)

    def value(self, value: Any) -> Any:
        """The same for all strings in lists, tuples and dictionaries, keys too, and values marked by their key."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self._named(key, item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.value(item) for item in value)
        return value

    def _named(self, key: Any, item: Any) -> Any:
        is_text = isinstance(key, str) and isinstance(item, str)
        return MASK if is_text and _IS_KEY.search(key) and _IS_VALUE.fullmatch(item) else self.value(item)


def _without_credentials(word: re.Match[str]) -> str:
    """Masks user:password@ in any URL: a log may hold credentials that this process does not have.

    The password may itself hold @ and /: everything up to the last @ of the word is masked.
    """
    text = word[0]
    begin, end = text.find("://"), text.rfind("@")
    while 0 <= begin < end:
        user = _USER.match(text, begin + 3)
        after = user.end() if user else len(text)
        is_scheme = begin > 0 and (text[begin - 1].isalnum() or text[begin - 1] in "+.-")
        if is_scheme and after < end and text[after] == ":":
            return f"{text[:begin]}://{MASK}@{text[end + 1 :]}"
        begin = text.find("://", begin + 3)
    return text


def cut(text: str, longest: int) -> str:
    """At most `longest` characters, without cutting a word: part of a secret would not be recognised."""
    if len(text) <= longest:
        return text
    end = longest - len(_CUT)
    while end > 0 and not (text[end].isspace() or text[end - 1].isspace()):
        end -= 1
    return f"{text[:end].rstrip()}{_CUT}"


def _forms(secret: str) -> set[str]:
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        str(markupsafe.escape(secret)),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    }
