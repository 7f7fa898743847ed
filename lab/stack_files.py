"""The files of the reference deployment as a stack: the stack's own, the main server's, and the profile's parts."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from typing import Any

import yaml

from lab.reference import COORDINATOR, HERE, PROJECT_LABEL, WORKER

MAIN = "10.213.0.1"  # the machine itself, as the nodes see it
STACK_FILE = "docker-stack.yml"
REPLICAS = 3
SIDE = ("mongodb", "nsqd", "mcp-server")
PORTS = {"mongodb": ("LAB_MONGO_PORT", 27017), "nsqd": ("LAB_QUEUE_PORT", 4151), "mcp-server": ("LAB_MCP_PORT", 3003)}
_TCP = 4150


def of_a_stack(text: str, addresses: Iterator[str]) -> str:
    """The lab's profile, for a stack."""
    swarm = f'[deployment]\nplatform = "swarm"\nfiles = ["{STACK_FILE}"]\n'
    text = text.replace("[deployment]\n", swarm).replace("127.0.0.1:", f"{MAIN}:")
    return text.replace("replicas = 2\n", f"replicas = {REPLICAS}\n") + "\n" + "\n".join(addresses)


def image_items(old: str, new: str) -> str:
    """Phase 1's items, and the image in the stack's file: a profile's list replaces that of the one it extends."""
    phase1 = (HERE.parent / "profiles" / "phase1.toml").read_text()
    items = phase1[phase1.index("[[change]]") : phase1.index("[partial]")]
    named = (
        f'[[change]]\nkind = "image"\nservices = ["{service}"]\nfile = "{STACK_FILE}"\n'
        f'key = "services.{service}.image"\nnew = "{new}"\nold = "{old}"\n'
        for service in (WORKER, COORDINATOR)
    )
    return "\n" + items + "\n" + "\n".join(named)


def side_file() -> str:
    """What runs on the main server: database, queue and upstream, at the addresses that the nodes use."""
    common = yaml.safe_load((HERE / "compose" / "common.yml").read_text())
    services = {name: common["services"][name] for name in SIDE}
    for name, (_, port) in PORTS.items():
        services[name]["ports"] = [f"{MAIN}:{port}:{port}"]
    services["nsqd"]["ports"].append(f"{MAIN}:{_TCP}:{_TCP}")
    return yaml.safe_dump({"version": "3.8", "services": services}, sort_keys=False)


def stack_file(settings: dict[str, str], image: str, mounted: str) -> str:
    """As the team's own: an image by its tag, the main server's addresses, replicas, and nothing about updates."""
    password = urllib.parse.quote_plus(settings["LAB_MONGO_PASSWORD"])
    environment = {
        "MONGO_URI": f"mongodb://gvpocr_admin:{password}@{MAIN}:27017/gvpocr?authSource=admin",
        "NSQD_HOST": MAIN,
        "MCP_SERVER_URL": f"ws://{MAIN}:3003",
        **{key: settings[key] for key in ("LAB_TIME_SCALE", "LAB_MANNER", "LAB_FIRST_DOCUMENT")},
    }
    service: dict[str, Any] = {
        "image": image,
        "environment": environment,
        "stop_grace_period": settings["LAB_GRACE"],
        "labels": {PROJECT_LABEL: settings["LAB_PROJECT"]},
    }
    if mounted:
        service["volumes"] = [f"{mounted}/enrichment_service:/app/enrichment_service"]
    restart = {
        "restart_policy": {"condition": "on-failure", "delay": "1s"},
        "update_config": {"parallelism": REPLICAS, "monitor": "500ms"},  # the team's has none: one by one, 5 s for each
    }
    worker = {
        **service,
        "command": "python -u -m enrichment_service.workers.enrichment_worker",
        "deploy": {"replicas": REPLICAS, "endpoint_mode": "dnsrr", **restart},
    }
    coordinator = {
        **service,
        "command": "python -u -m enrichment_service.coordinator.enrichment_coordinator",
        "deploy": {"replicas": 1, "endpoint_mode": "dnsrr", **restart},
    }
    return yaml.safe_dump({"version": "3.8", "services": {WORKER: worker, COORDINATOR: coordinator}}, sort_keys=False)
