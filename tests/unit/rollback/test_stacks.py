"""A rollback of a stack: what is asked of its manager, and what happens when somebody or something is in the way."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from rollback_gate.change.goal import Direction, Goal, Mode
from rollback_gate.errors import Refused, RollbackFailed, Unreachable
from rollback_gate.platform.swarm import update
from rollback_gate.platform.swarm.cluster import Cluster, Object
from rollback_gate.platform.swarm.nodes import Node
from rollback_gate.platform.swarm.service import Service, Update
from rollback_gate.platform.swarm.stack import Seen, Stack
from rollback_gate.platform.swarm.tasks import Task
from rollback_gate.platform.swarm.update import Given
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback import plan, stacks
from rollback_gate.rollback.checklist import Checklist
from rollback_gate.rollback.preflight import updates_of
from rollback_gate.rollback.stacks import Limits
from rollback_gate.rollback.wanted import Wanted, why_not_given
from tests.unit.builders import STARTED, phase1, replica
from tests.unit.platform.swarm.test_update import at_rest, settled
from tests.unit.rollback.test_plan import KEEP, situation

BACK = Goal(Direction.ROLLBACK, Mode(), ())
WORKER = "enrichment-worker"


def service(**changes: Any) -> Service:
    """The worker, which runs the change's image with a setting of it."""
    spec = copy.deepcopy(dict(at_rest().spec))
    spec["TaskTemplate"]["ContainerSpec"] |= {"Image": "ocr/worker:2", "Env": ["TIMEOUT=5", "MODE=fast"]}
    return replace(at_rest(), name=f"ocr_{WORKER}", spec=spec, **changes)


@dataclass
class Fake:
    """A manager with one service, whose tasks are at once what its spec says. `refuse`: called before each post."""

    now: Service
    refuse: Callable[[Fake], None] = lambda _: None
    after: Callable[[Service], Service] = lambda service: service
    posted: list[dict[str, Any]] = field(default_factory=list)
    registry: dict[str, str] = field(default_factory=dict)
    images: dict[str, dict[str, str]] = field(
        default_factory=lambda: {n: {"ocr/worker:1": "sha256:1", "ocr/worker:2": "sha256:2"} for n in ("one", "two")}
    )
    late: list[Task] = field(default_factory=list)
    is_one_away: bool = False
    is_one_lost: bool = False  # to the manager only: it answers us
    lost_at: Callable[[], bool] = lambda: True
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    doubts: dict[tuple[str, str], str] = field(default_factory=dict)

    def services(self, project: str) -> dict[str, Service]:
        assert project == "ocr"
        return {WORKER: self.now, "enrichment-coordinator": self.now}

    def stacks(self, _: str) -> dict[str, Any]:
        tasks = [replace(task, template=self.now.template, node="here") for task in settled()] + self.late
        nodes = tuple(Node(known, known, "", "ready", "active", {}) for known in ("here", "lost"))
        away = {"lost": "no answer"}
        seen = tuple(Seen(replica(node="lost"), WORKER, task.id) for task in self.late if self.is_one_lost)
        return {WORKER: Stack(WORKER, seen, tuple(tasks), nodes, away if self.is_one_away else {})}

    def object_of(self, kind: str, name: str) -> Object | None:
        return self.objects.get((kind, name))

    def why_doubted(self, old: str, new: str, with_secrets: bool) -> str:
        assert not with_secrets, "nobody could go on who has made one again"
        return self.doubts.get((old, new), "")

    def lost_nodes(self) -> frozenset[str]:
        if not self.lost_at():
            return frozenset()
        return frozenset(["lost"] if self.is_one_away or self.is_one_lost else [])

    def digest_of(self, image: str) -> str:
        return self.registry.get(image, "")

    def places(self, project: str, service: str) -> list[str]:
        assert project == "ocr"
        return ["one", "two"] if service else []

    def on(self, name: str) -> Any:
        images = self.images[name]
        return type("Engine", (), {"image_id": lambda _, image: images.get(image)})()

    def post(self, known: Service, spec: dict[str, Any]) -> None:
        self.refuse(self)
        if known.version != self.now.version:
            raise Unreachable("the manager refused it: update out of sequence")
        self.posted.append(spec)
        self.now = self.after(replace(self.now, spec=spec, version=self.now.version + 1))


