"""A stack on the nodes of a real Swarm: what is asked of whom, and what one command says to another.

What is judged how is in the catalogue, group `swarm`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from docker.errors import ImageNotFound

from lab import ssh
from lab.catalogue import swarm_acts
from lab.operator import Operator, finding, settings
from lab.reference import COORDINATOR, WORKER
from lab.stack import Stack
from lab.stack_files import STACK_FILE
from rollback_gate.errors import RollbackFailed, Unreachable
from rollback_gate.rollback.plan import Step
from rollback_gate.workflow.order import Order
from rollback_gate.workflow.rollback import resume, rollback, undo
from tests.e2e.killing import Workflow, in_this_process, killed_everywhere, watching


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    stack = Stack.begun(project="e2e-stack")
    try:
        folder = tmp_path_factory.mktemp("stack")
        yield Operator(stack, folder / "reports", environ={"DOCKER_HOST": stack.nodes[0].host, "COLUMNS": "300"})
    finally:
        stack.down()


@pytest.fixture
def stack(operator: Operator) -> Stack:
    assert isinstance(operator.lab, Stack)
    return operator.lab


def test_a_stack_is_judged_task_by_task_on_its_nodes_and_the_gate_opens_while_nothing_changes(
    operator: Operator, stack: Stack
) -> None:
    """GO; shut after a task was made anew, though it is the same code."""
    stack.heal()
    ended = operator.verify()
    assert ended.status == 0, ended.output
    record = operator.newest_record()
    subjects = {claim["subject"] for claim in finding(record, "worker_running")["claims"]}
    nodes = {stack.node_of(container).name for container in stack.containers(WORKER)}
    assert all(any(f"on node {node}" in subject for subject in subjects) for node in nodes)
    assert {"the Swarm"} <= subjects
    assert operator.invoke("gate", *settings(*operator.quick)).status == 0
    stack.force(COORDINATOR)
    stack.wait_settled()
    stack.wait_consuming()
    shut = operator.invoke("gate", *settings(*operator.quick))
    assert shut.status == 20, shut.output
    assert "since then something has changed" in shut.output


def test_a_lab_delivers_the_image_that_it_delivered_before(stack: Stack) -> None:
    """Another lab may have built the same content meanwhile, which Docker's cache prefers as the newer one."""
    stack.deliver("before")
    delivered = stack.engine.images.get(stack.image("before")).id
    twin, _ = stack.engine.images.build(path=str(stack.directory), nocache=True, rm=True)
    assert twin.id != delivered
    try:
        stack.deliver("before")
        assert stack.engine.images.get(stack.image("before")).id == delivered
    finally:
        stack.engine.images.remove(str(twin.id))


@pytest.mark.thorough
def test_the_change_on_a_stack_is_no_go_and_an_assessment_sees_it(operator: Operator, stack: Stack) -> None:
    stack.heal("phase1")
    ended = operator.verify()
    assert ended.status == 10, ended.output
    assert "the old code" in ended.output
    assessed = operator.invoke("assess", *settings(*operator.quick))
    assert "on node" in assessed.output or assessed.status in (0, 20, 22), assessed.output


@pytest.mark.thorough
def test_a_node_that_does_not_answer_shuts_the_gate_too(operator: Operator, stack: Stack) -> None:
    """What was GO is unknown while a node is away: it may run anything."""
    stack.heal()
    assert operator.verify().status == 0
    swarm_acts.node_cut_off_just_now(stack)
    shut = operator.invoke("gate", *settings(*operator.quick))
    assert shut.status == 20, shut.output
    assert stack.nodes[-1].name in shut.output


