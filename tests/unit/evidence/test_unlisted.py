"""Services outside of the profile, by what the manager would start of them."""

from __future__ import annotations

from typing import Any

import pytest

from rollback_gate.evidence.unlisted import left_out
from rollback_gate.platform.swarm.service import Service, parse
from rollback_gate.profile.schema import Profile
from tests.unit.builders import phase1

OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def profile(image: dict[str, str], **changes: Any) -> Profile:
    """Of the worker, an image, a variable and a config."""
    named = {"services": ["enrichment-worker"], "file": "stack.yml"}
    items = [
        {"kind": "image", "key": "a", **named, **image},
        {"kind": "setting", "key": "b.TIMEOUT", "new": "5", "old": "60", **named},
        {"kind": "config", "key": "c", "target": "/etc/ocr.toml", "new": "settings-2", "old": "settings-1", **named},
    ]
    table = phase1('deployment.platform="swarm"', 'deployment.files=["stack.yml"]').model_dump()
    return Profile.model_validate({**table, "change": [*table["change"], *items], **changes})


def service(image: str = "ocr/nightly:7", **container: Any) -> Service:
    """Of which no task runs."""
    made = {"Image": image, **container}
    spec = {"Name": "ocr_nightly", "TaskTemplate": {"ContainerSpec": made}, "Mode": {"Replicated": {"Replicas": 0}}}
    return parse({"ID": "s", "Version": {"Index": 1}, "Spec": spec})


TAGGED = {"new": "ocr/worker:2", "old": "ocr/worker:1"}
LATEST = {"new": "r.example.org/ocr:latest", "old": f"r.example.org/ocr:latest@{OLD}"}


@pytest.mark.parametrize(
    ("image", "one", "is_named"),
    [
        (TAGGED, service("ocr/worker:2"), True),
        (TAGGED, service(f"docker.io/ocr/worker:2@{NEW}"), True),
        (TAGGED, service("ocr/worker:1"), False),
        (TAGGED, service("other/worker:2"), False),
        (LATEST, service(f"r.example.org/ocr:latest@{NEW}"), True),
        (LATEST, service(f"r.example.org/ocr:latest@{OLD}"), False),
        ({**TAGGED, "new": f"ocr/worker:2@{NEW}"}, service(f"ocr/worker:2@{OLD}"), False),
        (TAGGED, service(Env=["TIMEOUT=5"]), True),
        (TAGGED, service(Env=["TIMEOUT=60"]), False),
        (TAGGED, service(Configs=[{"File": {"Name": "/elsewhere"}, "ConfigName": "settings-2"}]), True),
        (TAGGED, service(Configs=[{"File": {"Name": "/etc/ocr.toml"}, "ConfigName": "settings-1"}]), False),
    ],
)
def test_what_would_start_with_the_change_is_named(image: dict[str, str], one: Service, is_named: bool) -> None:
    assert (left_out(profile(image), {"nightly": one}) != {}) is is_named


def test_what_is_listed_or_waived_is_not() -> None:
    bad = service("ocr/worker:2")
    assert left_out(profile(TAGGED), {"enrichment-worker": bad}) == {}
    waived = profile(TAGGED, waived={"nightly": "it is somebody else's"})
    assert left_out(waived, {"nightly": bad}) == {}