def profile() -> Profile:
    found = phase1('deployment.platform="swarm"', 'deployment.files=["s.yml"]', 'deployment.project="ocr"')
    items = [
        {
            "kind": "image",
            "services": [WORKER],
            "file": "s.yml",
            "key": "image",
            "new": "ocr/worker:2",
            "old": "ocr/worker:1",
        },
        {"kind": "setting", "services": [WORKER], "file": "s.yml", "key": "e.TIMEOUT", "new": "5", "old": "60"},
        {"kind": "setting", "services": [WORKER], "file": "s.yml", "key": "e.MODE", "new": "fast"},
    ]
    return Profile.model_validate({**found.model_dump(), "change": [*found.model_dump()["change"], *items]})


def wanted(fake: Fake, goal: Goal = BACK, kept: Path | None = None) -> dict[str, Wanted]:
    return stacks.of_goal(profile(), cast(Cluster, fake), kept, goal)


def updated(fake: Fake, want: Wanted, seconds: float = 1) -> str:
    clock = iter(range(1000))
    limits = Limits(seconds, lambda: float(next(clock)), lambda _: None)
    return stacks.updated(cast(Cluster, fake), "ocr", WORKER, want, False, limits)


def container(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["TaskTemplate"]["ContainerSpec"]
    return found


def test_a_service_gets_the_old_image_and_values_and_its_own_pace_again() -> None:
    fake = Fake(service())
    want = wanted(fake)[WORKER]
    assert not want.is_reached
    assert updated(fake, want) == f"{WORKER}: every task was made anew"
    first, last = fake.posted
    assert (container(first)["Image"], container(first)["Env"]) == ("ocr/worker:1", ["TIMEOUT=60"])
    assert first["UpdateConfig"]["Order"] == "start-first"
    assert last["UpdateConfig"] == service().spec["UpdateConfig"]
    assert last["TaskTemplate"] == first["TaskTemplate"]
    assert wanted(fake)[WORKER].is_reached


def test_an_undo_puts_back_what_the_run_has_kept(tmp_path: Path) -> None:
    fake = Fake(service())
    before = wanted(fake)
    stacks.keep(tmp_path, {name: one.service for name, one in before.items()})
    assert (tmp_path / "specs").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "specs").iterdir())
    updated(fake, before[WORKER])
    undo = wanted(fake, replace(BACK, direction=Direction.UNDO), tmp_path)[WORKER]
    assert not undo.is_reached
    updated(fake, undo)
    assert container(dict(fake.now.spec)) == container(dict(service().spec))


def test_an_undo_gives_back_the_changes_items_and_leaves_what_others_have_done_since(tmp_path: Path) -> None:
    fake = Fake(service())
    before = wanted(fake)
    stacks.keep(tmp_path, {name: one.service for name, one in before.items()})
    updated(fake, before[WORKER])
    later = copy.deepcopy(dict(fake.now.spec))
    container(later)["Env"] += ["SECRET_OF_TUESDAY=1"]
    fake.now = replace(fake.now, spec=later)
    updated(fake, wanted(fake, replace(BACK, direction=Direction.UNDO), tmp_path)[WORKER])
    assert sorted(container(dict(fake.now.spec))["Env"]) == ["MODE=fast", "SECRET_OF_TUESDAY=1", "TIMEOUT=5"]
    assert container(dict(fake.now.spec))["Image"] == "ocr/worker:2"


def test_an_undo_leaves_a_service_alone_that_the_run_did_not_know() -> None:
    fake = Fake(service())
    assert wanted(fake, replace(BACK, direction=Direction.UNDO))[WORKER].is_reached


def test_what_others_change_between_the_look_and_the_update_stays() -> None:
    fake = Fake(service())
    want = wanted(fake)[WORKER]
    meanwhile = copy.deepcopy(dict(fake.now.spec))
    container(meanwhile)["Env"] += ["X=1"]
    fake.now = replace(fake.now, spec=meanwhile, version=fake.now.version + 1)
    updated(fake, want)
    assert "X=1" in container(dict(fake.now.spec))["Env"]


