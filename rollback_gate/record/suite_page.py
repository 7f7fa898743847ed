"""pytest-html's part of a page, made readable on a phone, in the dark and by a screen reader. Pure.

Plain replacements in what a pinned pytest-html writes; tests/e2e/test_browser.py notices when one of them is no more.
"""

from __future__ import annotations

import re

_LABELLED = re.compile(r'data-test-result="(\w+)"')


def head(text: str) -> str:
    """All before our own part. Ours has the page's heading; the page itself gets a language and a width."""
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
    text = text.replace("<html>", '<html lang="en">', 1).replace("<body>", "<body><main>", 1)
    text = text.replace('<meta charset="utf-8"/>', f'<meta charset="utf-8"/>{viewport}', 1)
    return text.replace('<h1 id="title">', '<div id="title">', 1).replace("</h1>", "</div>", 1)


def tail(text: str) -> str:
    """All behind our own part."""
    text = _LABELLED.sub(r'data-test-result="\1" aria-label="show \1"', text)
    return text.replace("<footer>", "</main><footer>", 1)
