"""Sections on what a service itself answers: when it is ready, a request to it, and a metric of it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from rollback_gate.profile.base import Address, Name, Section, Url

Argv = Annotated[tuple[str, ...], Field(min_length=1)]
Limit = Annotated[float, Field(gt=0, le=86_400)]
Template = Annotated[str, Field(pattern=r"^(|https?://[^@\s]+)$")]


class ReadyLog(Section):
    """Each replica has logged a line like this since its start."""

    kind: Literal["log"]
    pattern: re.Pattern[str]


class ReadyHealth(Section):
    """The health check of each replica passes."""

    kind: Literal["health"]


class ReadyHttp(Section):
    """One GET is answered with a status below 300, or with one of `accepts`."""

    kind: Literal["http"]
    url: Url
    accepts: tuple[Annotated[int, Field(ge=300, le=599)], ...] = ()
    answer_s: Limit = 5


class ReadyTcp(Section):
    """A connection is taken, which proves little: a port that Docker publishes takes them before the service does."""

    kind: Literal["tcp"]
    address: Address
    answer_s: Limit = 5


Ready = Annotated[ReadyLog | ReadyHealth | ReadyHttp | ReadyTcp, Field(discriminator="kind")]


class _Request(Section):
    """`{id}` is replaced by a text that begins with `rollback-probe-`, at every depth. `limit_s`: until it is done."""

    limit_s: Limit = 60


class HttpRequest(_Request):
    """A request as the team's own clients send it. `url`, `method`, `body` (JSON), `accepts` as for ready.

    `answer`: a pattern that the answer must have. `poll`: a URL that is asked until its answer has `done`; `remove`: a
    URL that gets a DELETE at the end, so that nothing is left behind.
    """

    kind: Literal["http"]
    url: Template
    method: Literal["GET", "POST", "PUT"] = "POST"
    body: dict[str, Any] = Field(default_factory=dict)
    accepts: tuple[Annotated[int, Field(ge=300, le=599)], ...] = ()
    answer: re.Pattern[str] | None = None
    poll: Template = ""
    done: re.Pattern[str] | None = None
    remove: Template = ""

    @model_validator(mode="after")
    def _can_fail(self) -> Self:
        if not self.url:
            raise ValueError("url must not be empty")
        if bool(self.poll) != bool(self.done):
            raise ValueError("poll and done belong together: the answer of poll must have done")
        return self


class CommandRequest(_Request):
    """Commands of one's own. `send`: exit status 0 if it was sent; `done`: asked until its exit status is 0, and 1 as
    long as it is not; any other says that it could not be asked. `clean`: removes what it left, whatever came of it.
    `variables`: of the environment, in addition to the standard ones.
    """

    kind: Literal["command"]
    send: Argv
    done: tuple[str, ...] = ()
    clean: tuple[str, ...] = ()
    variables: tuple[Name, ...] = ()


Request = Annotated[HttpRequest | CommandRequest, Field(discriminator="kind")]


class _Metric(Section):
    """One number, read at the end of verify. `name`, `unit`: as messages call it.

    `low`, `high`: the band in which it must lie. `critical_below`, `critical_above`: beyond it is NO-GO. `changed`: the
    change's own level, within `changed_tolerance`: NO-GO with a sign of the change. `answer_s`: limit of the answer.
    """

    name: str = Field(min_length=1)
    unit: str = ""
    low: float
    high: float
    critical_below: float | None = None
    critical_above: float | None = None
    changed: float | None = None
    changed_tolerance: float = Field(default=0, ge=0)
    answer_s: Limit = 5

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if not self.low <= self.high:
            raise ValueError("low must not be above high")
        if self.critical_below is not None and self.critical_below > self.low:
            raise ValueError("critical_below must not be above low")
        if self.critical_above is not None and self.critical_above < self.high:
            raise ValueError("critical_above must not be below high")
        if self.changed is not None and self.low <= self.changed <= self.high:
            raise ValueError("changed must lie outside the band: what lies in it tells nothing")
        return self


class PrometheusMetric(_Metric):
    """An instant query that gives one sample. It must hold `{since_s}`, the whole seconds since the boundary:
    `rate(x[{since_s}s])`.
    """

    kind: Literal["prometheus"]
    address: Address
    query: str = Field(pattern=r"\{since_s\}")


class HttpMetric(_Metric):
    """A GET that answers JSON. `path`: dotted, to the number; a number in it is the place in a list. It must be a value
    of the running processes: one that is older than the boundary cannot be told.
    """

    kind: Literal["http"]
    url: Url
    path: str = ""


class CommandMetric(_Metric):
    """A command that prints one number. It must have `{since}`, the boundary. `variables`: as for a request."""

    kind: Literal["command"]
    command: Argv
    variables: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _is_since_the_boundary(self) -> Self:
        if not any("{since}" in part for part in self.command):
            raise ValueError("command must have {since}: a number of before the rollback would be judged")
        return self


Metric = Annotated[PrometheusMetric | HttpMetric | CommandMetric, Field(discriminator="kind")]