def test_the_old_image_is_named_by_its_content_where_a_registry_tells_it() -> None:
    fake = Fake(service(), registry={"ocr/worker:1": "sha256:abc"})
    assert wanted(fake)[WORKER].given.image == "ocr/worker:1@sha256:abc"


def test_an_image_that_a_node_does_not_have_and_no_registry_knows_is_refused() -> None:
    """Else the only task would be stopped first, and the new one refused."""
    fake = Fake(service())
    fake.images["two"] = {}
    with pytest.raises(Refused, match="node two does not have image ocr/worker:1"):
        wanted(fake)


def test_a_setting_that_the_service_does_not_set_is_no_setting_to_revert() -> None:
    """It may reach the process by its command: to set it beside that would change nothing."""
    fake = Fake(service())
    assert why_not_given(profile(), wanted(fake)[WORKER], WORKER) == ""
    for rows, says in ((["MODE=fast"], "has no such variable"), (["TIMEOUT=9", "MODE=fast"], "has another value")):
        spec = copy.deepcopy(dict(fake.now.spec))
        container(spec)["Env"] = rows
        one = replace(wanted(fake)[WORKER], service=replace(fake.now, spec=spec))
        assert says in why_not_given(profile(), one, WORKER)


def test_an_update_that_was_taken_though_its_answer_was_lost_is_done() -> None:
    def lose(fake: Fake) -> None:
        fake.refuse = lambda _: None
        want = wanted(fake)[WORKER]
        fake.post(fake.now, update.spec_for(fake.now, want.given, False))
        raise Unreachable("the manager did not answer")

    fake = Fake(service(), lose)
    updated(fake, wanted(fake)[WORKER])
    assert len(fake.posted) == 2


def test_what_was_kept_and_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / f"{WORKER}.json").write_text("{")
    with pytest.raises(Refused, match="cannot be read"):
        wanted(Fake(service()), BACK, tmp_path)


def test_a_run_that_was_killed_waits_for_its_own_update_and_puts_the_pace_back(tmp_path: Path) -> None:
    """Not once more: tasks that have come would go again."""
    fake = Fake(service())
    want = wanted(fake)[WORKER]
    stacks.keep(tmp_path, {WORKER: want.service})
    fake.post(fake.now, update.spec_for(fake.now, want.given, False))
    fake.now, fake.posted = replace(fake.now, update=Update.GOES_ON), []

    def ended(found: Service) -> Service:
        return replace(found, update=Update.DONE)

    resumed = wanted(fake, BACK, tmp_path)[WORKER]
    assert not resumed.is_reached
    fake.after = ended
    states = iter([Update.GOES_ON, Update.GOES_ON, Update.DONE])
    services = fake.services
    fake.services = lambda project: {  # type: ignore[method-assign]
        name: replace(one, update=next(states, Update.DONE)) for name, one in services(project).items()
    }
    updated(fake, resumed)
    (only,) = fake.posted
    assert only["UpdateConfig"] == service().spec["UpdateConfig"]


def test_a_version_that_moved_with_the_status_only_is_tried_again() -> None:
    def move_once(fake: Fake) -> None:
        fake.refuse = lambda _: None
        fake.now = replace(fake.now, version=fake.now.version + 1)

    fake = Fake(service(), move_once)
    updated(fake, wanted(fake)[WORKER])
    assert len(fake.posted) == 2


def test_a_service_that_somebody_else_changes_meanwhile_is_left_to_them() -> None:
    def meddle(fake: Fake) -> None:
        other = copy.deepcopy(dict(fake.now.spec))
        container(other)["Image"] = "somebody/else:1"
        fake.now = replace(fake.now, spec=other, version=fake.now.version + 1)

    fake = Fake(service(), meddle)
    with pytest.raises(RollbackFailed, match="somebody else has changed service"):
        updated(fake, wanted(fake)[WORKER])
    assert fake.posted == []


def test_what_the_manager_refuses_is_told_as_it_is() -> None:
    def refuse(_: Fake) -> None:
        raise Unreachable("the manager refused the update: invalid reference")

    fake = Fake(service(), refuse)
    with pytest.raises(Unreachable, match="invalid reference"):
        updated(fake, wanted(fake)[WORKER])


