"""The metric of check 4 that is not the documents' score: one number, with where it comes from."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable
from typing import Any

import requests

from rollback_gate.errors import CommandFailed
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform import web
from rollback_gate.platform.commands import Runner
from rollback_gate.profile.answers import CommandMetric, HttpMetric, PrometheusMetric
from rollback_gate.redaction import cut

_MOST_BYTES = 1 << 20
_FINE = 200

Metric = PrometheusMetric | HttpMetric | CommandMetric


def read(
    metric: Metric, since: Instant | None, now: Instant, runner_for: Callable[[CommandMetric], Runner]
) -> float | Unmeasured:
    """The number now. `since`: the boundary. Takes at most metric.answer_s. Never raises."""
    if since is None:
        return Unmeasured(metric.name, "since when is not known: no replica has started")
    match metric:
        case PrometheusMetric():
            return _of_prometheus(metric, max(1, math.ceil(now.seconds_since(since))))
        case HttpMetric():
            answer = _json_of(metric, web.Question(metric.url, metric.answer_s, _MOST_BYTES, by_proxy=False))
            return answer if isinstance(answer, Unmeasured) else _at(metric, answer)
        case metric:
            return _of_command(metric, since, runner_for(metric))


def _of_prometheus(metric: PrometheusMetric, since_s: int) -> float | Unmeasured:
    query = {"query": metric.query.replace("{since_s}", str(since_s))}
    url = f"http://{metric.address}/api/v1/query"
    answer = _json_of(metric, web.Question(url, metric.answer_s, _MOST_BYTES, by_proxy=False, query=query))
    if isinstance(answer, Unmeasured):
        return answer
    try:
        kind, found = answer["data"]["resultType"], answer["data"]["result"]
        samples = [found] if kind == "scalar" else [row["value"] for row in found] if kind == "vector" else []
        if len(samples) != 1:
            return Unmeasured(metric.name, f"the query gives {len(samples)} samples of a {kind}, and must give one")
        return _number(metric, samples[0][1])
    except (KeyError, TypeError, IndexError):
        return Unmeasured(metric.name, f"{url} answers something else than Prometheus")


def _json_of(metric: Metric, question: web.Question) -> Any:
    try:
        answer = web.ask(question)
    except (requests.RequestException, OSError) as error:
        return Unmeasured(metric.name, f"{question.url} cannot be asked ({type(error).__name__})")
    if answer.status != _FINE:
        said = cut(answer.content.decode(errors="replace"), 120)
        return Unmeasured(metric.name, f"{question.url} answers {answer.status} {answer.reason}: {said}")
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError) as error:
        return Unmeasured(metric.name, f"{question.url} answers no JSON ({error})")


def _at(metric: HttpMetric, answer: Any) -> float | Unmeasured:
    for part in metric.path.split(".") if metric.path else ():
        try:
            answer = answer[int(part)] if isinstance(answer, list) else answer[part]
        except (KeyError, TypeError, IndexError, ValueError):
            return Unmeasured(metric.name, f"{metric.url} answers nothing at {metric.path}")
    if isinstance(answer, bool) or not isinstance(answer, int | float | str):
        return Unmeasured(metric.name, f"{metric.url} answers no number at {metric.path or 'the top'}")
    return _number(metric, answer)


def _of_command(metric: CommandMetric, since: Instant, runner: Runner) -> float | Unmeasured:
    command = tuple(part.replace("{since}", str(since)) for part in metric.command)
    try:
        return _number(metric, runner(command, timeout_s=metric.answer_s).stdout.strip())
    except CommandFailed as error:
        last = cut((error.output.strip().splitlines() or ["it printed nothing"])[-1], 200)
        return Unmeasured(metric.name, f"`{shlex.join(command)}` {error.status}: {last}")


def _number(metric: Metric, value: float | str) -> float | Unmeasured:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return Unmeasured(metric.name, f"{cut(repr(value), 80)} is no number")
    return number if math.isfinite(number) else Unmeasured(metric.name, f"{number} is no finite number")