def test_each_command_says_which_platform_it_is(operator: Operator, stack: Stack) -> None:
    """Not that somebody has stopped the service."""
    stack.heal()
    other = stack.directory / "compose.toml"
    text = stack.profile.read_text().partition("[nodes.")[0]
    other.write_text(text.replace('platform = "swarm"', 'platform = "compose"'))
    as_compose = operator.invoke("verify", "--profile", str(other))
    assert as_compose.status == 2, as_compose.output
    assert 'set deployment.platform = "swarm"' in as_compose.output
    at_a_worker = operator.invoke("rollback.status", DOCKER_HOST=stack.nodes[1].host)
    assert "is a worker of a Swarm" in at_a_worker.output
    assert "set DOCKER_HOST to one of the Swarm's managers" in at_a_worker.output
    status = operator.invoke("rollback.status")
    assert status.status == 0, status.output
    assert "on node" in status.output


def test_a_stack_is_rolled_back_without_interruption_and_undone(operator: Operator, stack: Stack) -> None:
    """By the image in the stack's file. A second rollback changes nothing; the service's own pace is put back."""
    stack.heal("phase1")
    own = stack.service(WORKER)["Spec"]["UpdateConfig"]
    ended = operator.rollback("--reason", "a test", "--despite-assessment", "verify")
    assert ended.status == 0, ended.output
    assert "interruption: none" in ended.output
    assert "GO: all four checks passed on 3 workers" in ended.output
    assert f"image: {stack.image('before')}" in (stack.directory / STACK_FILE).read_text()
    assert stack.service(WORKER)["Spec"]["UpdateConfig"] == own
    tasks = {container.id for container in stack.containers(WORKER)}
    again = operator.rollback("--reason", "again", "--despite-assessment")
    assert "nothing to do, nothing was changed" in again.output
    assert {container.id for container in stack.containers(WORKER)} == tasks
    undone = operator.invoke("rollback.undo", "--reason", "back")
    assert undone.status == 0, undone.output
    assert f"image: {stack.image('phase1')}" in (stack.directory / STACK_FILE).read_text()
    assert operator.verify().status == 10


@pytest.mark.thorough
def test_where_only_the_stacks_file_has_the_change_no_task_is_made_anew(operator: Operator, stack: Stack) -> None:
    """As after a rollback by hand: what works is not stopped."""
    stack.heal()
    file = stack.directory / STACK_FILE
    file.write_text(file.read_text().replace(stack.image("before"), stack.image("phase1")))
    running = {container.id for container in stack.containers(WORKER)}
    ended = operator.rollback("--reason", "a test", "--despite-assessment", "verify")
    assert ended.status == 0, ended.output
    assert stack.image("phase1") not in file.read_text()
    assert {container.id for container in stack.containers(WORKER)} == running


@pytest.mark.thorough
def test_a_change_whose_image_no_node_can_have_is_rolled_back(operator: Operator, stack: Stack) -> None:
    """It leaves no container of the service at all."""
    stack.heal()
    for client in stack.clients.values():
        with suppress(ImageNotFound):
            client.images.remove(stack.image("phase1"), force=True)
    by_stop = ("--update-parallelism", "0", "--update-order", "stop-first", "--no-resolve-image")
    worker = f"{stack.project}_{WORKER}"
    stack.ask_manager("service", "update", "-q", "-d", *by_stop, "--image", stack.image("phase1"), worker)
    stack.wait(lambda: not stack.containers(WORKER), "the workers to end")
    ended = operator.rollback("--reason", "a test", "--despite-assessment", "verify")
    assert ended.status == 0, ended.output


@pytest.mark.thorough
def test_a_change_that_is_still_on_its_way_is_rolled_back_and_another_version_is_left_to_its_owner(
    operator: Operator, stack: Stack
) -> None:
    """Its own update, with an hour between two tasks, is no reason to wait for it."""
    stack.heal()
    swarm_acts.on_its_way_to_the_change(stack)
    ended = operator.rollback("--reason", "a test", "--despite-assessment", "verify")
    assert ended.status == 0, ended.output
    assert f"an update of {WORKER} is under way: this rollback takes its place" in ended.output
    assert "GO: all four checks passed on 3 workers" in ended.output
    tag = f"{stack.project}-worker:hotfix"
    for node in stack.nodes:
        stack.clients[node.name].images.get(stack.image("before")).tag(tag)
    options = ("-q", "-d", "--no-resolve-image", "--update-delay", "0s", "--image", tag)
    stack.ask_manager("service", "update", *options, f"{stack.project}_{WORKER}")
    stack.wait_settled()
    refused = operator.rollback("--reason", "a test", "--despite-assessment")
    for node in stack.nodes:
        stack.clients[node.name].images.remove(tag, noprune=True)  # a tag only
    assert refused.status == 50, refused.output
    assert f"has image {tag}, which is neither the change's nor the old one" in refused.output


