"""Sabotage of services other than the worker, and of what the next restart or recreate would start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import yaml

from lab.catalogue import plant
from lab.catalogue.entry import CODE, INCONCLUSIVE, NO_GO, RUNNING, Entry, Start
from lab.reference import COORDINATOR, ORCHESTRATOR, PROJECT_LABEL, WORKER, Lab

PACKAGE = "enrichment_service"
BROKEN_IMPORT = b"""ERROR:__main__:cannot create the job
Traceback (most recent call last):
  File "/app/enrichment_service/coordinator.py", line 80, in create
    from enrichment_service.errors import get_error_type
ModuleNotFoundError: No module named 'enrichment_service.errors'
"""


def coordinator_in_a_volume(lab: Lab) -> None:
    """Recreate by hand with an anonymous volume over the code, which Docker fills from a Phase 1 image."""
    lab.put_files("phase1")
    lab.build_image()
    plant.old_files(lab)
    lab.recreate(WORKER)
    lab.wait_consuming()
    path = lab.directory / "docker-compose.yml"
    tree = yaml.safe_load(path.read_text())
    tree["services"][COORDINATOR]["volumes"] = [f"/app/{PACKAGE}"]
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    lab.compose("rm", "-sf", COORDINATOR)  # a recreate would replace the volume with the old mount
    lab.recreate(COORDINATOR)


def swapped(lab: Lab, *, forgotten: str) -> None:
    """Release folders: the old code existed before the processes started, and replaces the new code by `mv`."""
    folder = lab.directory / PACKAGE
    ready = folder / "workers.ready"
    shutil.copytree(folder / "workers", ready)
    file = ready / Path(ORCHESTRATOR).name
    file.write_bytes(plant.release_file("before"))
    for path in (file, ready):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    plant.restart(lab, *lab.containers(WORKER), *lab.containers(COORDINATOR))
    (folder / "workers").rename(lab.directory / "workers.phase1")
    ready.rename(folder / "workers")
    plant.remove(lab, *plant.REMOVED)
    restarted = [name for name in (WORKER, COORDINATOR) if name != forgotten]
    plant.restart(lab, *(container for name in restarted for container in lab.containers(name)))


def copied_into_the_container(lab: Lab) -> None:
    """Copy old code in with `docker cp` and restart: the image is still Phase 1."""
    lab.put_files("phase1")
    lab.build_image()
    lab.recreate(WORKER, COORDINATOR)
    lab.wait_consuming()
    plant.old_files(lab)
    for container in (*lab.containers(WORKER), *lab.containers(COORDINATOR)):
        container.put_archive("/app", plant.tar_of(ORCHESTRATOR, plant.release_file("before")))
        container.exec_run(["rm", "-rf", *(f"/app/{path}" for path in plant.REMOVED)])
    plant.restart(lab, *lab.containers(WORKER), *lab.containers(COORDINATOR))


def replaced_behind(lab: Lab, release: str) -> None:
    """Another folder replaces the mounted one; the running processes keep the mounted one."""
    package = lab.directory / PACKAGE
    package.rename(lab.directory / "stray")
    shutil.copytree(lab.directory / "stray", package)
    if release == "phase1":
        plant.put(lab, ORCHESTRATOR, plant.release_file("phase1"))
    else:
        plant.put(lab, ORCHESTRATOR, plant.release_file("before") + b"# another one\n")


def left_out(lab: Lab, *, service: str = "review-api", is_one_off: bool = False) -> None:
    """An unlisted service of the project mounts the code; or a `docker compose run` container does."""
    like = lab.containers(WORKER)[0]
    lab.engine.containers.run(
        str(like.attrs["Image"]),
        name=f"{lab.project}-{service}-1",
        detach=True,
        command=["sleep", "600"],
        volumes={str(lab.directory / PACKAGE): {"bind": "/srv/code", "mode": "ro"}},
        labels={
            PROJECT_LABEL: lab.project,
            "com.docker.compose.project": lab.project,
            "com.docker.compose.service": service,
            "com.docker.compose.oneoff": str(is_one_off),
        },
    )


def reconfigured(lab: Lab) -> None:
    """The Compose file was changed, and nothing has been recreated since."""
    path = lab.directory / "docker-compose.yml"
    tree = yaml.safe_load(path.read_text())
    for service in (WORKER, COORDINATOR):
        tree["services"][service]["environment"]["SOMETHING_ELSE"] = "1"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))


def override_left(lab: Lab) -> None:
    """Rolled back with `-f docker-compose.yml`, but the override file that brought the change is still there."""
    own = {WORKER: {"environment": {"ADAPTIVE_TIMEOUTS": "1"}}}
    (lab.directory / "docker-compose.override.yml").write_text(yaml.safe_dump({"services": own}))


def fetched_anew(lab: Lab) -> None:
    """`pull_policy`, which Compose's hash does not cover: the next `up` starts what the registry has."""
    path = lab.directory / "docker-compose.yml"
    tree = yaml.safe_load(path.read_text())
    for service in (WORKER, COORDINATOR):
        tree["services"][service]["pull_policy"] = "always"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))