@pytest.mark.parametrize("state", [Update.PAUSED, Update.GOES_BACK, Update.WENT_BACK, Update.GAVE_UP])
def test_an_update_that_swarm_gives_up_fails_with_its_words(state: Update) -> None:
    fake = Fake(service(), after=lambda found: replace(found, update=state, message="task failed"))
    with pytest.raises(RollbackFailed, match="task failed"):
        updated(fake, wanted(fake)[WORKER])


def test_an_update_that_does_not_end_fails_and_says_what_is_missing() -> None:
    fake = Fake(service(), late=[replace(settled()[0], id="old", desired="shutdown", node="here")])
    with pytest.raises(RollbackFailed, match="did not end within 5 s: a former task is being stopped"):
        updated(fake, wanted(fake)[WORKER], 5)


def test_a_former_task_on_a_node_that_is_lost_stops_nothing_and_is_told() -> None:
    lost = replace(settled()[0], id="old", desired="shutdown", node="lost")
    fake = Fake(service(), late=[lost], is_one_away=True)
    assert f"a container of {WORKER} on node lost could not be looked at: no answer" in updated(
        fake, wanted(fake)[WORKER]
    )


def test_a_node_that_the_manager_has_lost_and_that_answers_us_stops_nothing_either() -> None:
    """Nobody stops what runs there: the other services must get the old code all the same."""
    lost = replace(settled()[0], id="old", desired="shutdown", node="lost")
    fake = Fake(service(), late=[lost], is_one_lost=True)
    says = f"a container of {WORKER} on node lost goes on, as the manager has lost the node"
    assert says in updated(fake, wanted(fake)[WORKER], 60)


def test_a_node_that_is_lost_for_a_moment_is_waited_for() -> None:
    """A manager that has just begun to lead knows no node: what it will still stop must not be left running."""
    former = replace(settled()[0], id="old", desired="shutdown", node="lost")
    fake = Fake(service(), late=[former], is_one_lost=True)
    polls = itertools.count()
    fake.lost_at = lambda: next(polls) % 3 == 0
    with pytest.raises(RollbackFailed, match="did not end within 60 s: a former task is being stopped"):
        updated(fake, wanted(fake)[WORKER], 60)


@pytest.mark.parametrize(
    ("away", "state", "stands"), [(True, Update.GOES_ON, "assigned"), (False, Update.PAUSED, "shutdown")]
)
def test_an_update_that_waits_for_a_task_of_a_lost_node_is_begun_again(away: bool, state: Update, stands: str) -> None:
    """Swarm would wait for it for ever; and pause when the node is back and the task is stopped there."""
    fake = Fake(service(), is_one_away=away)
    want = wanted(fake)[WORKER]

    def lose_once(found: Service) -> Service:
        fake.late = [
            replace(settled()[0], id="x", state=stands, desired="shutdown", node="lost", template=found.template)
        ]
        fake.after = lambda found: found
        return replace(found, update=state)

    fake.after = lose_once
    fake.refuse = lambda fake: setattr(fake, "now", replace(fake.now, update=Update.DONE))
    updated(fake, want)
    first, again, last = fake.posted
    assert again["TaskTemplate"]["ForceUpdate"] == first["TaskTemplate"]["ForceUpdate"] + 1
    assert last["UpdateConfig"] == service().spec["UpdateConfig"]


def test_an_update_is_begun_again_a_few_times_only() -> None:
    def lose(found: Service) -> Service:
        fake.late = [replace(settled()[0], id="x", state="shutdown", desired="shutdown", template=found.template)]
        return replace(found, update=Update.PAUSED, message="update paused")

    fake = Fake(service(), after=lose)
    with pytest.raises(RollbackFailed, match="update paused"):
        updated(fake, wanted(fake)[WORKER], 30)
    assert len(fake.posted) == 4


