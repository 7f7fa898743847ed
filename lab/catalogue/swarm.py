"""Sabotaged and healthy stacks, and what the gate must say of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from lab import other_clock
from lab.catalogue import swarm_acts as acts
from lab.catalogue.entry import (
    CODE,
    GO,
    IMPATIENT,
    INCONCLUSIVE,
    NO_GO,
    PROCESSING,
    RUNNING,
    Entry,
    Judged,
    Start,
    meanwhile,
    verify,
)
from lab.operator import Operator
from lab.stack import Stack

GROUP, IMAGE, BIND, REGISTRY = "swarm", "stack", "stack-bind", "stack-registry"
_HOUR_S = 3600.0
_TO_THE_STOP = ("limits.soak_s=8",)  # Swarm waits three seconds before it stops a task


def _entry(
    name: str,
    says: str,
    verdict: str,
    check: str,
    words: str | tuple[str, ...],
    apply: Callable[[Stack], object],
    variant: str = IMAGE,
    **more: Any,
) -> Entry:
    """No readings are kept: the mutation run has the lab's profile."""
    return Entry(name, GROUP, says, verdict, check, words, apply, (variant,), shows_in_readings=False, **more)


def _by_another_clock(operator: Operator, entry: Entry) -> Judged:
    node = cast(Stack, operator.lab).nodes[-1]
    with other_clock.off(node, _HOUR_S) as address:
        return verify(operator, replace(entry, settings=(f"nodes.{node.name}.address={address}",)))


