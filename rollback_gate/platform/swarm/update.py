"""What a service's spec must be after an update, and when the update has come to its end. Pure."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollback_gate.platform.swarm.service import Service, Update, objects_of
from rollback_gate.platform.swarm.tasks import Condition, Task

_SECOND_NS = 10**9
_MONITOR_NS, _SWARMS_OWN_NS, _LONGEST_NS = 2 * _SECOND_NS, 5 * _SECOND_NS, 60 * _SECOND_NS
_SWARMS_GRACE_NS = 10 * _SECOND_NS
_BY_SLOT = re.compile(r"\{\{-?\s*\.Task\.")
_HOST_PORT = "host"
_LABEL = "rollback-gate.own-pace"
Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Given:
    """What tasks of a service get. `image`: None to leave it. `variables`: None removes one.

    `configs`: id and name by their path inside; id "" until it is known.
    """

    image: str | None
    variables: Mapping[str, str | None]
    configs: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def template_with(spec: Spec, given: Given) -> dict[str, Any]:
    """The spec's task template with these; everything else as it is."""
    template = copy.deepcopy(dict(spec["TaskTemplate"]))
    container = template["ContainerSpec"]
    if given.image is not None:
        container["Image"] = given.image
    for kind, path, row in objects_of(container):
        if path in given.configs and row[f"{kind}Name"] != given.configs[path][1]:
            row[f"{kind}ID"], row[f"{kind}Name"] = given.configs[path]
    rows = list(container.get("Env") or ())
    kept = [row for row in rows if row.partition("=")[0] not in given.variables]
    own = [f"{name}={value}" for name, value in given.variables.items() if value is not None]
    if given.variables:
        container["Env"] = kept + own
    return template


def values_in(spec: Spec, given: Given) -> dict[str, str | None]:
    """What a spec has of that which is to be given: image, variables, configs and secrets, each by a name."""
    container = spec["TaskTemplate"]["ContainerSpec"]
    variables = variables_of(container)
    found: dict[str, str | None] = {f"variable {name}": variables.get(name) for name in given.variables}
    if given.image is not None:
        found["image"] = str(container.get("Image"))
    rows = {path: str(row[f"{kind}Name"]) for kind, path, row in objects_of(container)}
    return found | {f"config {path}": rows.get(path) for path in given.configs}


def same_template(one: Spec, other: Spec) -> bool:
    """True if tasks would be the same, however often they were made anew; the order of variables does not matter."""
    return _comparable(one) == _comparable(other)


def _comparable(template: Spec) -> dict[str, Any]:
    found = copy.deepcopy({key: value for key, value in template.items() if key not in ("ForceUpdate", "Runtime")})
    container = found.get("ContainerSpec") or {}
    container["Env"] = sorted(container.get("Env") or ())
    return found


def variables_of(container: Spec) -> dict[str, str]:
    """What a container's spec sets, by name."""
    return dict(row.partition("=")[::2] for row in container.get("Env") or ())


def pace(spec: Spec, all_at_once: bool) -> dict[str, Any]:
    """How the update goes: one task after the other, each started before its predecessor ends where it can be.

    A single replica, a global service, one that publishes ports on its nodes, reserves resources, may be on a node
    once only, or has something of its own for each slot keep their own order: two of its tasks cannot, or may not, be
    up together. A task is watched as long as in the service's own updates; their delay is left out.
    """
    own = _own_pace(spec) or {}
    return {
        "Parallelism": 0 if all_at_once else 1,
        "FailureAction": "pause",
        "Monitor": min(max(own.get("Monitor") or _SWARMS_OWN_NS, _MONITOR_NS), _LONGEST_NS),
        "MaxFailureRatio": 0,
        "Order": "start-first" if _may_overlap(spec) and not all_at_once else own.get("Order") or "stop-first",
    }


def longest_s(spec: Spec, tasks: int, start_s: float) -> float:
    """Limit for an update, in seconds. `tasks`: of a global service, how many there are. `start_s`: for each start."""
    container, mode = spec["TaskTemplate"]["ContainerSpec"], spec["Mode"].get("Replicated")
    turns = max(1, tasks if mode is None else int(mode.get("Replicas", 1)))
    grace_ns = container.get("StopGracePeriod")
    grace_s = (_SWARMS_GRACE_NS if grace_ns is None else grace_ns) / _SECOND_NS
    return turns * (start_s + grace_s) + int(pace(spec, False)["Monitor"]) / _SECOND_NS