def _is_updating(stack: Stack) -> bool:
    return bool((stack.service(WORKER).get("UpdateStatus") or {}).get("State") == "updating")


def test_another_machines_run_keeps_the_stack(operator: Operator, stack: Stack) -> None:
    name = f"rollback-gate.{stack.project}"
    labels = ("--label", "host=another", "--label", "operator=amit", "--label", "pid=1", "--label", "purpose=rollback")
    stack.ask_manager("config", "create", *labels, "--label", "since=now", name, "/etc/hostname")
    try:
        locked = operator.verify()
        assert locked.status == 40, locked.output
        assert "amit on another" in locked.output
        assert f"docker config rm {name}" in locked.output
    finally:
        stack.ask_manager("config", "rm", name)


@pytest.mark.thorough
def test_an_update_that_cannot_be_done_fails_and_says_why(operator: Operator, stack: Stack) -> None:
    """No node has the old image: nothing that ran has ended, and an undo puts everything back."""
    stack.heal("phase1")
    for client in stack.clients.values():
        client.images.remove(stack.image("before"), force=True)
    before = {container.id for container in stack.containers(WORKER)}
    failed = operator.rollback("--reason", "a test", "--despite-assessment", "--image", stack.image("phase1"))
    assert failed.status in (30, 50), failed.output
    assert {container.id for container in stack.containers(WORKER)} == before


@pytest.mark.thorough
def test_a_node_that_is_lost_meanwhile_is_left_and_told(operator: Operator, stack: Stack) -> None:
    """The rest is rolled back; with the node back, a resume or a verify sees to it."""
    stack.heal("phase1")
    with operator.started(
        "rollback", "--reason", "a test", "--despite-assessment", *settings(*operator.quick)
    ) as process:
        stack.wait(lambda: _is_updating(stack), "the update")
        stack.nodes[-1].cut()
        output = process.communicate(timeout=280)[0]
    assert process.returncode in (0, 30), output
    lost = operator.verify()
    assert lost.status in (10, 20), lost.output
    assert stack.nodes[-1].name in lost.output
    stack.nodes[-1].connect()
    stack.wait(lambda: _all_ready(stack), "it", 90)
    if process.returncode:
        assert operator.invoke("rollback.resume", *settings(*operator.quick)).status == 0
    stack.wait_settled()
    stack.wait_consuming()
    back = operator.verify()
    assert back.status == 0, back.output


@dataclass
class Matrix:
    """One rollback, or one undo, that is disturbed once in every phase of every step; after each a resume goes on."""

    operator: Operator
    stack: Stack

    def act(self, what: Workflow) -> None:
        in_this_process(self.operator, what, Order(reason="a test", despite_assessment=True))

    def lost(self, first: Workflow) -> list[str]:
        """A node is off the network during each step; the steps."""
        lost: list[str] = []

        def without(step: Step, act: Callable[[], None]) -> None:
            if step.id in lost:
                act()
                return
            lost.append(step.id)
            self.stack.nodes[-1].cut()
            try:
                act()
            finally:
                self.stack.nodes[-1].connect()
                self.stack.wait(lambda: _all_ready(self.stack), "the node", 90)

        with watching(without):
            what = first
            while True:
                try:
                    self.act(what)
                    return lost
                except (RollbackFailed, Unreachable):
                    what = resume

    def disturb(self, how: str, first: Workflow, file: Path) -> None:
        times = killed_everywhere(self.act, first, file) if how == "killed" else self.lost(first)
        assert {f"update:{name}" for name in (WORKER, COORDINATOR)} <= {one.split()[0] for one in times}, times
        self.stack.wait_settled()
        self.stack.wait_consuming()


