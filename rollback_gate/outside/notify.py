"""Delivers messages by the profile's command, and to services through apprise. Nothing here raises.

All services are notified at once in the background: a slow one delays neither the others nor a rollback.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from rollback_gate.errors import CommandFailed
from rollback_gate.outside.messages import Rendered
from rollback_gate.platform.commands import Runner
from rollback_gate.profile.afterwards import Messages

SERVICES_VARIABLE = "ROLLBACK_GATE_NOTIFY"
_DELIVERED = "delivered"
_PARTS = re.compile(r"[/:@?&=#,]+")
_TOKEN = re.compile(r"(?=.*[0-9])(?=.*[A-Z])(?=.*[a-z])[\w+.-]{16,}|[0-9a-fA-F-]{32,}")
# What apprise logs of a failure without any part of the URL; its other lines may hold some.
_STATUS = re.compile(r"\berror=(?P<status>[0-9]{3})\b")
_NO_CONNECTION = re.compile(r"\bA Connection error occurr?ed\b")


@dataclass(frozen=True)
class Channel:
    """`send` gets the message, and the files for services that take files; it returns the outcome."""

    name: str
    send: Callable[[Rendered, tuple[Path, ...]], str]


class Sending:
    """One message on its way to all channels. `limit_s`: time limit for each, from now on."""

    def __init__(self, channels: Iterable[Channel], message: Rendered, files: tuple[Path, ...], limit_s: float) -> None:
        self._limit_s, self._deadline = limit_s, time.monotonic() + limit_s
        self._says: dict[int, str] = {}
        self._channels = list(channels)
        self._threads = [
            threading.Thread(target=self._send, args=(number, channel, message, files), daemon=True)
            for number, channel in enumerate(self._channels)
        ]
        for thread in self._threads:
            thread.start()

    def outcomes(self) -> list[tuple[str, str]]:
        """Name and outcome of each channel. Waits until the deadline, then abandons channels that hang."""
        for thread in self._threads:
            thread.join(max(0.0, self._deadline - time.monotonic()) + 0.5)
        late = f"not known whether it was delivered: no answer within {self._limit_s:g} s"
        return [(channel.name, self._says.get(number, late)) for number, channel in enumerate(self._channels)]

    def _send(self, number: int, channel: Channel, message: Rendered, files: tuple[Path, ...]) -> None:
        try:
            self._says[number] = channel.send(message, files)
        except Exception as error:  # noqa: BLE001 - whatever a service's plugin does, the others and the rollback go on
            self._says[number] = f"not delivered: {type(error).__name__}"


def was_delivered(outcome: str) -> bool:
    """True if an outcome of a Sending reports that a service took the message."""
    return outcome.startswith(_DELIVERED)


def channels(settings: Messages, environ: Mapping[str, str], runner: Runner) -> list[Channel]:
    """The profile's command, then the services from the environment."""
    found = [_by_command(settings, runner)] if settings.command else []
    return found + [_by_apprise(url) for url in urls_in(environ)]


def urls_in(environ: Mapping[str, str]) -> list[str]:
    """Apprise URLs, separated by white space: they hold secrets, so no file of the project contains them."""
    return environ.get(SERVICES_VARIABLE, "").split()


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """The URLs, their passwords, and each part that is surely a token; a channel's name is needed in records."""
    parts = [part for url in urls_in(environ) for part in _PARTS.split(url.partition("://")[2])[1:]]
    passwords = [_password_in(url) for url in urls_in(environ)]
    return [*urls_in(environ), *filter(None, passwords), *(part for part in parts if _TOKEN.fullmatch(part))]


def _password_in(url: str) -> str:
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""  # not a URL: apprise rejects it too


def _by_command(settings: Messages, runner: Runner) -> Channel:
    name = Path(settings.command[0]).name

    def send(message: Rendered, _: tuple[Path, ...]) -> str:
        try:
            runner(settings.command, timeout_s=settings.limit_s, text=message.text)
        except CommandFailed as error:  # its arguments and output may hold a webhook's secret
            return f"not delivered: {settings.command[0]} {error.status}"
        return f"{_DELIVERED} by {settings.command[0]}"

    return Channel(name, send)


def _by_apprise(url: str) -> Channel:
    try:
        import apprise  # takes 0.5 s: only if it is used

        _silence()
        service: Any = apprise.Apprise.instantiate(url)
    except Exception as error:  # noqa: BLE001 - a plugin that cannot even be made must not stop a rollback
        trouble = type(error).__name__
        return Channel("apprise", lambda *_: f"not delivered: {trouble} while the service was set up")
    if service is None:
        scheme = url.partition("://")[0] if "://" in url else "an entry without ://"
        return Channel(scheme, lambda *_: "not delivered: apprise does not take this URL, or a plugin is missing")

    def send(message: Rendered, files: tuple[Path, ...]) -> str:
        takes_files = bool(service.attachment_support)
        attachment = apprise.AppriseAttachment([str(file) for file in files]) if files and takes_files else None
        through = apprise.Apprise(service)  # a service alone would send plain text as HTML
        text = apprise.NotifyFormat.TEXT
        done = through.notify(body=message.body, title=message.subject, body_format=text, attach=attachment)
        if not done:
            return f"not delivered: {_why(entry.message for entry in done.logs())}"
        return _DELIVERED + (", with the record" if attachment else "")

    return Channel(str(service.service_name or service.schemas), send)


def _why(lines: Iterable[str]) -> str:
    """The cause from apprise's log. Never a line of it: many hold the address with its key."""
    text = " ".join(lines)
    if status := _STATUS.search(text):
        return f"the service answered {status['status']}"
    return "no connection to the service" if _NO_CONNECTION.search(text) else "the service did not take it"


def _silence() -> None:
    """Silences apprise's own log: Python would print it to stderr, with addresses."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
