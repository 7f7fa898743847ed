"""Sabotage of a stack: what only a Swarm can be in, or do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any, cast

from lab.catalogue import plant
from lab.catalogue.entry import (
    CODE,
    GO,
    IMPATIENT,
    INCONCLUSIVE,
    NO_GO,
    PROCESSING,
    RUNNING,
    Entry,
    meanwhile,
)
from lab.images import LabError
from lab.reference import ORCHESTRATOR, WORKER
from lab.stack import Stack

GROUP, IMAGE, BIND = "swarm", "stack", "stack-bind"
_NOTICED_S = 40.0  # the manager needs 12 s to miss a node


def _update(*arguments: str) -> Callable[[Stack], None]:
    """Of the worker, to its end."""

    def apply(lab: Stack) -> None:
        lab.ask_manager("service", "update", "-q", "-d", *arguments, f"{lab.project}_{WORKER}")
        lab.wait_settled()

    return apply


def _last(lab: Stack) -> Any:
    return lab.nodes[-1]


def the_change(lab: Stack) -> None:
    lab.deploy("phase1")


def new_files_old_process(lab: Stack) -> None:
    """The change was deployed; its files were put back on every node, and no task was made anew."""
    lab.deploy("phase1")
    lab.old_files()


def one_node_left(lab: Stack) -> None:
    """An update back that stands still after the first task: the others run the change."""
    lab.deploy("phase1")
    image = lab.image("before")
    options = ("--update-parallelism", "1", "--update-delay", "1h", "--no-resolve-image", "--image", image)
    lab.ask_manager("service", "update", "-q", "-d", *options, f"{lab.project}_{WORKER}")
    lab.wait(lambda: any(_runs(task, image) for task in lab.tasks(WORKER)), "the first task of the old image")


def _runs(task: Any, image: str) -> bool:
    return bool(task["Status"]["State"] == "running" and task["Spec"]["ContainerSpec"]["Image"] == image)


def another_image_on_one_node(lab: Stack) -> None:
    """There is no registry: the tag of the old image means the change's on the last node."""
    lab.deliver("phase1")
    node = _last(lab)
    client = lab.clients[node.name]
    client.images.get(lab.image("phase1")).tag(lab.image("before"))
    _update("--force")(lab)
    lab.wait_consuming()


def tag_moved_on_one_node(lab: Stack) -> None:
    """After the tasks were started: the next one on that node would run the change."""
    lab.deliver("phase1")
    lab.clients[_last(lab).name].images.get(lab.image("phase1")).tag(lab.image("before"))


def paused(lab: Stack) -> None:
    """An update to an image that no node has pauses; its first slot has no task that runs."""
    options = ("--update-parallelism", "1", "--update-failure-action", "pause", "--no-resolve-image")
    lab.ask_manager("service", "update", "-q", "-d", *options, "--image", "nobody/has-it:1", f"{lab.project}_{WORKER}")
    lab.wait(lambda: _state(lab) == "paused", "the pause")


def _state(lab: Stack) -> str:
    return str((lab.service(WORKER).get("UpdateStatus") or {}).get("State") or "")


def paused_with_all_running(lab: Stack) -> None:
    """Start-first: the refused task stops nothing, and every old one runs. What would start next is another image."""
    options = ("--update-order", "start-first", "--update-failure-action", "pause", "--no-resolve-image")
    lab.ask_manager("service", "update", "-q", "-d", *options, "--image", "nobody/has-it:1", f"{lab.project}_{WORKER}")
    lab.wait(lambda: _state(lab) == "paused", "the pause")


def went_back_to_the_change(lab: Stack) -> None:
    """The rollback failed, and Swarm rolled it back by itself."""
    lab.deploy("phase1")
    options = ("--update-failure-action", "rollback", "--no-resolve-image", "--image", "nobody/has-it:1")
    lab.ask_manager("service", "update", "-q", "-d", *options, f"{lab.project}_{WORKER}")
    lab.wait(lambda: _state(lab) == "rollback_completed", "Swarm's own rollback")
    lab.wait_settled()


def rolled_back_twice(lab: Stack) -> None:
    """`docker service rollback` after the rollback: it alternates, and returns the change."""
    lab.deploy("phase1")
    _update("--no-resolve-image", "--image", lab.image("before"))(lab)
    lab.ask_manager("service", "rollback", "-q", "-d", f"{lab.project}_{WORKER}")
    lab.wait(lambda: _state(lab) == "rollback_completed", "the second rollback")
    lab.wait_settled()


