"""Values in env files and in YAML: read, replaced and removed without touching another byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_gate.change import settings
from rollback_gate.change.written import value_in, with_value
from rollback_gate.errors import Refused
from tests.unit.builders import phase1

ENV = b"# made by hand\r\nA=1 # one\r\nexport TIMEOUT = '300'\nEMPTY=\nURL=http://x/#a\nLAST=\"a b\""
COMPOSE = b"""# the stack
x-common: &common {restart: always}
services:
  api:
    <<: *common
    image: "shop/api:1.3"   # the change
    environment:
      TIMEOUT: 300
      DEBUG: 'no'
      ONLY.DOTS: a
  worker:
    image: shop/worker:1.3
    environment:
      - TIMEOUT=300 # seconds
      - "NAME=a b"
  flow: {image: a, environment: {A: '1', B: 2}}
  text:
    environment:
      LONG: |
        a
      SHARED: &shared 5
      TWICE: *shared
"""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("A", "1"),
        ("TIMEOUT", "300"),
        ("EMPTY", ""),
        ("URL", "http://x/#a"),
        ("LAST", "a b"),
        ("LA", None),
        ("made", None),
    ],
)
def test_an_env_file_is_read_as_compose_reads_it(key: str, value: str | None) -> None:
    assert value_in(ENV, ".env", key) == value


def test_a_stacks_env_file_has_its_values_as_they_stand() -> None:
    """`docker stack deploy` takes quotes, comments and signs into the value: none may be added, or taken away."""
    data = b'FORMAT=json\r\nMODE="fast mode"\nPASSWORD=pa$word # 1\n'
    assert value_in(data, "worker.env", "MODE", is_literal=True) == '"fast mode"'
    assert value_in(data, "worker.env", "PASSWORD", is_literal=True) == "pa$word # 1"
    assert value_in(b"TIMEOUT= 60\n", "worker.env", "TIMEOUT", is_literal=True) == " 60"
    old = with_value(data, "worker.env", "FORMAT", "text --short", is_literal=True)
    assert old == data.replace(b"=json\r", b"=text --short\r")
    assert with_value(old, "worker.env", "MODE", None, is_literal=True) == old.replace(b'MODE="fast mode"\n', b"")
    with pytest.raises(Refused):
        with_value(data, "worker.env", "FORMAT", "two\nlines", is_literal=True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("services.api.image", "shop/api:1.3"),
        ("services.api.environment.TIMEOUT", "300"),
        ("services.api.environment.DEBUG", "no"),
        ("services.api.environment.ONLY.DOTS", "a"),
        ("services.worker.environment.TIMEOUT", "300"),
        ("services.worker.environment.NAME", "a b"),
        ("services.flow.environment.B", "2"),
        ("services.none.image", None),
        ("services.api.restart", None),
        ("services.api.image.more", None),
    ],
)
def test_yaml_is_read_by_its_path(key: str, value: str | None) -> None:
    assert value_in(COMPOSE, "compose.yaml", key) == value


@pytest.mark.parametrize(
    ("path", "data", "key", "value", "was", "becomes"),
    [
        (".env", ENV, "A", "20", b"A=1 #", b"A=20 #"),
        (".env", ENV, "TIMEOUT", "60", b"'300'", b"'60'"),
        (".env", ENV, "EMPTY", "x y", b"EMPTY=", b"EMPTY='x y'"),
        (".env", ENV, "LAST", "$c", b'"a b"', b'"$c"'),
        ("c.yml", COMPOSE, "services.api.image", "shop/api:1.2", b"shop/api:1.3", b"shop/api:1.2"),
        ("c.yml", COMPOSE, "services.api.environment.TIMEOUT", "60", b"TIMEOUT: 300", b"TIMEOUT: 60"),
        ("c.yml", COMPOSE, "services.api.environment.TIMEOUT", "a: b", b"TIMEOUT: 300", b"TIMEOUT: 'a: b'"),
        ("c.yml", COMPOSE, "services.worker.environment.TIMEOUT", "60", b"- TIMEOUT=300 #", b"- TIMEOUT=60 #"),
        ("c.yml", COMPOSE, "services.worker.environment.NAME", "c", b'"NAME=a b"', b'"NAME=c"'),
        ("c.yml", COMPOSE, "services.flow.environment.A", "2", b"A: '1'", b"A: '2'"),
    ],
)
def test_a_value_is_replaced_and_nothing_else(
    path: str, data: bytes, key: str, value: str, was: bytes, becomes: bytes
) -> None:
    assert data.count(was) == 1
    assert with_value(data, path, key, value) == data.replace(was, becomes)


@pytest.mark.parametrize(
    ("path", "data", "key", "line"),
    [
        (".env", ENV, "EMPTY", b"EMPTY=\n"),
        (".env", ENV, "A", b"A=1 # one\r\n"),
        ("c.yml", COMPOSE, "services.api.environment.TIMEOUT", b"      TIMEOUT: 300\n"),
        ("c.yml", COMPOSE, "services.worker.environment.TIMEOUT", b"      - TIMEOUT=300 # seconds\n"),
    ],
)
def test_an_entry_that_the_change_added_is_removed_with_its_line(path: str, data: bytes, key: str, line: bytes) -> None:
    assert with_value(data, path, key, None) == data.replace(line, b"")


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    assert with_value(b"# \xff\nA=1\n", ".env", "A", "2") == b"# \xff\nA=2\n"


@pytest.mark.parametrize(
    ("path", "data", "key", "value", "says"),
    [
        (".env", b"A=1\nA=2\n", "A", "3", "sets A 2 times"),
        (".env", b'A="x\\n"\n', "A", "3", "escapes"),
        (".env", b"A='one\ntwo'\n", "A", "3", "more than one line"),
        (".env", b"B=1\n", "A", "3", "does not set A"),
        (".env", b'A="1"\n', "A", 'a"b', "cannot be written"),
        ("c.yml", COMPOSE, "services.text.environment.LONG", "b", "not a value in one line"),
        ("c.yml", COMPOSE, "services.text.environment.SHARED", "b", "an anchor"),
        ("c.yml", COMPOSE, "services.text.environment.TWICE", "b", "an anchor"),
        ("c.yml", b"x: &v {T: '5'}\na: {b: *v}\n", "a.b.T", "6", "through a YAML alias"),
        ("c.yml", COMPOSE, "services.flow.environment.A", None, "cannot be removed alone"),
        ("c.yml", b"a: {b: [", "a.b", "1", "is not YAML"),
        ("c.yml", b"services: {a: {image: x}}", "services.a.image", "a\"b'", None),
        ("c.yml", b"a:\n  - N=1\n", "a.N", "2 # 3", "cannot be written"),
    ],
)
def test_what_cannot_be_written_safely_is_refused(
    path: str, data: bytes, key: str, value: str | None, says: str | None
) -> None:
    if says is None:
        assert value_in(with_value(data, path, key, value), path, key) == value
        return
    with pytest.raises(Refused, match=says) as refused:
        with_value(data, path, key, value)
    assert refused.value.remedy


@pytest.mark.parametrize(
    "named", ["env_file: worker.env", "env_file: [other.env, ./worker.env]", "env_file: [{path: worker.env}]"]
)
def test_only_what_a_stack_gives_as_env_file_is_taken_as_it_stands(tmp_path: Path, named: str) -> None:
    """A .env fills the variables of the stack's file, by a shell that takes quotes off."""
    (tmp_path / "stack.yml").write_text(f"services: {{worker: {{image: a, {named}}}}}\n")
    profile = phase1('deployment.platform="swarm"', 'deployment.files=["stack.yml"]')
    assert settings.is_literal(profile, tmp_path, "worker.env")
    assert not settings.is_literal(profile, tmp_path, ".env")
    assert not settings.is_literal(phase1(), tmp_path, "worker.env")
    below = phase1('deployment.platform="swarm"', 'deployment.files=["deploy/stack.yml"]')
    (tmp_path / "deploy").mkdir()
    (tmp_path / "stack.yml").rename(tmp_path / "deploy/stack.yml")
    assert settings.is_literal(below, tmp_path, "deploy/worker.env")
    assert not settings.is_literal(below, tmp_path, "worker.env")
    (tmp_path / "stack.yml").write_text("services: [")
    assert not settings.is_literal(profile, tmp_path, "worker.env")