ENTRIES = (
    _entry("stack-healthy", "a stack as it should be", GO, CODE, "", lambda _: None),
    _entry(
        "stack-healthy-mounted", "the same, with its code in a folder of each node", GO, CODE, "", lambda _: None, BIND
    ),
    _entry("node-drained", "a node was drained, and its tasks run elsewhere", GO, CODE, "", acts.drained),
    _entry(
        "killed-long-ago", "a task failed before the one that runs now was ordered", GO, CODE, "", acts.killed_long_ago
    ),
    _entry(
        "killed-before",
        "a container was killed, and Swarm made another task",
        INCONCLUSIVE,
        RUNNING,
        "has been restarted 1 times by the engine",
        acts.killed_before,
    ),
    _entry("stack-change", "nothing was rolled back", NO_GO, CODE, "not the old code", acts.the_change),
    _entry(
        "stack-old-process",
        "files put back, tasks not made anew",
        NO_GO,
        CODE,
        ("older than", "not the old code", "only the change logs"),
        acts.new_files_old_process,
        BIND,
    ),
    _entry(
        "one-task-back",
        "the update back stands still after its first task",
        NO_GO,
        CODE,
        "not the old code",
        acts.one_node_left,
    ),
    _entry(
        "image-differs-on-a-node",
        "one node has the change's image under the old one's tag",
        NO_GO,
        CODE,
        "not the old code",
        acts.another_image_on_one_node,
    ),
    _entry(
        "tag-moved-on-a-node",
        "the same, moved after its task was started",
        NO_GO,
        CODE,
        "next",
        acts.tag_moved_on_one_node,
    ),
    _entry(
        "file-differs-on-a-node",
        "files put back on two nodes of three",
        NO_GO,
        CODE,
        "not the old code",
        acts.another_file_on_one_node,
        BIND,
    ),
    _entry(
        "unmounted-on-a-node", "the folder with the code is empty on one node", NO_GO, CODE, "", acts.unmounted, BIND
    ),
    _entry(
        "update-paused",
        "the update is paused, a slot has no task that runs",
        NO_GO,
        RUNNING,
        "2 of 3 replicas run",
        acts.paused,
    ),
    _entry(
        "update-paused-quietly",
        "the update is paused, and every old task runs",
        INCONCLUSIVE,
        RUNNING,
        "is paused",
        acts.paused_with_all_running,
    ),
    _entry(
        "swarm-rolled-back",
        "the rollback failed, and Swarm returned to the change",
        NO_GO,
        CODE,
        "not the old code",
        acts.went_back_to_the_change,
    ),
    _entry(
        "rolled-back-twice",
        "a second `service rollback` returned the change",
        NO_GO,
        CODE,
        "not the old code",
        acts.rolled_back_twice,
    ),
    _entry(
        "task-pending",
        "tasks wait for a node that fits, for ever",
        NO_GO,
        RUNNING,
        "waits for a node that fits",
        acts.pending,
    ),
    _entry(
        "task-rejected",
        "the node does not have the folder of a mount",
        NO_GO,
        RUNNING,
        "source path does not exist",
        acts.no_folder_on_the_node,
        BIND,
    ),
    _entry("node-down", "a node's engine is down, its containers go on", INCONCLUSIVE, RUNNING, "rgl3", acts.node_down),
    _entry(
        "node-cut-off",
        "a node is cut off from the manager, its containers go on",
        INCONCLUSIVE,
        RUNNING,
        "rgl3",
        acts.node_cut_off,
    ),
    _entry(
        "node-cut-off-just-now",
        "the same, and the manager has not noticed",
        INCONCLUSIVE,
        RUNNING,
        "rgl3",
        acts.node_cut_off_just_now,
    ),
    _entry(
        "node-removed",
        "a node was removed by force, its containers go on",
        INCONCLUSIVE,
        RUNNING,
        "does not know this node",
        acts.node_removed,
    ),
    _entry(
        "container-outlived-its-task",
        "an ended container with the change was started again",
        NO_GO,
        CODE,
        "not the old code",
        acts.outlived,
    ),
    _entry("stack-crashes", "tasks fail again and again", NO_GO, RUNNING, "", acts.crashes, BIND),
    _entry(
        "environment-by-hand",
        "a service update gave another environment than the stack's file has",
        INCONCLUSIVE,
        RUNNING,
        "environment LOG_LEVEL",
        acts.another_environment,
    ),
    _entry(
        "stack-file-has-the-change",
        "the stack's file still names the change's image",
        INCONCLUSIVE,
        RUNNING,
        "another image",
        acts.file_has_the_change,
    ),
    _entry(
        "stack-service-left-out",
        "another service of the stack has the change",
        INCONCLUSIVE,
        CODE,
        "reporter",
        acts.another_service,
    ),
    _entry("scaled-up", "one replica more than is normal", INCONCLUSIVE, RUNNING, "4 replicas exist", acts.scaled_up),
    _entry("scaled-down", "one replica less than is normal", NO_GO, RUNNING, "2 of 3 replicas run", acts.scaled_down),
    _entry(
        "stack-scaled-meanwhile",
        "scaled while the checks run",
        INCONCLUSIVE,
        RUNNING,
        "new:",
        lambda _: None,
        judge=meanwhile("soak: watching", lambda lab: acts.scaled_up(cast(Stack, lab))),
    ),
    _entry(
        "stack-forced-meanwhile",
        "made anew while the checks run",
        INCONCLUSIVE,
        RUNNING,
        ("gone:", "new:"),
        lambda _: None,
        judge=meanwhile("soak: watching", lambda lab: acts.forced(cast(Stack, lab))),
        settings=_TO_THE_STOP,
    ),
    _entry("service-removed", "the service is gone", NO_GO, RUNNING, "0 of 3 replicas run", acts.gone),
    _entry("stack-global", "a global service, one task on each node", GO, CODE, "", acts.on_every_node),
    _entry(
        "stuck-on-the-way",
        "an update to the change that cannot begin: every old task runs",
        NO_GO,
        CODE,
        "next start would be the change",
        acts.stuck_on_the_way_to_the_change,
    ),
    _entry(
        "mount-by-hand",
        "a service update gave another mount",
        INCONCLUSIVE,
        RUNNING,
        "mount /models",
        acts.mount_by_hand,
    ),
    _entry(
        "stack-other-command",
        "tasks run another program",
        NO_GO,
        PROCESSING,
        "",
        acts.another_command,
        settings=IMPATIENT,
    ),
    _entry("stack-frozen", "the process of one task is stopped", NO_GO, RUNNING, "SIGSTOP", acts.frozen),
    _entry("stack-paused", "the container of one task is paused", NO_GO, RUNNING, "paused", acts.paused_on_its_node),
    _entry(
        "stack-killed-meanwhile",
        "a container is killed while the checks run",
        NO_GO,
        RUNNING,
        "is now exited",
        lambda _: None,
        judge=meanwhile("soak: watching", lambda lab: acts.killed_once(cast(Stack, lab))),
    ),
    _entry(
        "stack-given-up",
        "Swarm has given up after `max_attempts`",
        NO_GO,
        RUNNING,
        "0 of 3 replicas run",
        acts.given_up,
        BIND,
    ),
    _entry(
        "copied-into-one-task",
        "the change's file copied into one container",
        NO_GO,
        CODE,
        "not the old code",
        acts.copied_into_one,
    ),
    _entry(
        "beside-the-stack",
        "a container outside the stack consumes with the change",
        NO_GO,
        CODE,
        "carry the mark of the change",
        acts.beside_the_stack,
    ),
    _entry(
        "drained-meanwhile",
        "a node is drained while the checks run",
        INCONCLUSIVE,
        RUNNING,
        ("gone:", "new:"),
        lambda _: None,
        judge=meanwhile("soak: watching", lambda lab: acts.drain_one(cast(Stack, lab))),
        settings=_TO_THE_STOP,
    ),
    _entry(
        "cut-off-meanwhile",
        "a node is cut off while the checks run",
        INCONCLUSIVE,
        RUNNING,
        "rgl3",
        lambda _: None,
        judge=meanwhile("soak: watching", lambda lab: acts.cut_off_one(cast(Stack, lab))),
        settings=("limits.soak_s=6",),
    ),
    _entry(
        "node-clock-off",
        "the clock of one node is an hour ahead",
        INCONCLUSIVE,
        RUNNING,
        "the clock of node rgl3",
        lambda _: None,
        judge=_by_another_clock,
    ),
    _entry("registry-healthy", "`:latest` from a registry, as it should be", GO, CODE, "", lambda _: None, REGISTRY),
    _entry(
        "registry-rolled-back",
        "the change came as `:latest`, and was rolled back to the old digest",
        GO,
        CODE,
        "",
        lambda _: None,
        REGISTRY,
        start=Start.RUN,
    ),
    _entry(
        "registry-tag-on-a-node",
        "a node has the change by the tag, tasks by the digest",
        GO,
        CODE,
        "",
        acts.tag_on_a_node_only,
        REGISTRY,
    ),
    _entry("registry-change", "nothing was rolled back", NO_GO, CODE, "not the old code", acts.the_change, REGISTRY),
    _entry(
        "registry-pushed-again",
        "the tag in the stack's file means the change again",
        INCONCLUSIVE,
        RUNNING,
        "another image",
        acts.pushed_again,
        REGISTRY,
    ),
    _entry(
        "registry-away",
        "nobody can tell what the tag in the stack's file means",
        INCONCLUSIVE,
        RUNNING,
        "its registry does not tell",
        acts.registry_away,
        REGISTRY,
    ),
)