def test_an_update_of_somebody_else_is_never_begun_again() -> None:
    """Theirs is newer than ours."""

    def taken_over(found: Service) -> Service:
        other = copy.deepcopy(dict(found.spec))
        container(other)["Image"] = "ocr/worker:hotfix"
        theirs = replace(found, spec=other, update=Update.PAUSED, message="update paused")
        fake.late = [replace(settled()[0], id="x", state="shutdown", desired="shutdown", template=theirs.template)]
        return theirs

    fake = Fake(service(), after=taken_over)
    with pytest.raises(RollbackFailed, match="somebody else has changed service"):
        updated(fake, wanted(fake)[WORKER])
    assert len(fake.posted) == 1
    assert container(dict(fake.now.spec))["Image"] == "ocr/worker:hotfix"


@pytest.mark.parametrize("state", ["failed", "complete"])
def test_a_task_whose_process_ended_is_a_failure_whatever_its_exit_status(state: str) -> None:
    def end(found: Service) -> Service:
        fake.late = [replace(settled()[0], id="x", state=state, desired="shutdown", template=found.template)]
        return replace(found, update=Update.PAUSED, message="update paused")

    fake = Fake(service(), after=end)
    with pytest.raises(RollbackFailed, match="update paused; task x"):
        updated(fake, wanted(fake)[WORKER])
    assert len(fake.posted) == 1


def test_a_task_that_failed_is_told_and_its_update_is_not_begun_again() -> None:
    def fail(found: Service) -> Service:
        made = replace(settled()[0], id="x", node="here", template=found.template)
        fake.late = [
            replace(made, state="failed", desired="shutdown", error="task: non-zero exit (3)"),
            replace(made, id="y", state="shutdown", desired="shutdown"),
        ]
        return replace(found, update=Update.PAUSED, message="update paused")

    fake = Fake(service(), after=fail)
    with pytest.raises(RollbackFailed, match=r"update paused; task x failed: task: non-zero exit \(3\)"):
        updated(fake, wanted(fake)[WORKER])
    assert len(fake.posted) == 1


OBJECTS = {
    "Configs": [{"File": {"Name": "/etc/app.ini"}, "ConfigID": "c2", "ConfigName": "app-2"}],
    "Secrets": [
        {"File": {"Name": "key", "UID": "7", "GID": "0", "Mode": 256}, "SecretID": "s2", "SecretName": "key-2"}
    ],
}


def with_objects() -> Profile:
    items = [
        {
            "kind": "config",
            "services": [WORKER],
            "target": target,
            "new": f"{name}-2",
            "old": f"{name}-1",
            "file": "s.yml",
            "key": f"{section}.{name}.name",
        }
        for target, name, section in (("/etc/app.ini", "app", "configs"), ("/run/secrets/key", "key", "secrets"))
    ]
    table = profile().model_dump()
    return Profile.model_validate({**table, "change": [*table["change"], *items]})


def fake_with_objects() -> Fake:
    spec = copy.deepcopy(dict(service().spec))
    container(spec).update(copy.deepcopy(OBJECTS))
    objects = {
        ("Config", "app-1"): Object("c1", "b25l", STARTED),
        ("Config", "app-2"): Object("c2", "dHdv", STARTED),
        ("Secret", "key-1"): Object("s1", "", STARTED),
        ("Secret", "key-2"): Object("s2", "", STARTED),
    }
    return Fake(replace(service(), spec=spec), objects=objects)


def wanted_with_objects(fake: Fake, goal: Goal = BACK, kept: Path | None = None) -> Wanted:
    return stacks.of_goal(with_objects(), cast(Cluster, fake), kept, goal)[WORKER]


def test_old_configs_and_secrets_are_given_back_by_their_ids_and_an_undo_returns_the_changes(tmp_path: Path) -> None:
    fake = fake_with_objects()
    before = wanted_with_objects(fake)
    rows = [(one.kind, one.present, one.wanted) for one in before.replaced()]
    assert rows == [("Config", "app-2", "app-1"), ("Secret", "key-2", "key-1")]
    stacks.keep(tmp_path, {WORKER: before.service})
    updated(fake, before)
    now = container(dict(fake.now.spec))
    assert [(row["ConfigID"], row["ConfigName"]) for row in now["Configs"]] == [("c1", "app-1")]
    assert [(row["SecretID"], row["SecretName"]) for row in now["Secrets"]] == [("s1", "key-1")]
    assert wanted_with_objects(fake).is_reached
    updated(fake, wanted_with_objects(fake, replace(BACK, direction=Direction.UNDO), tmp_path))
    assert {key: container(dict(fake.now.spec))[key] for key in OBJECTS} == OBJECTS