def _may_overlap(spec: Spec) -> bool:
    replicas = (spec["Mode"].get("Replicated") or {}).get("Replicas", 0)
    ports = (spec.get("EndpointSpec") or {}).get("Ports") or ()
    template = spec["TaskTemplate"]
    reserves = (template.get("Resources") or {}).get("Reservations") or {}
    is_limited = (template.get("Placement") or {}).get("MaxReplicas") or 0
    has_own_ports = any(port.get("PublishMode") == _HOST_PORT for port in ports)
    container = template["ContainerSpec"]
    named = [container.get(part) for part in ("Mounts", "Hostname", "Env")]
    is_by_slot = bool(_BY_SLOT.search(json.dumps(named)))
    return replicas > 1 and not (has_own_ports or reserves or is_limited or is_by_slot)


def has_our_pace(spec: Spec) -> bool:
    """True between an update of ours and the moment when the service gets its own pace back."""
    return _LABEL in (spec.get("Labels") or {})


def _own_pace(spec: Spec) -> Mapping[str, Any] | None:
    """Kept in a label while ours is in its place: whoever goes on, from whichever machine, finds it."""
    kept = (spec.get("Labels") or {}).get(_LABEL)
    own: Mapping[str, Any] | None = spec.get("UpdateConfig") if kept is None else json.loads(kept)
    return own or None


def spec_for(service: Service, given: Given, all_at_once: bool) -> dict[str, Any]:
    """The whole spec to post: every task is made anew, at our pace."""
    made = copy.deepcopy(dict(service.spec))
    anew = int(service.spec["TaskTemplate"].get("ForceUpdate") or 0) + 1
    made["TaskTemplate"] = {**template_with(service.spec, given), "ForceUpdate": anew}
    made["Labels"] = {**(made.get("Labels") or {}), _LABEL: json.dumps(_own_pace(service.spec))}
    made["UpdateConfig"] = pace(service.spec, all_at_once)
    return made


def spec_with_own_pace(service: Service) -> dict[str, Any] | None:
    """The present spec with the service's own pace again; None if it has it."""
    if not has_our_pace(service.spec):
        return None
    made, own = copy.deepcopy(dict(service.spec)), _own_pace(service.spec)
    made["Labels"].pop(_LABEL)
    made.pop("UpdateConfig", None)
    return {**made, "UpdateConfig": dict(own)} if own else made


def why_not_settled(service: Service, tasks: Iterable[Task]) -> str:
    """What is still missing until every wanted task, and no other, runs what the service says now; "" for nothing.

    The status says "completed" while tasks of the former definition still run: only the tasks tell.
    """
    rows = list(tasks)
    wanted = [task for task in rows if task.is_wanted]
    running = [task for task in wanted if task.condition is Condition.RUNS and task.template == service.template]
    if late := [task for task in wanted if task not in running]:
        return "; ".join(sorted({f"a task {task.says}" for task in late}))
    if service.replicas is not None and len(running) != service.replicas:
        return f"{len(running)} of {service.replicas} tasks run"
    if going := [task for task in rows if task.condition is Condition.GOES]:
        return "a former task is being stopped" if len(going) == 1 else f"{len(going)} former tasks are being stopped"
    return "" if service.is_at_rest else service.unrest


def failures(service: Service, tasks: Iterable[Task]) -> str:
    """Why tasks of the present definition have ended, in Swarm's words; "" for none."""
    rows = (task for task in tasks if task.template == service.template)
    return "; ".join(sorted({f"task {task.id[:12]} {task.says}" for task in rows if _is_failure(task)}))


def _is_failure(task: Task) -> bool:
    return task.has_failed or task.condition is Condition.REFUSED


def is_cut_short(service: Service, tasks: Iterable[Task], is_lost: Callable[[Task], bool]) -> bool:
    """True if Swarm took a new task back, because its node was lost, and the update stands still for it.

    It waits for that very task: for ever while the node is away, and pauses as the node comes back and stops it.
    """
    rows = [task for task in tasks if task.template == service.template]
    taken_back = [task for task in rows if not task.is_wanted and not _is_failure(task)]
    if service.update is Update.PAUSED:
        return bool(taken_back) and not any(map(_is_failure, rows))
    is_waited_for = any(task.condition is Condition.COMES and is_lost(task) for task in taken_back)
    return service.update is Update.GOES_ON and is_waited_for


def has_failed(service: Service) -> bool:
    """True if Swarm itself has given the update up."""
    return service.update in (Update.PAUSED, Update.GOES_BACK, Update.WENT_BACK, Update.GAVE_UP)
