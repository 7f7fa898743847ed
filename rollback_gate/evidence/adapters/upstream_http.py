"""An upstream over HTTP: one GET, judged by its status and its text."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests

from rollback_gate.evidence.readings import UpstreamReading, UpstreamState
from rollback_gate.platform import web
from rollback_gate.profile.systems import HttpUpstream
from rollback_gate.redaction import cut

_MOST_BYTES = 1 << 20
_NOT_FINE = 300


def read(upstream: HttpUpstream, clock: Callable[[], float] = time.monotonic) -> UpstreamReading:
    """Takes at most upstream.answer_s. Never raises."""
    began = clock()
    # No proxy: the address is this deployment's own.
    question = web.Question(upstream.url, upstream.answer_s, _MOST_BYTES, by_proxy=False)
    try:
        answer = web.ask(question)
    except (web.NotWhole, requests.Timeout) as error:
        said = str(error) if isinstance(error, web.NotWhole) else f"no answer within {upstream.answer_s:g} s"
        return UpstreamReading(UpstreamState.SILENT, f"{upstream.url}: {said}", upstream.name)
    except (requests.RequestException, OSError) as error:
        says = f"{upstream.url} cannot be asked ({type(error).__name__})"
        return UpstreamReading(UpstreamState.REFUSES, says, upstream.name)
    return _judged(upstream, answer, clock() - began)


def _judged(upstream: HttpUpstream, answer: web.Answer, seconds: float) -> UpstreamReading:
    says = f"{upstream.url} answers {answer.status} {answer.reason}".rstrip()
    if answer.status >= _NOT_FINE and answer.status not in upstream.accepts:
        return UpstreamReading(UpstreamState.IN_TROUBLE, says, upstream.name)
    found = upstream.trouble.search(answer.content.decode(errors="replace")) if upstream.trouble else None
    if found:
        says += f", and its text has {cut(found[0], 80)!r}"
        return UpstreamReading(UpstreamState.IN_TROUBLE, says, upstream.name)
    return UpstreamReading(UpstreamState.ANSWERS, f"{says} in {seconds:.2f} s", upstream.name)