def test_a_config_that_only_the_old_service_had_and_that_was_removed_is_refused() -> None:
    """Nothing else uses it, so Swarm lets anybody remove it; the update would be refused in the middle of the run."""
    fake = fake_with_objects()
    del fake.objects["Secret", "key-1"]
    with pytest.raises(Refused, match="there is no secret key-1 any more") as caught:
        wanted_with_objects(fake)
    assert "docker secret create key-1 FILE" in caught.value.remedy


def test_an_old_config_that_was_made_again_with_the_changes_content_is_refused() -> None:
    """Its name is all that a service says of it."""
    fake = fake_with_objects()
    fake.doubts["app-1", "app-2"] = "config app-1 was made after app-2, and holds the same"
    with pytest.raises(Refused, match="config app-1 was made after app-2, and holds the same"):
        wanted_with_objects(fake)


@pytest.mark.parametrize("image", ["ocr/worker:1@sha256:abc", "sha256:1f"])
def test_an_old_image_by_its_content_must_be_somewhere_too(image: str) -> None:
    """Else the only task is stopped, and its successor refused."""
    fake = Fake(service())
    table = profile().model_dump()
    items = [{**one, "old": image} if one["kind"] == "image" else one for one in table["change"]]
    given = Profile.model_validate({**table, "change": items})

    def asked() -> str | None:
        return stacks.of_goal(given, cast(Cluster, fake), None, BACK)[WORKER].given.image

    with pytest.raises(Refused, match="node one, two does not have image"):
        asked()
    for node in fake.images.values():
        node[image] = "sha256:1"
    assert asked() == image
    done = stacks.of_goal(given, cast(Cluster, fake), None, BACK)[WORKER]
    updated(fake, done)
    fake.images["two"].clear()
    assert asked() == image, "there is nothing left to do"
    fake.now = service()
    fake.registry["ocr/worker:1@sha256:abc"] = "sha256:abc"
    if "@" in image:
        assert asked() == image


@pytest.mark.parametrize(("name", "says"), [("app-3", "has another one there"), ("", "has none there")])
def test_a_config_that_is_neither_old_nor_the_changes_is_refused(name: str, says: str) -> None:
    fake = fake_with_objects()
    assert why_not_given(with_objects(), wanted_with_objects(fake), WORKER) == ""
    spec = copy.deepcopy(dict(fake.now.spec))
    rows = container(spec)["Configs"]
    rows[0].update(ConfigName=name) if name else rows.clear()
    fake.now = replace(fake.now, spec=spec)
    assert says in why_not_given(with_objects(), wanted_with_objects(fake), WORKER)


@pytest.mark.parametrize(
    ("image", "is_known"),
    [
        ("ocr/worker:2", True),
        ("ocr/worker:2@sha256:abc", True),
        ("docker.io/ocr/worker:1", True),
        ("ocr/worker@sha256:abc", True),
        ("ocr/worker:hotfix", False),
        ("other/worker:2", False),
    ],
)
def test_an_image_that_somebody_else_has_deployed_since_is_left_to_them(image: str, is_known: bool) -> None:
    fake = Fake(service())
    spec = copy.deepcopy(dict(fake.now.spec))
    container(spec)["Image"] = image
    one = replace(wanted(fake)[WORKER], service=replace(fake.now, spec=spec))
    why = why_not_given(profile(), one, WORKER)
    assert ("neither the change's nor the old one" in why) is not is_known
    assert bool(why) is not is_known