def _all_ready(stack: Stack) -> bool:
    return all(row.attrs["Status"]["State"] == "ready" for row in stack.manager.nodes.list())


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["killed", "lost"])
def test_killed_or_a_node_lost_at_every_step_it_converges(
    operator: Operator, stack: Stack, how: str, tmp_path: Path
) -> None:
    """Old code everywhere after the last resume, and after an undo the change; each service has its own pace again."""
    stack.heal("phase1")
    matrix, file = Matrix(operator, stack), stack.directory / STACK_FILE
    before = file.read_text(), [stack.service(name)["Spec"] for name in (WORKER, COORDINATOR)]
    matrix.disturb(how, rollback, tmp_path / "rollback")
    done = operator.verify()
    assert done.status == 0, done.output
    assert [stack.service(name)["Spec"]["UpdateConfig"] for name in (WORKER, COORDINATOR)] == [
        spec["UpdateConfig"] for spec in before[1]
    ]
    matrix.disturb(how, undo, tmp_path / "undo")
    assert operator.verify().status == 10
    now = [stack.service(name)["Spec"] for name in (WORKER, COORDINATOR)]
    for spec in (*now, *before[1]):
        spec["TaskTemplate"].pop("ForceUpdate", None)  # counts how often all tasks were made anew
    assert (file.read_text(), now) == before


@pytest.mark.thorough
def test_a_snapshot_keeps_what_the_services_are_made_from_and_the_images_on_each_node(
    operator: Operator, stack: Stack
) -> None:
    stack.heal()
    ended = operator.invoke("snapshot")
    assert ended.status == 0, ended.output
    (path,) = stack.directory.rglob("snapshot.json")
    manifest = json.loads(path.read_text())
    nodes = {stack.node_of(container).name for container in stack.containers(WORKER)}
    for node in nodes:
        kept = manifest["images"][f"{stack.image('before')} on node {node}"]
        assert stack.clients[node].images.get(kept["kept_as"]).id == kept["id"]
    spec = path.parent / "specs" / f"{WORKER}.json"
    assert json.loads(spec.read_text()) == stack.service(WORKER)["Spec"]
    assert spec.stat().st_mode & 0o077 == 0
    assert set(manifest["configuration_hashes"]) == {WORKER, COORDINATOR}


@pytest.mark.thorough
def test_a_profile_is_proposed_of_a_stack_and_each_statement_of_one_is_tried(
    operator: Operator, stack: Stack, tmp_path: Path
) -> None:
    stack.heal("phase1")
    checked = operator.invoke("profile.check")
    assert checked.status == 0, checked.output
    assert f"{WORKER}: 3 of 3 containers" in checked.output
    out, way = tmp_path / "proposed.toml", "tcp://{address}:2375"
    arguments = ("--directory", str(stack.directory), "--out", str(out), "--nodes", way, "--yes")
    ended = operator.invoke("profile.new", *arguments)
    assert ended.status == 0, ended.output
    made = tomllib.loads(out.read_text())
    own = tomllib.loads(stack.profile.read_text())
    keys = ("platform", "project", "project_directory", "files")
    assert {key: made["deployment"][key] for key in keys} == {key: own["deployment"][key] for key in keys}
    assert made["nodes"] == {node.name: {"address": node.host} for node in stack.nodes}
    assert made["services"][WORKER]["replicas"] == 3
    assert made["services"][WORKER]["consumes"]
    assert made["queue"]["address"] == own["queue"]["address"]
    assert made["database"]["address"] == own["database"]["address"]
    images = {(item["key"], item["new"], item["old"]) for item in made["change"] if item["kind"] == "image"}
    assert images == {(item["key"], item["new"], item["old"]) for item in own["change"] if item["kind"] == "image"}
    there = operator.invoke("profile.new", *arguments)
    assert "is there already" in there.output


