"""One request to the service itself, as its own clients send it: sent, waited for, and removed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass

import requests

from rollback_gate.errors import CommandFailed
from rollback_gate.evidence.answered import Answer, Answered
from rollback_gate.evidence.probe import filled
from rollback_gate.model import Unmeasured
from rollback_gate.platform import web
from rollback_gate.platform.commands import Runner
from rollback_gate.profile.answers import CommandRequest, HttpRequest
from rollback_gate.redaction import cut

_MOST_BYTES = 1 << 20
_NOT_FINE = 300
_POLL_S = 0.5
_LEAST_S = 1.0  # one that is cut off by the limit would take back what the last one has answered
_NOT_YET = 1
WHAT = "a request to the service"


@dataclass(frozen=True)
class Errand:
    """Sends one request. `request_id`: replaces `{id}`."""

    request_id: str
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    # --- over HTTP

    def over_http(self, wanted: HttpRequest) -> Answer:
        """Takes at most limit_s, and again for what is removed. Never raises."""
        until = self.clock() + wanted.limit_s
        asked = self._asked(wanted, wanted.url, wanted.method, until)
        found = asked if isinstance(asked, Unmeasured) else self._judged(wanted, asked, until)
        if not wanted.remove:
            return found
        removed = self._asked(wanted, wanted.remove, "DELETE", self.clock() + wanted.limit_s)
        if isinstance(found, Unmeasured):  # it may have arrived all the same
            return found
        failed = isinstance(removed, Unmeasured) or removed.status >= _NOT_FINE
        return Answered(found.is_fine, found.says, f"{self._filled(wanted.remove)} was not removed" if failed else "")

    def _judged(self, wanted: HttpRequest, answer: web.Answer, until: float) -> Answer:
        url = self._filled(wanted.url)
        says = f"{wanted.method} {url} answers {answer.status} {answer.reason}".rstrip()
        if answer.status >= _NOT_FINE and answer.status not in wanted.accepts:
            return Answered(False, says)
        if wanted.answer and not wanted.answer.search(answer.content.decode(errors="replace")):
            return Answered(False, f"{says}, and its text does not have {wanted.answer.pattern!r}")
        return self._polled(wanted, says, until) if wanted.done else Answered(True, says)

    def _polled(self, wanted: HttpRequest, says: str, until: float) -> Answer:
        last = ""
        while self.clock() < until:
            answer = self._asked(wanted, wanted.poll, "GET", until)
            if not isinstance(answer, Unmeasured):
                last = f"{answer.status} {cut(answer.content.decode(errors='replace'), 80)!r}"
                is_fine = answer.status < _NOT_FINE
                if is_fine and wanted.done and wanted.done.search(answer.content.decode(errors="replace")):
                    return Answered(True, f"{says}; then it is done")
            self.sleep(_POLL_S)
        if not last:
            return Unmeasured(WHAT, f"{says}; {self._filled(wanted.poll)} has not answered")
        return Answered(False, f"{says}; not done within {wanted.limit_s:g} s, the last answer: {last}")

    def _asked(self, wanted: HttpRequest, url: str, method: str, until: float) -> web.Answer | Unmeasured:
        has_body = method in ("POST", "PUT")
        headers = {"Content-Type": "application/json"} if has_body else {}
        body = json.dumps(filled(wanted.body, {"{id}": self.request_id})).encode() if has_body else None
        limit_s = max(until - self.clock(), 0.1)
        question = web.Question(
            self._filled(url), limit_s, _MOST_BYTES, by_proxy=False, method=method, body=body, headers=headers
        )
        try:
            return web.ask(question)
        except (requests.RequestException, OSError) as error:
            return Unmeasured(WHAT, f"{method} {self._filled(url)} cannot be asked ({type(error).__name__})")

    def _filled(self, url: str) -> str:
        return url.replace("{id}", self.request_id)

    # --- by commands

    def by_command(self, wanted: CommandRequest, runner: Runner) -> Answer:
        """Takes at most limit_s, and again for `clean`. Never raises."""
        until = self.clock() + wanted.limit_s
        found = self._sent(wanted, runner, until)
        _, left = self._run(wanted.clean, runner, wanted.limit_s) if wanted.clean else (0, "")
        return found if isinstance(found, Unmeasured) else Answered(found.is_fine, found.says, left)

    def _sent(self, wanted: CommandRequest, runner: Runner, until: float) -> Answer:
        _, said = self._run(wanted.send, runner, wanted.limit_s)
        if said:
            return Unmeasured(WHAT, said)
        return self._waited(wanted, runner, until) if wanted.done else Answered(True, f"`{shlex.join(wanted.send)}`")

    def _waited(self, wanted: CommandRequest, runner: Runner, until: float) -> Answer:
        """Exit status 1 says "not yet"; any other that it could not be asked, which is no answer."""
        status, said, least_s = None, "it was never asked", 0.0
        while (left_s := until - self.clock()) > least_s:
            began = self.clock()
            status, said = self._run(wanted.done, runner, left_s)
            least_s = max(_LEAST_S, least_s, self.clock() - began)
            if not said:
                return Answered(True, f"`{shlex.join(wanted.send)}`; then it is done")
            self.sleep(_POLL_S)
        if status != _NOT_YET:
            return Unmeasured(WHAT, said)
        return Answered(False, f"not done within {wanted.limit_s:g} s: {said}")

    def _run(self, argv: tuple[str, ...], runner: Runner, limit_s: float) -> tuple[int | None, str]:
        """The exit status, None for none; and what went wrong, "" for nothing."""
        command = tuple(part.replace("{id}", self.request_id) for part in argv)
        try:
            runner(command, timeout_s=limit_s)
        except CommandFailed as error:
            last = cut((error.output.strip().splitlines() or ["it printed nothing"])[-1], 200)
            return error.exit_status, f"`{shlex.join(command)}` {error.status}: {last}"
        return 0, ""


def sent(
    wanted: HttpRequest | CommandRequest, errand: Errand, runner_for: Callable[[CommandRequest], Runner]
) -> Answer:
    """What came of the request."""
    if isinstance(wanted, HttpRequest):
        return errand.over_http(wanted)
    return errand.by_command(wanted, runner_for(wanted))