@pytest.mark.parametrize(
    ("image", "state", "labels", "told", "refused"),
    [
        ("ocr/worker:2", Update.GOES_ON, {}, "this rollback takes its place", ""),
        ("ocr/worker:2", Update.GOES_BACK, {}, "this rollback takes its place", ""),
        ("ocr/worker:2", Update.DONE, {}, "", ""),
        ("ocr/worker:2", Update.GOES_ON, {"rollback-gate.own-pace": "null"}, "", ""),
        ("ocr/worker:hotfix", Update.DONE, {}, "", "neither the change's nor the old one"),
    ],
)
def test_an_update_that_is_under_way_is_no_reason_to_wait(
    image: str, state: Update, labels: dict[str, str], told: str, refused: str
) -> None:
    """It may be the change's own, on its way to every replica."""
    spec = copy.deepcopy(dict(service().spec))
    container(spec)["Image"] = image
    fake = Fake(replace(service(), spec={**spec, "Labels": labels}, update=state))
    checklist, found = Checklist(), situation(profile=profile(), stack=wanted(fake), services={})
    checklist.ask("updates", lambda: updates_of(found, checklist))
    why = checklist.refusal()
    assert refused in why.message if why else not refused, checklist
    assert bool([one for one in checklist.items if one.outcome == "warning"]) is bool(told)
    assert all(told in one.says for one in checklist.items if one.outcome == "warning")


def test_what_somebody_deploys_between_the_look_and_the_update_is_not_overwritten() -> None:
    fake = Fake(service())
    want = wanted(fake)[WORKER]
    spec = copy.deepcopy(dict(fake.now.spec))
    container(spec)["Image"] = "ocr/worker:hotfix"
    fake.now = replace(fake.now, spec=spec, version=fake.now.version + 1)
    with pytest.raises(RollbackFailed, match="somebody else has changed service"):
        updated(fake, want)
    assert not fake.posted


def test_a_value_that_a_service_cannot_hold_is_refused() -> None:
    """A variable of the file's, and what is no variable: a limit, which would stay as the change has it."""

    def why(**item: Any) -> str:
        found = profile().model_dump()
        setting = {"kind": "setting", "services": [WORKER], "file": "s.yml", **item}
        found["change"] = [*(one for one in found["change"] if one["kind"] != "setting"), setting]
        return why_not_given(Profile.model_validate(found), wanted(Fake(service()))[WORKER], WORKER)

    assert "a variable of the file's" in why(key="services.w.environment.TIMEOUT", new="5", old="${TIMEOUT:-60}")
    assert why(file="worker.env", key="TIMEOUT", new="5", old="^ocr-.*$") == "", "there it is the value itself"
    assert "can only restore" in why(key="services.w.deploy.resources.limits.memory", new="512M")
    assert why(key="services.w.environment.TIMEOUT", new="5", old="60") == ""
    assert why(key="x-all.TIMEOUT", new="5", old="60") == ""


@pytest.mark.parametrize("direction", list(Direction))
def test_a_variable_that_the_change_brought_and_that_is_gone_stops_neither_resume_nor_undo(
    direction: Direction, tmp_path: Path
) -> None:
    """`e.MODE`, as in an anchor: its key does not say that it is a variable."""
    fake = Fake(service())
    stacks.keep(tmp_path, {WORKER: fake.now})
    fake.now = replace(fake.now, spec=update.spec_for(fake.now, wanted(fake)[WORKER].given, False))
    one = wanted(fake, replace(BACK, direction=direction), tmp_path)[WORKER]
    assert why_not_given(profile(), one, WORKER) == ""


def test_an_undo_is_never_given_what_the_run_had_found_behind_the_same_tag(tmp_path: Path) -> None:
    """One tag for all releases, deployed without a digest: the change is the tag alone."""
    fake = Fake(service(), registry={"ocr/worker:2": ""})
    fake.images = {name: {"ocr/worker:2": "sha256:2"} for name in ("one", "two")}
    stacks.keep(tmp_path, {WORKER: fake.now})
    spec = copy.deepcopy(dict(fake.now.spec))
    container(spec)["Image"] = "ocr/worker:2@sha256:old"
    fake.now = replace(fake.now, spec=update.spec_for(replace(fake.now, spec=spec), Given(None, {}), False))
    assert wanted(fake, replace(BACK, direction=Direction.UNDO), tmp_path)[WORKER].given.image == "ocr/worker:2"


