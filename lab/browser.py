"""Debian's chromium, driven by playwright: what a page shows, what it fetches, and what axe finds in it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

_ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]
_OWN = ("file:", "data:", "blob:")
_AXE_S = 120  # page.evaluate has no time limit


@dataclass
class Seen:
    """`errors`: from the console and from scripts; `outside`: other addresses that the page requested."""

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: set[str] = field(default_factory=set)

    @property
    def width(self) -> int:
        return int(self.page.evaluate("() => document.documentElement.scrollWidth"))

    @property
    def background(self) -> str:
        return str(self.page.evaluate("() => getComputedStyle(document.body).backgroundColor"))

    def violations(self) -> list[str]:
        """Violations of axe's rules, with the elements. Do not call without JavaScript: it would wait forever."""
        self.page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
        signal.alarm(_AXE_S)
        try:
            found: Any = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        finally:
            signal.alarm(0)
        return [f"{row['id']}: {node['target']}" for row in found["violations"] for node in row["nodes"]]


@contextmanager
def started() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", chromium_sandbox=False, args=_ARGUMENTS
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def shown(browser: Browser, path: Path, width: int = 1280, **options: Any) -> Iterator[Seen]:
    context: BrowserContext = browser.new_context(viewport={"width": width, "height": 900}, **options)
    try:
        page = context.new_page()
        seen = Seen(page)
        context.on("request", lambda request: None if request.url.startswith(_OWN) else seen.outside.add(request.url))
        context.on("console", lambda line: seen.errors.append(line.text) if line.type == "error" else None)
        context.on("weberror", lambda error: seen.errors.append(str(error.error)))
        page.on("websocket", lambda socket: seen.outside.add(socket.url))
        page.set_default_timeout(20_000)
        page.goto(path.resolve().as_uri())
        yield seen
    finally:
        context.close()
