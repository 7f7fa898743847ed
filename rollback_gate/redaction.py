"""Secrets never reach output: the one place where text is cleaned."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

import markupsafe

MASK = "[redacted]"
# user:password@ in any URL, whoever's it is: a log may hold credentials that this process was never told.
# The password part may itself hold @ and /: everything up to the last @ before white space or a quote is taken.
_URL_CREDENTIALS = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^\s\"'<>:/@]*:[^\s\"'<>]*@", re.IGNORECASE)
# password=..., "token": "...", Authorization: Bearer ...: of a service that logs its own settings.
_NAMED = re.compile(
    r"(?P<name>\b[\w-]*(?:password|passwd|secret|token|api[_-]?key)[\"']?\s*[=:]\s*[\"']?"
    r"|\bauthorization[\"']?\s*[=:]\s*[\"']?(?:bearer|basic)\s+)(?P<value>(?!\$[{A-Za-z_])[^\s\"'<>,;&\\]{4,})",
    re.IGNORECASE,
)
_SHORTEST = 4


class Redactor:
    """Replaces the given secrets, in each form in which they can appear, and those that their name or place shows."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def text(self, value: str) -> str:
        if self._secrets:
            value = self._secrets.sub(MASK, value)
        value = _URL_CREDENTIALS.sub(rf"\g<scheme>{MASK}@", value)
        return _NAMED.sub(rf"\g<name>{MASK}", value)

    def value(self, value: Any) -> Any:
        """The same for every string inside lists, tuples and dictionaries, their keys too, and what a key names."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self._named(key, item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.value(item) for item in value)
        return value

    def _named(self, key: Any, item: Any) -> Any:
        is_secret = isinstance(key, str) and isinstance(item, str) and _NAMED.fullmatch(f"{key}={item}")
        return MASK if is_secret else self.value(item)


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
