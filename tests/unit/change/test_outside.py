"""What an engine shows of a container from outside; and which services carry the change without being listed."""

from __future__ import annotations

import hashlib
import io
import tarfile
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
TREE = (Mount("bind", "/srv/p/enrichment_service", "/app/enrichment_service"),)


class Api:
    """Files by container and path; containers that are made hold what their image does."""

    def __init__(self, files: dict[str, dict[str, bytes]], images: dict[str, dict[str, bytes]] | None = None) -> None:
        self.files, self.images = files, images or {}
        self.made: list[tuple[str, Any]] = []
        self.removed: list[str] = []

    def get_archive(self, container_id: str, path: str) -> tuple[list[bytes], dict[str, Any]]:
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
    reading = outside(api).after_a_restart(worker())
    assert isinstance(reading, CodeReading)
    (file,) = reading.files
    assert (file.digest, file.new) == (hashlib.sha256(NEW).hexdigest(), ("enrichment_service.errors",))
    assert reading.still_there == ("enrichment_service/errors",)
    assert isinstance(outside(Api({})).after_a_restart(worker()), Unmeasured)


def test_a_recreate_is_looked_at_once_for_all_that_are_alike() -> None:
    """In a container of the image that its name means, with its mounts, read-only; it is removed again."""
    api = Api({}, {"p-enrichment-worker": {CODE: OLD}})
    volume = (*TREE, Mount("volume", "/var/lib/docker/volumes/v/_data", "/data", "v"))
    rows = [worker(id="1" * 64), worker(id="2" * 64), replica(id="3" * 64, mounts=volume)]
    found = outside(api).after_a_recreate(rows)
    assert set(found) == {row.id for row in rows}
    assert [len(mounts) for _, mounts in api.made] == [1, 2]
    assert all(mount["ReadOnly"] for _, mounts in api.made for mount in mounts)
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
    assert carried(other(), {CODE: NEW}) == {"backend": f"contains {ORCHESTRATOR}"}
    assert carried(other(), {"/app/enrichment_service/errors": b""}) == {
        "backend": "contains enrichment_service/errors"
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
