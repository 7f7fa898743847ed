"""The only HTTP client: it limits total time and total size."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests
import urllib3

from rollback_gate.platform.deadline import late, within

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
    """`limit_s`: for the whole answer. `by_proxy`: use the environment's proxy; never for the deployment's services.

    `login`: user and password, for basic authentication. `follows`: redirections; an address of the deployment that
    redirects is not the one that was meant.
    """

    url: str
    limit_s: float
    most_bytes: int
    by_proxy: bool
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    login: tuple[str, str] | None = field(default=None, repr=False)
    follows: bool = False


def ask(question: Question) -> Answer:
    """Raises requests.RequestException or OSError; NotWhole if the answer is too slow or too large."""
    is_over = threading.Event()
    try:
        return within(question.limit_s, lambda: _read(question, is_over), is_over)
    except TimeoutError as error:
        raise NotWhole(str(error)) from error
    except requests.ReadTimeout as error:  # the same limit, noticed by the socket first
        raise NotWhole(late(question.limit_s)) from error
    except (requests.RequestException, OSError):
        raise
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(f"{type(error).__name__}: the answer broke off") from error
    except ValueError as error:  # not a valid address
        raise requests.exceptions.InvalidURL(type(error).__name__) from error


def _read(wanted: Question, is_over: threading.Event) -> Answer:
    with requests.Session() as session:
        session.trust_env = wanted.by_proxy
        with session.request(
            wanted.method,
            wanted.url,
            params=wanted.query,
            data=wanted.body,
            headers=dict(wanted.headers),
            auth=wanted.login,
            timeout=wanted.limit_s,
            stream=True,
            allow_redirects=wanted.follows,
        ) as answer:
            content = b""
            while part := answer.raw.read1(_PART_BYTES, decode_content=True):
                content += part
                if len(content) > wanted.most_bytes:
                    raise NotWhole(f"it is larger than {wanted.most_bytes >> 20} MB")
                if is_over.is_set():
                    raise NotWhole("nobody waits for it any more")
            return Answer(answer.status_code, answer.reason or "", content)
