"""Record text for other markup: one line, escaped, with no active markup, mention, link or HTML. Pure."""

from __future__ import annotations

import re
from typing import Any

from rollback_gate.record import seal

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~@$])")
_WIKI = re.compile(r"([\\{}\[\]!|*_~^+?@-])")
_NO_LINK = ":\u200b//"


def in_markdown(text: Any) -> str:
    escaped = _line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", escaped).replace("://", _NO_LINK)


def in_wiki(text: Any) -> str:
    """Jira's own markup."""
    return _WIKI.sub(r"\\\1", _line(text)).replace("://", _NO_LINK)


def _line(text: Any) -> str:
    return " ".join(str(seal.printable(str(text))).split())