def pending(lab: Stack) -> None:
    """No node fits: the tasks wait for ever."""
    lab.ask_manager(
        "service", "update", "-q", "-d", "--constraint-add", "node.labels.disk==ssd", f"{lab.project}_{WORKER}"
    )
    lab.wait(lambda: any(t["Status"]["State"] == "pending" for t in lab.tasks(WORKER)), "a task that waits")
    lab.wait(lambda: not lab.containers(WORKER), "the old tasks to end")


def no_folder_on_the_node(lab: Stack) -> None:
    """The only node that may run it does not have the folder of the mount."""
    node = _last(lab)
    shutil.rmtree(node.own / "enrichment_service")
    constraint = f"node.hostname=={node.name}"
    lab.ask_manager("service", "update", "-q", "-d", "--constraint-add", constraint, f"{lab.project}_{WORKER}")
    lab.wait(lambda: any(t["Status"]["State"] == "rejected" for t in lab.tasks(WORKER)), "a refused task")


def another_file_on_one_node(lab: Stack) -> None:
    """Restored on two nodes of three: the third has the change behind its mount, and its task was made anew."""
    lab.put_files("phase1")
    lab.copy_code(_last(lab))
    lab.put_files("before")
    _update("--force")(lab)


def unmounted(lab: Stack) -> None:
    """The folder of the last node is empty, as where a file system is not mounted; its process runs on."""
    folder = _last(lab).own / "enrichment_service"
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def node_down(lab: Stack) -> None:
    """Its engine is gone, its containers go on, and the manager has replaced them."""
    node = _last(lab)
    node.kill()
    _missed(lab, node.name)


def node_cut_off(lab: Stack) -> None:
    """Its containers run on without a connection; the manager has replaced them."""
    node = _last(lab)
    node.cut()
    _missed(lab, node.name)


def _missed(lab: Stack, name: str) -> None:
    def is_down() -> bool:
        rows = lab.manager.nodes.list()
        return any(r.attrs["Description"]["Hostname"] == name and r.attrs["Status"]["State"] == "down" for r in rows)

    def are_replaced() -> bool:
        tasks = [t for t in lab.tasks(WORKER) if t["DesiredState"] == "running" and t["Status"]["State"] == "running"]
        return len(tasks) == 3

    lab.wait(is_down, f"the manager to miss {name}", _NOTICED_S)
    lab.wait(are_replaced, "the replacements", _NOTICED_S)


def node_cut_off_just_now(lab: Stack) -> None:
    """The manager still takes it for ready."""
    _last(lab).cut()


def node_removed(lab: Stack) -> None:
    """Removed by force: its containers go on, and the manager has forgotten the node."""
    node_down(lab)
    node = next(row for row in lab.manager.nodes.list() if row.attrs["Description"]["Hostname"] == _last(lab).name)
    node.remove(force=True)


def outlived(lab: Stack) -> None:
    """A container of an earlier task, with the change, was started again on its node."""
    lab.deploy("phase1")
    _update("--no-resolve-image", "--image", lab.image("before"))(lab)
    wanted: dict[str, Any] = {"label": f"com.docker.swarm.service.name={lab.project}_{WORKER}"}
    for client in lab.clients.values():
        ended = [c for c in client.containers.list(all=True, filters=wanted) if c.status == "exited"]
        if ended:
            ended[0].start()
            return
    raise LabError("no node has kept an ended container")


def _crashing(lab: Stack) -> None:
    path = lab.directory / "enrichment_service" / "config.py"
    path.write_text(f"import os; os._exit(3)\n{path.read_text()}")
    lab.copy_code()


def crashes(lab: Stack) -> None:
    """The process ends by itself again and again: Swarm makes a new task each time."""
    lab.put_files("before")
    _crashing(lab)
    lab.force(WORKER)
    lab.wait(lambda: sum(t["Status"]["State"] == "failed" for t in lab.tasks(WORKER)) > 3, "the crashes", 90)


def another_environment(lab: Stack) -> None:
    """By a service update alone: the stack's file says otherwise."""
    _update("--env-add", "LOG_LEVEL=DEBUG")(lab)
    lab.wait_consuming()


