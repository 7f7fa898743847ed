"""Checks before anything is touched. All of them run, so that all problems are reported at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rollback_gate.change import strategy as strategies
from rollback_gate.change.goal import Direction, Goal, How
from rollback_gate.change.outside import Outside
from rollback_gate.change.strategy import Strategy
from rollback_gate.errors import Refused, Unreachable
from rollback_gate.evidence import configured
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.oddities import oddities
from rollback_gate.platform.commands import Runner
from rollback_gate.platform.compose import Compose, ComposeService
from rollback_gate.platform.deployed import Deployed
from rollback_gate.platform.engine import is_command_line_of
from rollback_gate.platform.engines import Engines
from rollback_gate.platform.replica import Replica
from rollback_gate.platform.swarm import update
from rollback_gate.platform.swarm.cluster import Cluster
from rollback_gate.platform.swarm.service import Update
from rollback_gate.profile.deployment import ImageItem
from rollback_gate.profile.schema import Profile
from rollback_gate.rollback import ownership, room, surroundings
from rollback_gate.rollback.checklist import Checklist
from rollback_gate.rollback.look import Look, StackOf
from rollback_gate.rollback.new_containers import NewContainers
from rollback_gate.rollback.ownership import refuse_outside
from rollback_gate.rollback.same_files import SameFiles
from rollback_gate.rollback.situation import Situation
from rollback_gate.rollback.store import DeploymentId, state_folder
from rollback_gate.rollback.wanted import why_not_given
from rollback_gate.rollback.which_compose import Found, WhichCompose

_LONGEST = 200
_MAKE_ONE = "make one without starting it: `docker compose up --no-start --no-deps --no-build NAME`"
FindGoal = Callable[[Path, Strategy, tuple[Replica, ...]], tuple[Goal, str]]


@dataclass(frozen=True)
class _Basis:
    """What all else is asked about. `services`: of the Compose files; `everyone`: `found`, in one row."""

    directory: Path
    found: Found
    everyone: tuple[Replica, ...]
    compose: Compose
    services: dict[str, ComposeService]
    strategy: Strategy
    goal: Goal


@dataclass(frozen=True)
class Preflight:
    """`documents`: None with --without-database. `elsewhere`: state directory outside the project.

    `find_goal`: takes directory, strategy and the replicas of all services; returns the goal and a sentence on it.
    `quarantine`: that of the run being resumed or undone; None for a new run. `stack`: of a Swarm, what its services
    must be made from for a goal.
    """

    profile: Profile
    engines: Engines
    runner: Runner
    documents: Documents | None
    elsewhere: Path
    find_goal: FindGoal
    how: How = How()
    quarantine: Path | None = None
    stack: StackOf = lambda _: {}

    def look(self) -> tuple[Checklist, Situation | None, Path | None]:
        """The checklist and, if nothing refuses, the situation and the state folder."""
        checklist = Checklist()
        basis = self._basis(checklist)
        if basis is None:
            return checklist, None, None
        state = state_of(self.profile, self.engines, basis.everyone, basis.services, self.elsewhere)
        self._of_the_project(basis, state, checklist)
        if checklist.refusal():
            return checklist, None, None
        return checklist, self._situation(basis, checklist), state

    def _basis(self, checklist: Checklist) -> _Basis | None:
        """None if something refuses without which nothing more can be asked."""
        directory = checklist.ask("project directory", self._directory)
        checklist.ask("engine", self._engine)
        found = checklist.ask("services", self._services)
        self._database(checklist)
        if directory is None or found is None:
            return None
        everyone = tuple(replica for rows in found.values() for replica in rows)
        compose = checklist.ask(
            "compose", lambda: WhichCompose(self.profile, self.engines, self.runner).find(found, checklist)
        )
        if compose is None:
            # The source can still be checked, so that both problems are reported.
            checklist.ask("source", lambda: self._goal(directory, Strategy.BUILD, everyone))
            return None
        strategy = checklist.ask("strategy", lambda: self._strategy(found, compose[1]))
        goal = checklist.ask("source", lambda: self._goal(directory, strategy or Strategy.BUILD, everyone))
        if strategy is None or goal is None:
            return None
        return _Basis(directory, found, everyone, *compose, strategy, goal)

    def _of_the_project(self, basis: _Basis, state: Path, checklist: Checklist) -> None:
        directory, everyone, strategy, goal = basis.directory, basis.everyone, basis.strategy, basis.goal
        if strategy is Strategy.BIND or (strategy is Strategy.BUILD and self.quarantine is None):
            # A resumed run has proven it, and has since changed the tree but not yet the image.
            files = SameFiles(self.profile, self.engines)
            checklist.ask("same files", lambda: files.seen_by(everyone, directory, strategy, goal.sources))
        checklist.ask("images", lambda: self._images(goal)) if goal.images else None
        checklist.ask("old image", lambda: self._named(goal)) if self._named_images and not self._is_swarm else None
        checklist.ask("surroundings", lambda: self._surroundings(directory, strategy, goal, everyone, checklist))
        checklist.ask("disk", lambda: room.enough(directory, state, goal, self.profile.limits.free_disk_mb))
        checklist.ask("writable", lambda: room.writable(directory, state, strategy, goal))

    def _situation(self, basis: _Basis, checklist: Checklist) -> Situation | None:
        look = Look(
            self.profile,
            self.engines,
            basis.directory,
            basis.strategy,
            basis.goal,
            self.how,
            self.quarantine,
            configured.of_a_run(self.profile, self.engines, self.runner, basis.compose),
            self.stack,
        )
        situation = checklist.ask(
            "state", lambda: _in_words(look.situation(basis.compose, basis.services, basis.found))
        )
        if situation is None:
            return None
        checklist.ask("within reach", lambda: _within_reach(look, situation))
        self._of_the_swarm(situation, checklist)
        if not situation.stack and any(map(situation.is_replaced, situation.found)):
            new = NewContainers(self.profile, self.engines, self.runner, self.how)
            checklist.ask("configuration", lambda: new.are_the_same(situation, checklist))
        if situation.keeps_volumes and not situation.stack:
            says = "anonymous volumes are carried over only where all replicas are replaced at once: so they are"
            checklist.warn("volumes", says)
        return situation

    @property
    def _is_swarm(self) -> bool:
        return self.profile.deployment.platform == "swarm"

    def _of_the_swarm(self, situation: Situation, checklist: Checklist) -> None:
        """What of a stack is out of reach is told: the rest of it is rolled back all the same."""
        if situation.stack:
            checklist.ask("updates", lambda: updates_of(situation, checklist))
            for one in dict.fromkeys(one for rows in self._deployed.unseen().values() for one in rows):
                checklist.warn("node", f"{one}; whether it is rolled back, too, will not be seen")
            for name, replicas in situation.found.items():
                for odd in self._oddities(replicas):
                    checklist.warn(name, odd)
                if any(map(situation.is_due, situation.found)) and any(
                    m.is_anonymous for r in replicas for m in r.mounts
                ):
                    says = (
                        "each new task gets an empty anonymous volume, and Swarm removes the old one with its container"
                    )
                    checklist.warn(name, f"{says}: copy what must stay")

    def _oddities(self, replicas: Iterable[Replica]) -> list[str]:
        try:
            return list(oddities(self.engines, replicas, is_stack=True))
        except Unreachable as error:
            return [f"its command and its health check could not be looked at: {error.message}"]

    @property
    def _deployed(self) -> Deployed:
        return Deployed(self.profile, self.engines)

    # --- each item

    def _directory(self) -> tuple[Path, str]:
        directory = self.profile.deployment.project_directory
        if not directory.is_dir():
            raise Refused(f"there is no directory {directory}", "correct deployment.project_directory")
        return directory, str(directory)

    def _engine(self) -> tuple[str, str]:
        if self._is_swarm:
            return self.engines.id, f"a manager of Swarm {self.engines.id}, at {self.engines.host}"
        project = self._deployed.everyone()
        other = is_command_line_of(self.engines.main, self.runner, project[0].id if project else "")
        if other:
            raise Refused(
                f"the docker command talks to engine {other}, this tool to {self.engines.id}", "set DOCKER_HOST"
            )
        return self.engines.id, f"{self.engines.host} ({self.engines.id})"

    def _services(self) -> tuple[Found, str]:
        deployment = self.profile.deployment
        found = self._deployed.counted()
        consumer = self.profile.consumer
        if not found[consumer] and not self._is_swarm:  # a stack's service has a spec, also without any container
            there = "correct deployment.project, or the names under [services]; `docker ps -a --format "
            there += "'{{.Names}} {{.Labels}}'` shows what there is"
            command = f"docker compose -p {deployment.project} up --no-start --no-deps --no-build {consumer}"
            where = deployment.project_directory
            removed = f"if it was removed: `{command}`, in {where}, makes it without starting it; else {there}"
            raise Refused(
                f"project {deployment.project} has no container of service {consumer}",
                removed if self._deployed.everyone() else there,
            )
        return found, ", ".join(f"{r.name} {r.condition}" for rows in found.values() for r in rows)

    def _goal(self, directory: Path, strategy: Strategy, containers: tuple[Replica, ...]) -> tuple[Goal, str]:
        for path in (*(restored.path for restored in self.profile.files), *self.profile.value_files):
            refuse_outside(directory, path)
        goal, says = self.find_goal(directory, strategy, containers)
        for path in (*goal.remove, *goal.put_back):
            refuse_outside(directory, path)
        return goal, says

    def _images(self, goal: Goal) -> tuple[bool, str]:
        """Raises Refused for a missing image while the container still runs."""
        missing = [image_id for image_id in goal.images.values() if self.engines.main.image_id(image_id) is None]
        if missing:
            raise Refused(
                f"there is no image {', '.join(image[:19] for image in missing)} any more",
                "load or pull it again; `docker images -a` shows what there is",
            )
        return True, f"{', '.join(sorted({i[7:19] for i in goal.images.values()}))} is there"

    def _is_given_an_image(self, service: str) -> bool:
        """True if the old image by its name brings all old code into a new container, whatever ran before."""
        by_name = any(service in item.services and not item.is_moved for item in self._named_images)
        return by_name and isinstance(self.engines, Cluster) and not self._mounts_code(self.engines, service)

    def _mounts_code(self, cluster: Cluster, service: str) -> bool:
        """By what its service says, as there may be no container. True if there is no such service, either."""
        found = cluster.services(self.profile.deployment.project).get(service)
        return found is None or any(map(found.mounts_over, self.profile.places(service)))

    @property
    def _named_images(self) -> list[ImageItem]:
        return [item for item in self.profile.values if isinstance(item, ImageItem)]

    def _named(self, goal: Goal) -> tuple[bool, str]:
        """Raises Refused unless each image is here that a new container needs, and old is another one than new."""
        if goal.direction is Direction.UNDO:
            missing = [
                item.new
                for item in self._named_images
                if not self._is_swarm and self.engines.main.image_id(item.new) is None
            ]
            if missing:
                raise Refused(
                    f"there is no image {', '.join(missing)} here any more", "load or pull it, then try again"
                )
            return True, "the change's images are there"
        for item in self._named_images:
            old = self.engines.main.image_id(item.old)
            if old is None:
                raise Refused(f"there is no image {item.old} here", "load or pull it, then try again")
            if not (item.is_moved or item.has_one_tag) and old == self.engines.main.image_id(item.new):
                says = f"{item.old} and {item.new} are the same image {old[7:19]}: nothing would change"
                raise Refused(says, "give `old` as the digest or the id of the image that ran before the change")
        return True, f"{', '.join(item.old for item in self._named_images)} is there"

    def _database(self, checklist: Checklist) -> None:
        database = self.profile.database
        if database is None:
            return
        if self.documents is None:
            checklist.warn("database", "not asked (--without-database): verify will be INCONCLUSIVE")
            return
        documents = self.documents

        def answers() -> tuple[Documents, str]:
            documents.ping()
            return documents, f"{database.says} answers"

        checklist.ask("database", answers)

    def _strategy(self, found: Found, services: dict[str, ComposeService]) -> tuple[Strategy, str]:
        must_have = self.profile.must_have
        of_code = [name for name in found if any(must_have(name, file.path) for file in self.profile.files)]
        if self._is_swarm:  # an image that cannot be had leaves no container at all
            of_code = [name for name in of_code if found[name] or not self._is_given_an_image(name)] or of_code
        if empty := [name for name in of_code if not found[name] and not self._is_given_an_image(name)]:
            one = f"`docker service scale {self.profile.deployment.project}_{empty[0]}=1`"
            how = f"{one} makes one" if self._is_swarm else _MAKE_ONE
            raise Refused(f"{', '.join(empty)} has no container: how the old code gets into it cannot be seen", how)
        of_code = of_code or [self.profile.consumer]
        replicas = [replica for name in of_code for replica in found[name]]
        builds = (services[name] for name in of_code if name in services and services[name].builds)
        carriers = [name for name in of_code if found[name] or self._is_given_an_image(name)]
        chosen = strategies.decide(self.profile, carriers, replicas, next(builds, None))
        if self._is_swarm and chosen.makes_images:
            raise Refused(
                "the code is in the image, and no item of the change names the old one",
                'name it: [[change]] kind = "image", with file and key in the stack\'s file',
            )
        unnamed = [r.name for r in replicas if "@" in r.image_name or r.image_name.startswith("sha256:")]
        if chosen is Strategy.IMAGE and unnamed:
            raise Refused(
                f"{', '.join(unnamed)}: its image is given by digest, so no name can go back to another one",
                "name the old image in the Compose file and recreate the worker by hand",
            )
        unused = [name for name, is_set in (("--no-cache", self.how.no_cache), ("--pull", self.how.pull)) if is_set]
        if unused and chosen is not Strategy.BUILD:
            raise Refused(
                f"{' and '.join(unused)}: nothing is built here, the code comes by {chosen.value}", "leave it out"
            )
        return chosen, chosen.value

    def _surroundings(
        self, directory: Path, strategy: Strategy, goal: Goal, containers: tuple[Replica, ...], checklist: Checklist
    ) -> tuple[bool, str]:
        """Check mounts and networks of the whole project: a rollback could break them outside its services."""
        everyone = self._deployed.everyone()
        if strategy.restores_code:
            surroundings.refuse_mounted(directory, goal.remove, everyone)
        if self.engines.main.is_local:
            surroundings.refuse_copies(self.profile, directory, containers)
        known = [replica for replica in everyone if replica.service in self.profile.services]
        left_out = Outside(self.profile, self.engines).carried_by(self._deployed.unlisted(everyone), known)
        if left_out:
            says = "; ".join(f"{service} {carries}" for service, carries in left_out.items())
            checklist.warn("left out", f"{says}: not in the profile, so it is neither restarted nor looked after")
        if hanging := surroundings.hanging_on(containers, everyone):
            is_restarted = strategy is Strategy.BIND and not self.profile.values
            how = "restarted: restart it" if is_restarted else "replaced: recreate it"
            checklist.warn("network", f"{', '.join(hanging)}, which it loses when that is {how} afterwards")
        return True, f"{len(everyone)} containers of the project looked at"


def state_of(
    profile: Profile,
    engines: Engines,
    containers: Iterable[Replica],
    services: Mapping[str, ComposeService],
    elsewhere: Path,
) -> Path:
    """The folder for new runs and snapshots of this deployment."""
    directory = profile.deployment.project_directory
    contexts = [(directory / s.build_context).resolve() for s in services.values() if s.builds and s.build_context]
    mounts = [mount for replica in containers for mount in replica.mounts]
    deployment_id = DeploymentId(engines.id, profile.deployment.project, profile.name)
    is_shared = ownership.others_may_write(directory)
    return state_folder(deployment_id, directory.resolve(), mounts, contexts, elsewhere, is_shared)


def updates_of(situation: Situation, checklist: Checklist) -> tuple[bool, str]:
    """Raises Refused for a value that an update could not revert, or that is neither the change's nor the old one.

    An update that is under way is no reason to wait: it may be the change's own, on its way to every replica.
    """
    rows = situation.stack.items()
    if why := next(filter(None, (why_not_given(situation.profile, one, name) for name, one in rows)), ""):
        raise Refused(why, "correct the item, or the service, then try again")
    going = [name for name, one in rows if one.service.update in (Update.GOES_ON, Update.GOES_BACK)]
    if others := [name for name in going if not update.has_our_pace(situation.stack[name].service.spec)]:
        says = "is under way: this rollback takes its place, and keeps what else it brings"
        checklist.warn("updates", f"an update of {', '.join(others)} {says}")
    empty = [name for name, one in rows if one.service.replicas == 0]
    if empty:
        says = "is scaled to 0: it is given the old values, and nothing is started"
        checklist.warn("replicas", f"{', '.join(empty)} {says}")
    return True, "no update is under way" if not going else "an update is under way"


def _within_reach(look: Look, situation: Situation) -> tuple[bool, str]:
    left = look.out_of_reach(situation)
    if left:
        says = f"the change is where this rollback does not reach: {'; '.join(place.in_words for place in left)}"
        raise Refused(says, "; ".join(dict.fromkeys(place.remedy for place in left)))
    return True, "everything that holds the change is restored, built or given back here"


def _in_words(situation: Situation) -> tuple[Situation, str]:
    s = situation
    parts = [f"{len(s.restore)} files to restore", f"{len(s.remove)} paths to remove"]
    parts += [f"{len(s.values)} files with settings to write"] if s.values else []
    parts += [f"{len(s.put_back)} paths to put back"] if s.put_back else []
    parts += [f"{len(s.tags)} image names to set"] if s.tags else []
    due = (f"{name} {len(s.stale_of(name))} of {len(rows)}" for name, rows in s.found.items())
    parts.append(f"stale: {', '.join(due)}")
    return situation, ", ".join(parts)