def one_replica_reconfigured(lab: Lab) -> None:
    """A lost replica was recreated from files that had changed since the other one was created."""
    reconfigured(lab)
    lab.containers(WORKER)[1].remove(force=True)
    lab.compose("up", "-d", "--no-deps", "--no-build", "--no-recreate", WORKER)
    lab.wait_consuming()


ENTRIES = (
    Entry(
        "coordinator-in-a-volume",
        "services",
        "the coordinator has Phase 1 in an anonymous volume",
        NO_GO,
        CODE,
        "not the old code",
        coordinator_in_a_volume,
    ),
    Entry(
        "swapped-and-forgotten",
        "services",
        "code folders were swapped by mv, and the coordinator was not restarted",
        INCONCLUSIVE,
        CODE,
        "a folder on the way",
        lambda lab: swapped(lab, forgotten=COORDINATOR),
        start=Start.CHANGE,
    ),
    Entry(
        "copied-into-the-container",
        "services",
        "old code was copied into the containers; their image is Phase 1",
        NO_GO,
        CODE,
        "its next start would be the change",
        copied_into_the_container,
        ("build", "image"),
    ),
    Entry(
        "phase1-behind-the-mount",
        "services",
        "the folder behind the mount was replaced by Phase 1",
        NO_GO,
        CODE,
        "its next start would be the change",
        lambda lab: replaced_behind(lab, "phase1"),
    ),
    Entry(
        "another-folder-behind-the-mount",
        "services",
        "the folder behind the mount was replaced by another one",
        INCONCLUSIVE,
        CODE,
        "would start something else",
        lambda lab: replaced_behind(lab, "before"),
    ),
    Entry(
        "reconfigured",
        "services",
        "the Compose file was changed since the containers were made",
        INCONCLUSIVE,
        RUNNING,
        "would get another configuration now",
        reconfigured,
    ),
    Entry(
        "override-left",
        "services",
        "the change's override file is still there: an `up` that names no files reads it",
        INCONCLUSIVE,
        RUNNING,
        "reads docker-compose.override.yml",
        override_left,
    ),
    Entry(
        "one-replica-reconfigured",
        "services",
        "one of two replicas was made from other Compose files",
        INCONCLUSIVE,
        RUNNING,
        "replicas of different configurations",
        one_replica_reconfigured,
    ),
    Entry(
        "left-out",
        "services",
        "a service of the project mounts the code, and the profile does not know it",
        INCONCLUSIVE,
        CODE,
        "review-api mounts enrichment_service",
        left_out,
    ),
    Entry(
        "one-off",
        "services",
        "a container of `docker compose run` mounts the code, and still runs",
        INCONCLUSIVE,
        CODE,
        "mounts enrichment_service",
        lambda lab: left_out(lab, service=COORDINATOR, is_one_off=True),
    ),
    Entry(
        "fetched-anew",
        "services",
        "pull_policy: always, and the code is in the image",
        INCONCLUSIVE,
        RUNNING,
        "pull_policy: always",
        fetched_anew,
        variants=("build",),
    ),
    Entry(
        "import-error-of-the-coordinator",
        "services",
        "the coordinator works on, and cannot import what the rollback has removed",
        NO_GO,
        RUNNING,
        "cannot import what it needs",
        lambda lab: plant.log(lab, BROKEN_IMPORT, lab.containers(COORDINATOR)[0]),
    ),
    Entry(
        "written-again",
        "services",
        "the restored file was copied over by the same content, after the rollback",
        INCONCLUSIVE,
        CODE,
        "was written at",
        lambda lab: plant.put(lab, ORCHESTRATOR, (lab.directory / ORCHESTRATOR).read_bytes()),
        start=Start.RUN,
    ),
)
