"""What an engine shows of a container from outside; and which services carry the change without being listed."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from docker.errors import APIError, NotFound

from rollback_gate.change.outside import Outside
from rollback_gate.change.reading import CodeReading
from rollback_gate.model import Unmeasured
from rollback_gate.platform.engine import Engine
from rollback_gate.platform.replica import Mount, Replica
from tests.unit.builders import ORCHESTRATOR, phase1, replica

OLD = b"AGENT_TIMEOUT_SECONDS = 60\ndef f(max_retries: int = 3): ...\n"
NEW = b"from enrichment_service.errors import x\n"
CODE = f"/app/{ORCHESTRATOR}"
PROFILE = phase1("deployment.project_directory=/srv/p")
_LONG_AGO = "2026-11-01T00:00:00Z"
TREE = (Mount("bind", "/srv/p/enrichment_service", "/app/enrichment_service"),)


class Api:
    """Files by container and path; containers that are made hold what their image does."""

    def __init__(self, files: dict[str, dict[str, bytes]], images: dict[str, dict[str, bytes]] | None = None) -> None:
        self.files, self.images = files, images or {}
        self.gone: set[str] = set()  # files are still asked for, and the container has just been removed
        self.made: list[tuple[str, Any]] = []
        self.removed: list[str] = []
        self.asked: list[str] = []

    def get_archive(self, container_id: str, path: str) -> tuple[list[bytes], dict[str, Any]]:
        self.asked.append(container_id)
        if container_id not in self.files:
            raise APIError("no such container")
        data = self.files[container_id].get(path)
        if data is None:
            raise NotFound(path)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            member = tarfile.TarInfo(path.rpartition("/")[2])
            member.size, member.mtime = len(data), 1_700_000_000
            archive.addfile(member, io.BytesIO(data))
        return [out.getvalue()], {}

    base_url, api_version, timeout = "http://engine", "1.41", 1

    def head(self, url: str, params: dict[str, str], **_: Any) -> SimpleNamespace:
        container_id = url.rpartition("/containers/")[2].partition("/")[0]
        if container_id not in self.files:
            return SimpleNamespace(status_code=500)
        return SimpleNamespace(status_code=200 if params["path"] in self.files[container_id] else 404)

    def inspect_container(self, container_id: str) -> dict[str, Any]:
        if container_id not in self.files or container_id in self.gone:
            raise NotFound(container_id)
        state = {"Status": "running", "StartedAt": ""}
        return {
            "Id": container_id,
            "Name": "/x",
            "Created": _LONG_AGO,
            "Image": "",
            "State": state,
            "Config": {},
            "HostConfig": {},
        }

    def create_host_config(self, mounts: Any) -> Any:
        return mounts

    def create_container(self, image: str, host_config: Any, **_: Any) -> dict[str, str]:
        self.made.append((image, host_config))
        self.files["made"] = self.images[image]
        return {"Id": "made"}

    def remove_container(self, container_id: str, **_: Any) -> None:
        self.removed.append(container_id)


def outside(api: Api) -> Outside:
    return Outside(PROFILE, Engine(SimpleNamespace(api=api), "unix:///x", "e", {}))  # type: ignore[arg-type]


def worker(**changes: Any) -> Replica:
    return replica(mounts=TREE, **changes)


def test_a_restart_finds_what_is_behind_the_mounts() -> None:
    """Digest, time, and which texts of which side it holds; what is gone and what is there again."""
    api = Api({worker().id: {CODE: NEW, "/app/enrichment_service/errors": b""}})
    reading = outside(api).after_a_restart([worker()])[worker().id]
    assert isinstance(reading, CodeReading)
    (file,) = reading.files
    assert (file.digest, file.new) == (hashlib.sha256(NEW).hexdigest(), ("enrichment_service.errors",))
    assert reading.still_there == ("enrichment_service/errors",)
    assert isinstance(outside(Api({})).after_a_restart([worker()])[worker().id], Unmeasured)


def test_of_a_container_that_went_meanwhile_nothing_is_known() -> None:
    """The engine says of a path in it what it says of a file that is not there."""
    api = Api({worker().id: {}})
    api.gone = {worker().id}
    assert isinstance(outside(api).after_a_restart([worker()])[worker().id], Unmeasured)


def test_a_restart_is_asked_once_for_all_behind_the_same_mounts() -> None:
    """One with a layer of its own, or with another mount, is asked for itself."""
    others = (Mount("bind", "/srv/q/enrichment_service", "/app/enrichment_service"),)
    same = [worker(id="1" * 64), worker(id="2" * 64)]
    alone = [replica(id="3" * 64, mounts=others), replica(id="4" * 64), replica(id="5" * 64)]
    api = Api({one.id: {CODE: OLD if one in same else NEW} for one in (*same, *alone)})
    found = outside(api).after_a_restart([*same, *alone])
    assert set(found) == {one.id for one in (*same, *alone)}
    assert set(api.asked) == {same[0].id, *(one.id for one in alone)}
    assert all(isinstance(found[one.id], CodeReading) for one in alone)
    assert found[same[0].id] == found[same[1].id] != found[alone[0].id]


def test_a_recreate_is_looked_at_once_for_all_that_are_alike() -> None:
    """In a container of the image that its name means, with its mounts, read-only; it is removed again."""
    api = Api({}, {"p-enrichment-worker": {CODE: OLD}})
    volume = (*TREE, Mount("volume", "/var/lib/docker/volumes/v/_data", "/data", "v"))
    rows = [worker(id="1" * 64), worker(id="2" * 64), replica(id="3" * 64, mounts=volume)]
    found = outside(api).after_a_recreate(rows)
    assert set(found) == {row.id for row in rows}
    assert [len(mounts) for _, mounts in api.made] == [1, 2]
    assert all(mount["ReadOnly"] for _, mounts in api.made for mount in mounts)
    assert api.made[1][1][1]["VolumeOptions"] == {"NoCopy": True}, "an empty volume would be filled from the image"
    assert [mount["Source"] for mount in api.made[1][1]] == ["/srv/p/enrichment_service", "v"]
    assert api.removed == ["made", "made"]


def carried(other: Replica, files: dict[str, bytes] | None = None, known: Replica | None = None) -> dict[str, str]:
    api = Api({other.id: files} if files is not None else {})
    return outside(api).carried_by([other], [known or worker()])


def other(*mounts: Mount, **changes: Any) -> Replica:
    return replica(**{"id": "b" * 64, "name": "p-backend-1", "service": "backend", "mounts": mounts, **changes})


def test_a_service_that_mounts_or_contains_an_item_is_found() -> None:
    """Wherever it mounts it; in its image at a root of the profile's services; a removed path is an item too."""
    tree = Mount("bind", "/srv/p/enrichment_service", "/srv/code")
    assert carried(other(tree), {}) == {"backend": f"mounts {ORCHESTRATOR}"}
    assert carried(other(), {CODE: NEW}) == {"backend": f"contains {CODE}"}
    elsewhere = {f"/srv/app/{ORCHESTRATOR}": NEW}
    assert carried(other(working_directory="/srv/app"), elsewhere) == {"backend": f"contains /srv/app/{ORCHESTRATOR}"}
    volume = Mount("volume", "/var/lib/docker/volumes/code/_data", "/x", "code")
    in_it = replica(mounts=(replace(volume, target="/app/enrichment_service"),))
    assert carried(other(volume), {}, in_it)["backend"].startswith("mounts the volume that holds enrichment_service/")
    assert carried(other(replace(volume, name="data")), {}, in_it) == {}
    assert carried(other(), {"/app/enrichment_service/errors": b""}) == {
        "backend": "contains /app/enrichment_service/errors"
    }
    assert carried(other(Mount("bind", "/srv/other", "/x")), {}) == {}


def test_the_projects_own_tree_counts_where_the_listed_services_are_built() -> None:
    """Their code is in an image: nothing that they mount tells where the tree is."""
    built = replica()
    assert carried(other(Mount("bind", "/srv/p", "/srv")), {}, built) == {"backend": f"mounts {ORCHESTRATOR}"}


def test_the_whole_machine_is_no_project() -> None:
    assert carried(other(Mount("bind", "/", "/host")), {}) == {}


def test_one_that_cannot_be_looked_into_is_named() -> None:
    """By its container, where it has no service."""
    assert "cannot be looked into" in carried(other())["backend"]
    assert set(carried(other(service=""))) == {"p-backend-1"}
