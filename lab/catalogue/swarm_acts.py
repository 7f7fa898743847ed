"""What is done to a stack: what only a Swarm can be in, or do. Judged in swarm.py."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

from lab import nodes, registry
from lab.catalogue import plant
from lab.images import LabError
from lab.reference import ORCHESTRATOR, WORKER
from lab.stack import Stack

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


def on_its_way_to_the_change(lab: Stack) -> None:
    """An update to the change that has reached its first task; the next one is to follow in an hour."""
    lab.deliver("phase1")
    options = (
        "--update-parallelism",
        "1",
        "--update-delay",
        "1h",
        "--no-resolve-image",
        "--image",
        lab.image("phase1"),
    )
    lab.ask_manager("service", "update", "-q", "-d", *options, f"{lab.project}_{WORKER}")
    lab.wait(lambda: any(_runs(task, lab.image("phase1")) for task in lab.tasks(WORKER)), "the change's first task")


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
    killed_before(lab)
    lab.force(WORKER)
    lab.wait_settled()
    lab.wait_consuming()


def killed_before(lab: Stack) -> None:
    """One container was killed by hand: another task took its slot, of the same definition."""
    lab.containers(WORKER)[0].kill()
    lab.wait(lambda: any(t["Status"]["State"] == "failed" for t in lab.tasks(WORKER)), "the failed task")
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


def pushed_again(lab: Stack) -> None:
    """The registry's tag means the change, as the team pushes it; the tasks run the old image by its digest."""
    lab.deliver("phase1")


def registry_away(_: Stack) -> None:
    """What the tag in the stack's file means now, nobody can tell."""
    registry.stop(nodes.REGISTRY)


def tag_on_a_node_only(lab: Stack) -> None:
    """Harmless: tasks are started by the digest."""
    lab.deliver("phase1")
    node = _last(lab)
    client = lab.clients[node.name]
    client.images.pull(lab.deployed_image("phase1"))
    lab.deliver("before")
