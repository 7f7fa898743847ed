"""Where a service may run, on a real manager's answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rollback_gate.platform.swarm import nodes
from rollback_gate.platform.swarm.nodes import Node
from tests.unit.builders import CAPTURES


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((CAPTURES / "swarm" / "nodes.json").read_text())
    return found


def manager() -> Node:
    found = {node.name: node for node in nodes.parse(rows())}
    assert sorted(found) == ["rgl1", "rgl2", "rgl3"]
    return found["rgl1"]


def test_a_node_is_known_by_its_host_name_and_its_address() -> None:
    assert (manager().address, manager().state, manager().availability) == ("10.213.1.2", "ready", "active")


def test_nodes_of_the_same_name_are_told_apart() -> None:
    """As machines that were cloned."""
    same = [{**row, "Description": {**row["Description"], "Hostname": "ocr"}} for row in rows()]
    assert len({node.name for node in nodes.parse(same)}) == 3
    assert all(node.name.startswith("ocr-") for node in nodes.parse(same))


def test_a_node_that_has_not_told_of_itself_yet_stops_nothing() -> None:
    """It has joined, and its ports are closed to the manager."""
    unknown = {**rows()[1], "Description": {}, "ID": "abcdefghijklmnop"}
    assert [node.name for node in nodes.parse([rows()[0], unknown])] == ["rgl1", "abcdefghijkl"]


@pytest.mark.parametrize(
    ("seen", "of_manager", "address"),
    [
        ("0.0.0.0", "10.0.0.1:2377", "10.0.0.1"),
        ("127.0.0.1", "[fd00::1]:2377", "fd00::1"),
        ("10.0.0.7", "10.0.0.1:2377", "10.0.0.7"),
        ("0.0.0.0", "", "0.0.0.0"),
    ],
)
def test_a_manager_that_sees_itself_nowhere_is_where_the_others_see_it(
    seen: str, of_manager: str, address: str
) -> None:
    row = {**rows()[0], "Status": {"State": "ready", "Addr": seen}, "ManagerStatus": {"Addr": of_manager}}
    assert [node.address for node in nodes.parse([row])] == [address]


@pytest.mark.parametrize(
    ("constraint", "may_run"),
    [
        ("node.role == manager", True),
        ("node.role==worker", False),
        ("node.role != manager", False),
        ("node.hostname == RGL1", True),
        ("node.hostname!=rgl1", False),
        ("node.labels.disk == ssd", False),
        ("node.labels.disk != ssd", True),
        ("node.platform.os == linux", True),
        ("engine.labels.zone == a", False),
        ("node.ip == 10.0.0.0/8", True),
        ("anything else", True),
    ],
)
def test_only_what_is_certain_rules_a_node_out(constraint: str, may_run: bool) -> None:
    """What is not understood rules out nothing: such a node is asked."""
    assert manager().may_run([constraint]) is may_run
    assert manager().may_run(["node.role == manager", constraint]) is may_run


def test_a_drained_node_may_have_run_it_and_is_given_nothing_new() -> None:
    drained = replace(manager(), availability="drain")
    assert drained.may_run([])
    assert not drained.may_be_given([])
    assert manager().may_be_given([])
