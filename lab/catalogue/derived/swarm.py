"""What only a Swarm can be in: readings of a healthy rollback, as if they were of a stack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.catalogue.changes import BY_HAND, Change, Row, chain, having
from lab.catalogue.derived.values import all_old, by_hash, written
from lab.catalogue.entry import CODE, GO, INCONCLUSIVE, RUNNING
from rollback_gate.change.reading import CodeReading, Held, ValueReading
from rollback_gate.evidence.readings import Readings, ReplicaReading
from rollback_gate.model import Unmeasured
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.stands import Stands
from rollback_gate.profile.deployment import Deployment, SettingItem

STACK = Deployment(platform="swarm", project_directory=Path("/srv/ocr"), project="ocr", files=("docker-stack.yml",))
WORKER = "enrichment-worker"
LIMIT = SettingItem(
    kind="setting",
    services=("enrichment-worker",),
    file="docker-stack.yml",
    key="services.enrichment-worker.deploy.resources.limits.memory",
    new="512M",
    old="2G",
)
QUIET = Stands(updates={WORKER: ""}, lacking={}, unasked={}, apart_s={"one": 0.0})


def quiet(readings: Readings) -> Readings:
    return having(readings, stands=QUIET)


def on_a_stack(**changes: Any) -> Change:
    """At rest, and made from what the service says; but for these."""
    return chain(by_hash, quiet, lambda readings: having(readings, **changes))


def another_definition(readings: Readings) -> Readings:
    return having(readings, configured={**readings.configured, WORKER: "f" * 64})


def outlived(readings: Readings) -> Readings:
    """One more container, whose task has ended."""
    before = readings.replicas[0].before
    assert isinstance(before, Replica)
    stray = replace(before, id="f" * 64, name="ocr_worker.1.x", node="two", unwanted="has ended")
    return having(readings, replicas=(*readings.replicas, having(readings.replicas[0], slot="replica-9", before=stray)))


def limited(readings: Readings) -> Readings:
    """The file has the old limit; what limit the tasks have, none of them shows."""
    value = ValueReading(LIMIT.says, Held.OTHER, "its environment has no memory", is_setting=True, is_shown=False)

    def with_value(reading: ReplicaReading) -> ReplicaReading:
        sides = {side: getattr(reading, side) for side in ("code", "restarted", "recreated")}
        known = {side: code for side, code in sides.items() if isinstance(code, CodeReading)}
        return having(reading, **{side: having(code, values=(value,)) for side, code in known.items()})

    replicas = (with_value(one) if one.service == WORKER else one for one in readings.replicas)
    return having(readings, replicas=tuple(replicas), written={LIMIT.place: ValueReading(LIMIT.place, Held.OLD)})


ROWS: tuple[Row, ...] = (
    ("derived-stack", GO, "", "", BY_HAND, on_a_stack()),
    (
        "stack-not-asked",
        INCONCLUSIVE,
        RUNNING,
        "was not asked",
        BY_HAND,
        chain(by_hash, lambda r: having(r, stands=None)),
    ),
    (
        "stack-silent",
        INCONCLUSIVE,
        RUNNING,
        "no answer",
        BY_HAND,
        on_a_stack(stands=Unmeasured("the Swarm", "no answer")),
    ),
    (
        "stack-updates",
        INCONCLUSIVE,
        RUNNING,
        "its update is under way",
        BY_HAND,
        on_a_stack(stands=replace(QUIET, updates={WORKER: "its update is under way"})),
    ),
    ("stack-stray", INCONCLUSIVE, RUNNING, "runs beside them", BY_HAND, chain(on_a_stack(), outlived)),
    (
        "stack-another-definition",
        INCONCLUSIVE,
        RUNNING,
        "has not reached them all",
        BY_HAND,
        chain(on_a_stack(), another_definition),
    ),
    (
        "stack-file-otherwise",
        INCONCLUSIVE,
        RUNNING,
        "another image by the next deployment",
        BY_HAND,
        on_a_stack(rewritten={WORKER: ("image",)}),
    ),
    (
        "stack-file-unread",
        INCONCLUSIVE,
        RUNNING,
        "no Compose",
        BY_HAND,
        on_a_stack(rewritten={WORKER: Unmeasured("the stack's files", "no Compose")}),
    ),
)

# With a setting and an image of the change.
WRITTEN: tuple[Row, ...] = (
    (
        "stack-file-of-the-change",
        INCONCLUSIVE,
        CODE,
        "the next deployment of the stack would bring it back",
        BY_HAND,
        chain(all_old, on_a_stack(), written(Held.NEW, Held.OLD)),
    ),
)

# With a value of the stack's file that is no variable.
LIMITED: tuple[Row, ...] = (
    (
        "stack-limit-of-the-change",
        INCONCLUSIVE,
        CODE,
        "a task shows only its environment",
        BY_HAND,
        chain(on_a_stack(), limited),
    ),
)