def file_has_the_change(lab: Stack) -> None:
    """The service was updated back, and the stack's file still names the change's image."""
    lab.deploy("phase1")
    for service in ("enrichment-worker", "enrichment-coordinator"):
        options = ("--no-resolve-image", "--image", lab.image("before"))
        lab.ask_manager("service", "update", "-q", "-d", *options, f"{lab.project}_{service}")
    lab.wait_settled()
    lab.wait_consuming()


def another_service(lab: Stack) -> None:
    """A service of the stack that the profile does not list has the code of the change."""
    lab.deliver("phase1")
    labels = ("--label", f"com.docker.stack.namespace={lab.project}")
    container = ("--container-label", f"com.docker.stack.namespace={lab.project}")
    options = ("--no-resolve-image", "--endpoint-mode", "dnsrr", "--name", f"{lab.project}_reporter")
    lab.ask_manager(
        "service", "create", "-q", "-d", *labels, *container, *options, lab.image("phase1"), "sleep", "1000"
    )
    lab.wait(lambda: bool(lab.containers("reporter")), "the other service")


def scaled_up(lab: Stack) -> None:
    lab.ask_manager("service", "scale", "-d", f"{lab.project}_{WORKER}=4")
    lab.wait(lambda: len(lab.containers(WORKER)) == 4, "the fourth")


def scaled_down(lab: Stack) -> None:
    lab.ask_manager("service", "scale", "-d", f"{lab.project}_{WORKER}=2")
    lab.wait(lambda: len(lab.containers(WORKER)) == 2, "the third to end")


def forced(lab: Stack) -> None:
    lab.force(WORKER)


def gone(lab: Stack) -> None:
    lab.ask_manager("service", "rm", f"{lab.project}_{WORKER}")
    lab.wait(lambda: not lab.containers(WORKER), "the workers to end")


def drained(lab: Stack) -> None:
    """Before the checks, and all its tasks have moved."""
    lab.ask_manager("node", "update", "--availability", "drain", _last(lab).name)
    lab.wait(lambda: all(lab.node_of(c).name != _last(lab).name for c in lab.containers(WORKER)), "the drain")
    lab.wait_settled()
    lab.wait_consuming()


def killed_long_ago(lab: Stack) -> None:
    """One container was killed by hand, and replaced, before the stack was deployed anew."""
    lab.containers(WORKER)[0].kill()
    lab.wait(lambda: any(t["Status"]["State"] == "failed" for t in lab.tasks(WORKER)), "the failed task")
    lab.force(WORKER)
    lab.wait_settled()
    lab.wait_consuming()


def stuck_on_the_way_to_the_change(lab: Stack) -> None:
    """One task a node, each started before its predecessor ends: no new one fits, and every old one runs."""
    lab.deliver("phase1")
    options = ("--replicas-max-per-node", "1", "--update-order", "start-first", "--no-resolve-image")
    lab.ask_manager(
        "service", "update", "-q", "-d", *options, "--image", lab.image("phase1"), f"{lab.project}_{WORKER}"
    )
    lab.wait(lambda: any(t["Status"]["State"] == "pending" for t in lab.tasks(WORKER)), "a task that waits")


def mount_by_hand(lab: Stack) -> None:
    _update("--mount-add", "type=volume,source=models,target=/models")(lab)
    lab.wait_consuming()


def another_command(lab: Stack) -> None:
    """The tasks run, and are no workers."""
    _update("--args", "sleep 100000")(lab)


def frozen(lab: Stack) -> None:
    lab.containers(WORKER)[0].kill(signal="STOP")


def paused_on_its_node(lab: Stack) -> None:
    lab.containers(WORKER)[0].pause()


def killed_once(lab: Stack) -> None:
    lab.containers(WORKER)[0].kill()


def given_up(lab: Stack) -> None:
    """`max_attempts`, as in the team's own stack: Swarm starts no task any more."""
    before = len(lab.tasks(WORKER))
    _crashing(lab)
    options = ("--restart-max-attempts", "1", "--restart-window", "1h")
    lab.ask_manager("service", "update", "-q", "-d", "--force", *options, f"{lab.project}_{WORKER}")
    lab.wait(lambda: len(lab.tasks(WORKER)) > before and not _wanted(lab), "Swarm to give up", 90)


def _wanted(lab: Stack) -> list[Any]:
    return [task for task in lab.tasks(WORKER) if task["DesiredState"] in ("running", "ready")]


