"""Who may fetch an image: nodes get the credentials of whoever rolls back, if there are any."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import cast

import docker
import pytest
from docker import auth

from rollback_gate.platform.swarm.cluster import credentials

KNOWN = {"auths": {"registry.example:5000": {"auth": base64.b64encode(b"amit:s3cret").decode()}}}


@pytest.mark.parametrize(
    ("image", "user"),
    [
        ("registry.example:5000/ocr/worker:1@sha256:abc", "amit"),
        ("registry.example:5000/ocr/worker", "amit"),
        ("ocr/worker:1", ""),
        ("other.example/ocr/worker:1", ""),
        ("", ""),
    ],
)
def test_they_go_to_the_images_own_registry_only(image: str, user: str) -> None:
    """Without any, the service keeps those that it was made with."""
    config = {"auths": auth.parse_auth(KNOWN["auths"])}
    made = cast(docker.APIClient, SimpleNamespace(_auth_configs=auth.AuthConfig(config), credstore_env=None))
    header = credentials(made, image).get("X-Registry-Auth", "")
    assert (json.loads(base64.urlsafe_b64decode(header))["username"] if header else "") == user


def test_a_helper_that_does_not_work_stops_nothing() -> None:
    config = {"credsStore": "does-not-exist"}
    made = cast(docker.APIClient, SimpleNamespace(_auth_configs=auth.AuthConfig(config), credstore_env=None))
    with pytest.warns(UserWarning, match="not installed"):
        assert credentials(made, "registry.example:5000/ocr/worker:1") == {}
