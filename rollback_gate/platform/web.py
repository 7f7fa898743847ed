"""The only HTTP client: it limits total time and total size.

A client's own timeout counts from one byte to the next: a server that sends one byte per second never exceeds it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests
import urllib3

_PART_BYTES = 1 << 16


class NotWhole(requests.RequestException):
    """The answer was incomplete at the time limit, or exceeds the size limit."""


@dataclass(frozen=True)
class Answer:
    status: int
    reason: str
    content: bytes


@dataclass(frozen=True)
class Question:
    """`limit_s`: for the whole answer. `by_proxy`: use the environment's proxy; never for the deployment's services."""

    url: str
    limit_s: float
    most_bytes: int
    by_proxy: bool
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def ask(question: Question) -> Answer:
    """Raises requests.RequestException or OSError; NotWhole if the answer is too slow or too large."""
    asking = _Asking(question)
    thread = threading.Thread(target=asking.run, daemon=True)  # abandoned if it still reads slow headers
    thread.start()
    thread.join(question.limit_s)
    asking.is_over.set()
    if asking.error is not None:
        raise asking.error
    if asking.answer is None:
        raise NotWhole(f"no whole answer within {question.limit_s:g} s")
    return asking.answer


class _Asking:
    def __init__(self, question: Question) -> None:
        self.question = question
        self.is_over = threading.Event()
        self.answer: Answer | None = None
        self.error: requests.RequestException | OSError | None = None

    def run(self) -> None:
        try:
            self.answer = self._read()
        except (requests.RequestException, OSError) as error:
            self.error = error
        except urllib3.exceptions.HTTPError as error:
            self.error = requests.ConnectionError(f"{type(error).__name__}: the answer broke off")
        except ValueError as error:  # not a valid address
            self.error = requests.exceptions.InvalidURL(type(error).__name__)

    def _read(self) -> Answer:
        wanted = self.question
        with requests.Session() as session:
            session.trust_env = wanted.by_proxy
            with session.request(
                wanted.method, wanted.url, params=wanted.query, data=wanted.body, timeout=wanted.limit_s, stream=True
            ) as answer:
                content = b""
                while part := answer.raw.read1(_PART_BYTES, decode_content=True):
                    content += part
                    if len(content) > wanted.most_bytes:
                        raise NotWhole(f"it is larger than {wanted.most_bytes >> 20} MB")
                    if self.is_over.is_set():
                        raise NotWhole("nobody waits for it any more")
                return Answer(answer.status_code, answer.reason or "", content)