@pytest.mark.thorough
def test_a_node_is_reached_by_ssh(operator: Operator, stack: Stack, tmp_path: Path) -> None:
    """One connection for each process, whatever it asks; without it, the node's tasks are unmeasured."""
    stack.heal()
    node = stack.nodes[-1]
    inside = ["nsenter", f"--net=/run/netns/{node.name}"]
    text = stack.profile.read_text()
    by_ssh = f"ssh://{node.address}:2222{node.folder}/docker.sock"
    other = stack.directory / "by-ssh.toml"
    other.write_text(text.replace(f'address = "{node.host}"', f'address = "{by_ssh}"'))
    with ssh.serving(tmp_path / "ssh", node.address, 2222, inside=inside) as server:
        path = server.environment({"PATH": operator.environment()["PATH"]})["PATH"]
        ended = operator.verify("--profile", str(other), PATH=path)
        assert ended.status == 0, ended.output
        assert 0 < server.connections < 10
        server.forget_host()
        refused = operator.verify("--profile", str(other), PATH=path)
        assert refused.status == 20, refused.output
        assert "Host key verification failed" in refused.output


@pytest.mark.thorough
def test_a_config_of_the_change_is_given_back_and_one_that_is_gone_is_named_before_anything_is_touched(
    operator: Operator, stack: Stack, tmp_path: Path
) -> None:
    stack.heal()
    target, names = "/etc/app.ini", [f"{stack.project}-settings-{number}" for number in (1, 2)]
    item = f'kind = "config"\nservices = ["{WORKER}"]\ntarget = "{target}"\nnew = "{names[1]}"\nold = "{names[0]}"\n'
    item += f'file = "{STACK_FILE}"\nkey = "configs.settings.name"\n'
    other = stack.directory / "with-config.toml"
    other.write_text(f"{stack.profile.read_text()}\n[[change]]\n{item}")
    given = ("--profile", str(other))
    file = stack.directory / STACK_FILE
    table = yaml.safe_load(file.read_text())
    table["services"][WORKER]["configs"] = [{"source": "settings", "target": target}]
    table["configs"] = {"settings": {"external": True, "name": names[1]}}
    file.write_text(yaml.safe_dump(table, sort_keys=False))
    for name in names:
        (tmp_path / name).write_text(f"name = {name}\n")
        stack.ask_manager("config", "create", name, str(tmp_path / name))
    try:
        _with_config(stack, f"source={names[1]},target={target}")
        changed = operator.verify(*given)
        assert changed.status == 10, changed.output
        assert f"was created with the change's config {target}" in changed.output
        back = operator.rollback("--reason", "a test", "--despite-assessment", *given, "verify", *given)
        assert back.status == 0, back.output
        assert _name_of_config(stack) == names[0]
        assert f"name: {names[0]}" in file.read_text()
        undone = operator.invoke("rollback.undo", "--reason", "a test", *given)
        assert undone.status == 0, undone.output
        assert _name_of_config(stack) == names[1]
        stack.ask_manager("config", "rm", names[0])
        before = {container.id for container in stack.containers(WORKER)}
        refused = operator.rollback("--reason", "a test", "--despite-assessment", *given)
        assert refused.status == 50, refused.output
        assert f"there is no config {names[0]} any more" in refused.output
        assert {container.id for container in stack.containers(WORKER)} == before
    finally:
        stack.ask_manager("service", "update", "-q", "--config-rm", names[1], f"{stack.project}_{WORKER}")
        for name in stack.ask_manager("config", "ls", "-q", "--filter", f"name={stack.project}-settings").split():
            stack.ask_manager("config", "rm", name)


def _with_config(stack: Stack, config: str) -> None:
    stack.ask_manager("service", "update", "-q", "--config-add", config, f"{stack.project}_{WORKER}")
    stack.wait_settled()
    stack.wait_consuming()


def _name_of_config(stack: Stack) -> str:
    (row,) = stack.service(WORKER)["Spec"]["TaskTemplate"]["ContainerSpec"]["Configs"]
    return str(row["ConfigName"])
