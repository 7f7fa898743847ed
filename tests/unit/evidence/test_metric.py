"""One number: right, stale or empty, unauthorised, unreachable, slow and malformed, by each kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from rollback_gate.evidence import metric
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import SubprocessRunner
from rollback_gate.profile.answers import CommandMetric, HttpMetric, PrometheusMetric
from rollback_gate.profile.answers import Metric as AnyMetric
from tests.unit.evidence.adapters.servers import closed, http, silent

SINCE, NOW = Instant.parse("2026-11-27T10:00:00Z"), Instant.parse("2026-11-27T10:01:30Z")
BAND = {"name": "error rate", "low": 0, "high": 1, "answer_s": 0.5}


def read(wanted: metric.Metric) -> float | Unmeasured:
    return metric.read(wanted, SINCE, NOW, lambda _: SubprocessRunner({"PATH": "/usr/bin:/bin"}))


def of_prometheus(address: str) -> float | Unmeasured:
    wanted = {**BAND, "kind": "prometheus", "address": address, "query": "rate(errors[{since_s}s])"}
    return read(PrometheusMetric.model_validate(wanted))


def of_http(address: str, path: str = "data.0.rate") -> float | Unmeasured:
    return read(HttpMetric.model_validate({**BAND, "kind": "http", "url": f"http://{address}/", "path": path}))


def of_command(*command: str) -> float | Unmeasured:
    return read(
        CommandMetric.model_validate({**BAND, "kind": "command", "command": ["env", "SINCE={since}", *command]})
    )


def vector(*values: str) -> dict[str, Any]:
    rows = [{"metric": {}, "value": [1, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": rows}}


SCALAR = {"status": "success", "data": {"resultType": "scalar", "result": [1, "0.5"]}}


@pytest.mark.parametrize("answer", [vector("0.5"), SCALAR])
def test_prometheus_gives_one_sample_since_the_boundary(answer: dict[str, Any]) -> None:
    asked: list[str] = []

    def answered(path: str) -> str:
        asked.append(path)
        return json.dumps(answer)

    with http(200, answered) as address:
        assert of_prometheus(address) == 0.5
    assert asked == ["/api/v1/query?query=rate%28errors%5B90s%5D%29"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (vector(), "gives 0 samples"),
        (vector("1", "2"), "gives 2 samples"),
        (vector("NaN"), "no finite number"),
        (vector("x"), "is no number"),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "0 samples of a matrix"),
        ({"status": "success"}, "something else than Prometheus"),
        ([], "something else than Prometheus"),
        ("<html>", "no JSON"),
    ],
)
def test_any_other_answer_of_prometheus_is_no_number(answer: Any, says: str) -> None:
    with http(200, answer) as address:
        found = of_prometheus(address)
    assert isinstance(found, Unmeasured)
    assert says in found.reason


def test_http_finds_the_number_by_its_path() -> None:
    with http(200, {"data": [{"rate": 0.5, "is": True}]}) as address:
        assert of_http(address) == 0.5
        for path, says in (("data.1.rate", "nothing at"), ("data.0.is", "no number"), ("data.x", "nothing at")):
            found = of_http(address, path)
            assert isinstance(found, Unmeasured)
            assert says in found.reason


@pytest.mark.parametrize("ask", [of_prometheus, of_http])
def test_no_answer_is_no_number(ask: Callable[[str], float | Unmeasured]) -> None:
    for server in (closed(), silent(), http(401, "who are you?"), http(503, "")):
        with server as address:
            assert isinstance(ask(address), Unmeasured)


def test_a_command_prints_the_number() -> None:
    assert of_command("printf", "0.5\n") == 0.5
    assert of_command("printf", "") != of_command("printf", "0")
    for command in (("printf", "nan"), ("false",), ("./none",), ("sleep", "5"), ("echo", "0.5 percent")):
        assert isinstance(of_command(*command), Unmeasured)
    assert of_command("sh", "-c", "test {since} = 2026-11-27T10:00:00.000000000Z && echo 1") == 1


def test_without_a_boundary_nothing_is_asked() -> None:
    wanted = CommandMetric.model_validate({**BAND, "kind": "command", "command": ["echo", "{since}"]})
    assert isinstance(metric.read(wanted, None, NOW, lambda _: SubprocessRunner({})), Unmeasured)


@pytest.mark.parametrize(
    "wanted", [{"kind": "prometheus", "address": "a:1", "query": "up"}, {"kind": "command", "command": ["x"]}]
)
def test_a_number_of_before_the_rollback_cannot_be_named(wanted: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="since"):
        TypeAdapter(AnyMetric).validate_python({**BAND, **wanted})