def copied_into_one(lab: Stack) -> None:
    """The change's file was copied into one container; its process goes on."""
    container = lab.containers(WORKER)[-1]
    container.put_archive("/app", plant.tar_of(ORCHESTRATOR, plant.release_file("phase1")))


def beside_the_stack(lab: Stack) -> None:
    """A container that Swarm knows nothing of consumes the same queue, with the change."""
    lab.deliver("phase1")
    client = lab.clients[_last(lab).name]
    container = lab.containers(WORKER)[0]
    client.containers.run(
        lab.image("phase1"),
        detach=True,
        environment=container.attrs["Config"]["Env"],
        name="beside",
        network_mode="host",
    )
    found = client.containers.get("beside")
    lab.wait(lambda: b"connection successful" in found.logs(), "it to consume")
    lab.load(4)


def drain_one(lab: Stack) -> None:
    lab.ask_manager("node", "update", "--availability", "drain", _last(lab).name)


def cut_off_one(lab: Stack) -> None:
    _last(lab).cut()


def on_every_node(lab: Stack) -> None:
    """A global service: one task on each node."""
    lab.everywhere()


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


ENTRIES = (
    _entry("stack-healthy", "a stack as it should be", GO, CODE, "", lambda _: None),
    _entry(
        "stack-healthy-mounted", "the same, with its code in a folder of each node", GO, CODE, "", lambda _: None, BIND
    ),
    _entry("node-drained", "a node was drained, and its tasks run elsewhere", GO, CODE, "", drained),
    _entry("killed-long-ago", "a task failed before the one that runs now was ordered", GO, CODE, "", killed_long_ago),
    _entry("stack-change", "nothing was rolled back", NO_GO, CODE, "not the old code", the_change),
    _entry(
        "stack-old-process",
        "files put back, tasks not made anew",
        NO_GO,
        CODE,
        ("older than", "not the old code", "only the change logs"),
        new_files_old_process,
        BIND,
    ),
    _entry(
        "one-task-back",
        "the update back stands still after its first task",
        NO_GO,
        CODE,
        "not the old code",
        one_node_left,
    ),
    _entry(
        "image-differs-on-a-node",
        "one node has the change's image under the old one's tag",
        NO_GO,
        CODE,
        "not the old code",
        another_image_on_one_node,
    ),
    _entry(
        "tag-moved-on-a-node", "the same, moved after its task was started", NO_GO, CODE, "next", tag_moved_on_one_node
    ),
    _entry(
        "file-differs-on-a-node",
        "files put back on two nodes of three",
        NO_GO,
        CODE,
        "not the old code",
        another_file_on_one_node,
        BIND,
    ),
    _entry("unmounted-on-a-node", "the folder with the code is empty on one node", NO_GO, CODE, "", unmounted, BIND),
    _entry(
        "update-paused",
        "the update is paused, a slot has no task that runs",
        NO_GO,
        RUNNING,
        "2 of 3 replicas run",
        paused,
    ),
    _entry(
        "update-paused-quietly",
        "the update is paused, and every old task runs",
        INCONCLUSIVE,
        RUNNING,
        "is paused",
        paused_with_all_running,
    ),
    _entry(
        "swarm-rolled-back",
        "the rollback failed, and Swarm returned to the change",
        NO_GO,
        CODE,
        "not the old code",
        went_back_to_the_change,
    ),
    _entry(
        "rolled-back-twice",
        "a second `service rollback` returned the change",
        NO_GO,
        CODE,
        "not the old code",
        rolled_back_twice,
    ),
    _entry(
        "task-pending",
        "tasks wait for a node that fits, for ever",
        NO_GO,
        RUNNING,
        "waits for a node that fits",
        pending,
    ),
    _entry(
        "task-rejected",
        "the node does not have the folder of a mount",
        NO_GO,
        RUNNING,
        "source path does not exist",
        no_folder_on_the_node,
        BIND,
    ),
    _entry("node-down", "a node's engine is down, its containers go on", INCONCLUSIVE, RUNNING, "rgl3", node_down),
    _entry(
        "node-cut-off",
        "a node is cut off from the manager, its containers go on",
        INCONCLUSIVE,
        RUNNING,
        "rgl3",
        node_cut_off,
    ),
    _entry(
        "node-cut-off-just-now",
        "the same, and the manager has not noticed",
        INCONCLUSIVE,
        RUNNING,
        "rgl3",
        node_cut_off_just_now,
    ),
    _entry(
        "node-removed",
        "a node was removed by force, its containers go on",
        INCONCLUSIVE,
        RUNNING,
        "does not know this node",
        node_removed,
    ),
    _entry(
        "container-outlived-its-task",
        "an ended container with the change was started again",
        NO_GO,
        CODE,
        "not the old code",
        outlived,
    ),
    _entry("stack-crashes", "tasks fail again and again", NO_GO, RUNNING, "", crashes, BIND),
    _entry(
        "environment-by-hand",
        "a service update gave another environment than the stack's file has",
        INCONCLUSIVE,
        RUNNING,
        "environment LOG_LEVEL",
        another_environment,
    ),
    _entry(
        "stack-file-has-the-change",
        "the stack's file still names the change's image",
        INCONCLUSIVE,
        RUNNING,
        "another image",
        file_has_the_change,
    ),
    _entry(
        "stack-service-left-out",
        "another service of the stack has the change",
        INCONCLUSIVE,
        CODE,
        "reporter",
        another_service,
    ),
    _entry("scaled-up", "one replica more than is normal", INCONCLUSIVE, RUNNING, "4 replicas exist", scaled_up),
    _entry("scaled-down", "one replica less than is normal", NO_GO, RUNNING, "2 of 3 replicas run", scaled_down),
    _entry(
        "stack-scaled-meanwhile",
        "scaled while the checks run",
        INCONCLUSIVE,
        RUNNING,
        "new:",
        lambda _: None,
        judge=meanwhile("soak: watching", lambda lab: scaled_up(cast(Stack, lab))),
    ),
    _entry(
        "stack-forced-meanwhile",
        "made anew while the checks run",
        INCONCLUSIVE,
        RUNNING,
        ("gone:", "new:"),
        lambda _: None,
        judge=meanwhile("soak: watching", lambda lab: forced(cast(Stack, lab))),
    ),
    _entry("service-removed", "the service is gone", NO_GO, RUNNING, "0 of 3 replicas run", gone),
    _entry("stack-global", "a global service, one task on each node", GO, CODE, "", on_every_node),
    _entry(
        "stuck-on-the-way",
        "an update to the change that cannot begin: every old task runs",
        NO_GO,
        CODE,
        "next start would be the change",
        stuck_on_the_way_to_the_change,
    ),
    _entry(
        "mount-by-hand", "a service update gave another mount", INCONCLUSIVE, RUNNING, "mount /models", mount_by_hand
    ),
    _entry(
        "stack-other-command", "tasks run another program", NO_GO, PROCESSING, "", another_command, settings=IMPATIENT
    ),
    _entry("stack-frozen", "the process of one task is stopped", NO_GO, RUNNING, "SIGSTOP", frozen),
    _entry("stack-paused", "the container of one task is paused", NO_GO, RUNNING, "paused", paused_on_its_node),
    _entry(
        "stack-killed-meanwhile",
        "a container is killed while the checks run",
        NO_GO,
        RUNNING,
        "is now exited",
        lambda _: None,
        judge=meanwhile("soak: watching", lambda lab: killed_once(cast(Stack, lab))),
    ),
    _entry(
        "stack-given-up",
        "Swarm has given up after `max_attempts`",
        NO_GO,
        RUNNING,
        "0 of 3 replicas run",
        given_up,
        BIND,
    ),
    _entry(
        "copied-into-one-task",
        "the change's file copied into one container",
        NO_GO,
        CODE,
        "not the old code",
        copied_into_one,
    ),
    _entry(
        "beside-the-stack",
        "a container outside the stack consumes with the change",
        NO_GO,
        CODE,
        "carry the mark of the change",
        beside_the_stack,
    ),
    _entry(
        "drained-meanwhile",
        "a node is drained while the checks run",
        INCONCLUSIVE,
        RUNNING,
        ("gone:", "new:"),
        lambda _: None,
        judge=meanwhile("soak: watching", lambda lab: drain_one(cast(Stack, lab))),
    ),
    _entry(
        "cut-off-meanwhile",
        "a node is cut off while the checks run",
        INCONCLUSIVE,
        RUNNING,
        "rgl3",
        lambda _: None,
        judge=meanwhile("soak: watching", lambda lab: cut_off_one(cast(Stack, lab))),
        settings=("limits.soak_s=6",),
    ),
)