def test_an_update_of_ours_that_has_ended_is_not_begun_again_for_the_pace_alone() -> None:
    """A run was ended between the two: each further one would make every task anew."""
    fake = Fake(service())
    want = wanted(fake)[WORKER]
    fake.now = replace(fake.now, spec=update.spec_for(fake.now, want.given, False), update=Update.DONE)
    again = wanted(fake)[WORKER]
    clock = iter(range(1000))
    limits = Limits(5, lambda: float(next(clock)), lambda _: None)
    stacks.updated(cast(Cluster, fake), "ocr", WORKER, again, False, limits, is_needed=False)
    (last,) = fake.posted
    assert last["UpdateConfig"] == service().spec["UpdateConfig"]


def test_a_digest_that_a_run_has_found_stays_while_its_registry_is_away() -> None:
    fake = Fake(service(), registry={"ocr/worker:1": "sha256:abc"}, images={"one": {}, "two": {}})
    want = wanted(fake)[WORKER]
    fake.now = replace(fake.now, spec=update.spec_for(fake.now, want.given, False), update=Update.DONE)
    fake.registry.clear()
    assert wanted(fake)[WORKER].given.image == "ocr/worker:1@sha256:abc"


def test_by_hand_a_variable_that_the_change_brought_is_removed() -> None:
    fake = Fake(service())
    made = plan.make(situation(profile=profile(), stack=wanted(fake), services={}), KEEP)
    by_hand = next(step.command for step in made.steps if step.id == f"update:{WORKER}")
    assert "--env-add TIMEOUT=... --env-rm MODE" in by_hand
    assert "--update-failure-action pause" in by_hand


def test_nothing_is_waited_for_where_a_service_is_scaled_to_0() -> None:
    fake = Fake(service())
    spec = copy.deepcopy(dict(fake.now.spec))
    spec["Mode"]["Replicated"]["Replicas"] = 0
    fake.now = replace(fake.now, spec=spec)
    made = plan.make(situation(profile=profile(), stack=wanted(fake), services={}), KEEP)
    assert not [step.id for step in made.steps if step.id.startswith("wait")]


def test_by_hand_a_config_is_replaced_by_name() -> None:
    fake = fake_with_objects()
    stack = stacks.of_goal(with_objects(), cast(Cluster, fake), None, BACK)
    made = plan.make(situation(profile=with_objects(), stack=stack, services={}), KEEP)
    by_hand = next(step.command for step in made.steps if step.id == f"update:{WORKER}")
    assert "--config-rm app-2 --config-add source=app-1,target=/etc/app.ini,uid=0,gid=0,mode=0444" in by_hand
    assert "--secret-rm key-2 --secret-add source=key-1,target=key,uid=7,gid=0,mode=0400" in by_hand


def test_a_service_that_is_not_in_the_stack_is_refused() -> None:
    fake = Fake(service())
    fake.services = lambda project: {WORKER: fake.now} if project else {}  # type: ignore[method-assign]
    with pytest.raises(Refused, match="has no service enrichment-coordinator"):
        wanted(fake)


def test_the_plan_of_a_stack_updates_the_worker_first_then_the_others() -> None:
    fake = Fake(service())
    found = situation(profile=profile(), stack=wanted(fake), services={})
    made = plan.make(found, KEEP)
    kinds = [step.id for step in made.steps if step.id.startswith(("update", "wait", "restart"))]
    assert kinds == [
        f"update:{WORKER}",
        f"wait:{WORKER}",
        "update:enrichment-coordinator",
        "wait:enrichment-coordinator",
    ]
    by_hand = next(step.command for step in made.steps if step.id == f"update:{WORKER}")
    assert "--image ocr/worker:1" in by_hand
    assert "60" not in by_hand  # a value may be a secret
    assert by_hand.endswith(f"ocr_{WORKER}")


def test_a_stack_that_is_as_it_should_be_is_left_alone() -> None:
    fake = Fake(service())
    updated(fake, wanted(fake)[WORKER])
    reached = wanted(fake)
    assert all(one.is_reached for one in reached.values())
    nothing = {"restore": (), "remove": (), "stale": ()}
    assert plan.make(situation(profile=profile(), stack=reached, services={}, **nothing), KEEP).steps == ()
    due = plan.make(situation(profile=profile(), stack=wanted(Fake(service())), services={}, **nothing), KEEP)
    assert f"update:{WORKER}" in [step.id for step in due.steps]
