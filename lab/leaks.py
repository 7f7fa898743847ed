"""Search finished files for planted secrets, in plain and decoded form."""

from __future__ import annotations

import base64
import contextlib
import html
import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from pathlib import Path


def leaks(texts: Mapping[str, str], planted: Iterable[str]) -> list[str]:
    """Names of the texts in which a planted secret can be read."""
    secrets = tuple(planted)
    return [
        where for where, text in texts.items() if any(secret in form for form in decoded(text) for secret in secrets)
    ]


def files(*folders: Path, but: frozenset[str] = frozenset()) -> dict[str, str]:
    """Every file below the folders as text; `but`: names of folders to leave out."""
    return {
        str(path): path.read_text(errors="replace")
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not but & set(path.parts)
    }


def decoded(text: str) -> list[str]:
    """The text as it is, and with entities, JSON, URLs and base64 decoded."""
    unescaped = html.unescape(html.unescape(text))
    plain = [text, unescaped, urllib.parse.unquote_plus(unescaped), unescaped.replace('\\"', '"').replace("\\/", "/")]
    for blob in re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", text):
        with contextlib.suppress(ValueError):
            plain.append(base64.b64decode(blob + "==").decode(errors="replace"))
    with contextlib.suppress(ValueError):
        plain.append(str(json.loads(text)))
    return plain
