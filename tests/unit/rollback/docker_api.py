"""The Docker Engine's interface, over a World: those calls that the product makes."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

from docker.errors import APIError, NotFound

from rollback_gate.instant import Instant
from tests.unit.rollback.effects import effect

if TYPE_CHECKING:
    from tests.unit.rollback.world import World

_ONE_AT_A_TIME = threading.RLock()  # images are looked into side by side
NAME = "p-enrichment-worker"


@dataclass
class Client:
    api: Api

    def close(self) -> None:
        pass


class Answer:
    """A response of requests, as far as the product looks at it."""

    status_code = 200
    headers: ClassVar[dict[str, str]] = {"Transfer-Encoding": "chunked"}

    def __init__(self, content: bytes) -> None:
        self.raw = SimpleNamespace(_original_response=SimpleNamespace(fp=io.BytesIO(content)))

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Refusal(Answer):
    """As of a log driver that keeps nothing to read."""

    status_code = 501

    def __init__(self) -> None:
        super().__init__(b"")

    def json(self) -> dict[str, str]:
        return {"message": "configured logging driver does not support reading"}


@dataclass
class Api:
    """Those calls of docker.APIClient that the product makes; any other one is an AttributeError."""

    world: World

    def info(self) -> dict[str, Any]:
        return {"ID": "engine", "SystemTime": str(Instant(time.time_ns()))}

    def containers(self, all: bool, filters: dict[str, list[str]]) -> list[dict[str, str]]:
        wanted = dict(label.split("=", 1) for label in filters["label"])
        if "rollback-gate.temporary" in wanted:
            return [{"Id": c["id"]} for c in self.world.state["containers"].values() if c["label"]]
        service = wanted.get("com.docker.compose.service")
        everyone = self.world.state["containers"].values()
        found = self.world.containers(service) if service else everyone
        return [{"Id": c["id"]} for c in found if not c["label"]]

    def inspect_container(self, container_id: str) -> dict[str, Any]:
        one = self._one(container_id)
        at = "/app/enrichment_service"
        bind = [{"Type": "bind", "Source": str(self.world.project / "enrichment_service"), "Destination": at}]
        volume = [{"Type": "volume", "Name": "v", "Source": "/var/lib/docker/volumes/v/_data", "Destination": at}]
        usual = bind if self.world.strategy == "bind" else []
        return {
            "Id": one["id"],
            "Name": f"/{one['name']}",
            "Created": str(Instant(one["created"])),
            "Image": one["image"],
            "RestartCount": 0,
            "HostConfig": {"LogConfig": {"Type": "json-file"}},
            "Mounts": {"volume": volume, "image": []}.get(one.get("code_in", ""), usual),
            "State": {
                "Status": "running" if one["running"] else "exited" if one["started"] else "created",
                "FinishedAt": str(Instant(one["ended"])) if one["ended"] else "0001-01-01T00:00:00Z",
                "StartedAt": str(Instant(one["started"])) if one["started"] else "0001-01-01T00:00:00Z",
            },
            "Config": {
                "Image": one.get("image_name", NAME),
                "StopTimeout": one.get("stop_timeout", 1),
                "Labels": {
                    "com.docker.compose.project": "p",
                    "com.docker.compose.service": one["service"],
                    "com.docker.compose.version": "5.6.1",
                    "com.docker.compose.config-hash": one.get("hash", "hash"),
                    "com.docker.compose.container-number": one.get("number", ""),
                },
            },
        }

    def _lines(self, container_id: str, since: float | None) -> list[bytes]:
        return [
            f"{line}\n".encode()
            for line in self._one(container_id)["log"]
            if since is None or Instant.parse(line.partition(" ")[0]).epoch_s >= since
        ]

    base_url = "http://world"
    api_version = "1.41"
    timeout = 1

    def head(self, url: str, params: dict[str, str], timeout: float) -> SimpleNamespace:
        """Whether something is at a path of a container."""
        found = self._one(url.rpartition("/containers/")[2].partition("/")[0])
        there = self.world.archive(found, params["path"]) is not None
        return SimpleNamespace(status_code=200 if there else 404)

    def get(self, url: str, params: dict[str, str], stream: bool, timeout: float) -> Answer:
        """The log as the engine sends it: a chunk and a frame for each line."""
        if self._one(url.rpartition("/containers/")[2].partition("/")[0]).get("log_unreadable"):
            return Refusal()
        since = float(params["since"]) if "since" in params else None
        lines = self._lines(url.rpartition("/containers/")[2].partition("/")[0], since)
        frames = [b"\x02\0\0\0" + len(line).to_bytes(4) + line for line in lines]
        return Answer(b"".join(f"{len(f):x}\r\n".encode() + f + b"\r\n" for f in frames) + b"0\r\n\r\n")

    def get_archive(self, container_id: str, path: str) -> tuple[list[bytes], dict[str, Any]]:
        members = self.world.archive(self._one(container_id), path)
        if members is None:
            raise NotFound(path)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, data in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                member.mtime = self.world.touched_at(path)
                archive.addfile(member, io.BytesIO(data))
        return [out.getvalue()], {}

    def restart(self, container_id: str, timeout: int) -> None:
        self._one(container_id)
        self.world.stop(container_id)
        self.world.start(container_id)

    def stop(self, container_id: str, timeout: int) -> None:
        self._one(container_id)
        self.world.stop(container_id)

    def remove_container(self, container_id: str, v: bool = False, force: bool = False) -> None:
        with _ONE_AT_A_TIME:
            if self._one(container_id)["running"] and not force:
                raise APIError("it is running")
            self.world.remove(container_id)

    def create_container(
        self, image: str, command: list[str], labels: dict[str, str], network_disabled: bool, host_config: None
    ) -> dict[str, str]:
        with _ONE_AT_A_TIME:
            return {"Id": self.world.new_container("", False, self.world.image_named(image), next(iter(labels)))}

    def images(self) -> list[dict[str, Any]]:
        return [
            {"Id": i, "RepoTags": one["tags"], "Created": one["created"], "Labels": {}}
            for i, one in self.world.state["images"].items()
        ]

    def inspect_image(self, name: str) -> dict[str, Any]:
        image_id = self.world.image_named(name)
        return {"Id": image_id, "RepoTags": self.world.state["images"][image_id]["tags"]}

    def tag(self, image_id: str, repository: str, version: str) -> None:
        effect("tag")
        state = self.world.state
        for image in state["images"].values():
            image["tags"] = [tag for tag in image["tags"] if tag != f"{repository}:{version}"]
        state["images"][image_id]["tags"].append(f"{repository}:{version}")
        self.world.save(state)

    def events(self, since: str, until: str, filters: dict[str, Any], decode: bool) -> Iterator[dict[str, Any]]:
        for container_id, at in self.world.state["deaths"]:
            if container_id in filters["container"]:
                yield {"Actor": {"ID": container_id}, "timeNano": at}

    def _one(self, container_id: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.world.state["containers"].get(container_id)
        if found is None:
            raise NotFound(container_id)
        return found
