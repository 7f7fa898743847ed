"""A deployment small enough to be killed thousands of times: real files, and an engine and a Compose made of one file.

It stands in for the engine only where every single effect of a run is to be interrupted; what the engine really does
is tested in tests/e2e. Every effect on it is announced by `sys.audit`, as Python announces those on files.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import requests
import yaml
from docker.errors import NotFound

from rollback_gate.errors import CommandFailed
from rollback_gate.instant import Instant
from rollback_gate.model import Unmeasured
from rollback_gate.platform.commands import Completed
from rollback_gate.platform.engine import Engine
from rollback_gate.profile.load import Settings, load
from rollback_gate.redaction import Redactor
from rollback_gate.rollback import lock
from rollback_gate.rollback.lock import Held
from rollback_gate.workflow.call import Call
from rollback_gate.workflow.session import Session, tidied
from rollback_gate.workflow.terminal import Terminal
from tests.unit.builders import ORCHESTRATOR, ROOT
from tests.unit.rollback.docker_api import NAME, Api, Client
from tests.unit.rollback.effects import effect

WORKER, COORDINATOR, OTHER = "enrichment-worker", "enrichment-coordinator", "mongodb"
UP = ("-d", "--no-deps", "--no-build", "--pull", "never", "--remove-orphans=false")
OLD = "AGENT_TIMEOUT_SECONDS = 60\ndef f(max_retries: int = 3): ...\n"
NEW = "from enrichment_service.errors import get_error_type\n"
CHANGE = {
    ORCHESTRATOR: NEW,
    "enrichment_service/errors/__init__.py": "",
    "enrichment_service/errors/error_types.py": "def get_error_type(): ...\n",
    "enrichment_service/config/timeouts.py": "def get_tool_timeout(): ...\n",
    "enrichment_service/config/__pycache__/timeouts.cpython-311.pyc": "bytecode",
    "tests/test_error_handling.py": "def test(): ...\n",
    "PHASE1_IMPLEMENTATION.md": "# Phase 1\n",
}
KEPT = {"enrichment_service/workers/enrichment_worker.py": "import agent_orchestrator\n", "Dockerfile": "FROM base\n"}
LINES = ("INFO:w:NSQ Consumer created, starting to consume messages...", "INFO:gnsq:connection successful")


@lru_cache(maxsize=64)
def _loaded(path: Path, _: str, environ: tuple[tuple[str, str], ...], given: tuple[str, ...]) -> Settings:
    """A profile is read once for each content of its file: thousands of runs use the same."""
    return load(path, dict(environ), given)


@dataclass
class World:
    """`root`/project is the project, `root`/engine.json the engine: any process can take it up."""

    root: Path
    strategy: str
    gone: bool = False

    @classmethod
    def deployed(cls, root: Path, strategy: str, replicas: int = 2) -> World:
        """The change is deployed on top of old code, and consumes."""
        world = cls(root, strategy)
        (root / "bin").mkdir(parents=True)
        (root / "bin/docker-compose").touch()
        world._write({**KEPT, ORCHESTRATOR: OLD})
        world.save({"containers": {}, "images": {}, "deaths": [], "count": 0, "fails": "", "replicas": replicas})
        old = world.new_image()
        world.change(images={**world.state["images"], old: {**world.state["images"][old], "tags": [f"{NAME}:v1"]}})
        world._write({**CHANGE, f"{ORCHESTRATOR}.backup.20260121_090000": OLD})
        world.new_image()
        for service, count in ((WORKER, replicas), (COORDINATOR, 1), (OTHER, 1)):
            for _ in range(count):
                world.new_container(service)
        (root / "profile.toml").write_text(world._profile(replicas))
        return world

    # --- the engine's state

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def state(self) -> dict[str, Any]:
        """Raises requests.ConnectionError once the engine has gone away (in this process)."""
        if self.gone:
            raise requests.ConnectionError("Connection refused")
        table: dict[str, Any] = json.loads((self.root / "engine.json").read_text())
        return table

    def save(self, state: dict[str, Any]) -> None:
        temporary = self.root / "engine.tmp"
        temporary.write_text(json.dumps(state))
        temporary.replace(self.root / "engine.json")

    def change(self, **values: Any) -> None:
        self.save({**self.state, **values})

    def odd(self, service: str, **values: Any) -> None:
        """Its containers are unlike the others: `code_in` "volume" or "image" of their own, another `hash`, `image_name`.

        `patched`: by path, what was copied into them.
        """
        state = self.state
        for container in state["containers"].values():
            container.update(values if container["service"] == service else {})
        self.save(state)

    def containers(self, service: str) -> list[dict[str, Any]]:
        return sorted(
            (c for c in self.state["containers"].values() if c["service"] == service), key=lambda c: str(c["name"])
        )

    def tree(self) -> dict[str, tuple[str, int]]:
        """Content and mode of every file of the project; what tools keep there is no part of it."""
        return {
            str(p.relative_to(self.project)): (p.read_text(), p.stat().st_mode)
            for p in sorted(self.project.rglob("*"))
            if p.is_file() and ".rollback" not in p.parts
        }

    def new_image(self, name: str = NAME) -> str:
        """Of the tree as it is; the name goes to it."""
        effect("image")
        state = self.state
        state["count"] += 1
        files = {path: text for path, (text, _) in self.tree().items()}
        image_id = "sha256:" + hashlib.sha256(json.dumps([state["count"], files]).encode()).hexdigest()
        for image in state["images"].values():
            image["tags"] = [tag for tag in image["tags"] if tag != f"{name}:latest"]
        state["images"][image_id] = {"tags": [f"{name}:latest"], "files": files, "created": state["count"]}
        self.save(state)
        return image_id

    def new_container(self, service: str, start: bool = True, image: str = "", label: str = "") -> str:
        effect("container")
        state = self.state
        state["count"] += 1
        container_id = hashlib.sha256(str(state["count"]).encode()).hexdigest()
        state["containers"][container_id] = {
            "id": container_id,
            "service": service,
            "name": f"p-{service}-{state['count']}",
            "label": label,
            "image": image or self.image_named(f"{NAME}:latest"),
            "created": time.time_ns(),
            "started": 0,
            "log": [],
            "running": False,
            "loaded": "",
            "ended": 0,
        }
        self.save(state)
        if start:
            self.start(container_id)
        return container_id

    def start(self, container_id: str) -> None:
        """The process loads the code that is there now, and keeps it."""
        effect("start")
        state = self.state
        one = state["containers"][container_id]
        one |= {"started": time.time_ns(), "running": True, "loaded": self._file(one, f"/app/{ORCHESTRATOR}")}
        if state["fails"] == "start" and one["service"] == WORKER:
            one |= {"running": False}
            self.save(state)
            return
        one["log"] += [f"{Instant(time.time_ns())} {line}" for line in LINES]
        self.save(state)

    def stop(self, container_id: str) -> None:
        effect("stop")
        state = self.state
        state["containers"][container_id] |= {"running": False, "ended": time.time_ns()}
        state["deaths"].append([container_id, time.time_ns()])
        self.save(state)

    def remove(self, container_id: str) -> None:
        effect("remove")
        state = self.state
        state["containers"].pop(container_id, None)
        self.save(state)

    def image_named(self, name: str) -> str:
        """Raises NotFound."""
        full = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
        for image_id, image in self.state["images"].items():
            if name == image_id or full in image["tags"]:
                return str(image_id)
        raise NotFound(f"no image {name}")

    def files_of(self, container: dict[str, Any]) -> dict[str, str]:
        """By path inside the container, without what is under /app's bind mount."""
        files = {**self.state["images"][container["image"]]["files"], **container.get("patched", {})}
        return {f"/app/{path}": text for path, text in files.items() if text is not None}

    def _file(self, container: dict[str, Any], path: str) -> str:
        tar = self.archive(container, path)
        return "" if tar is None else hashlib.sha256(tar.get(PurePosixPath(path).name, b"")).hexdigest()

    def touched_at(self, path: str) -> int:
        """Epoch seconds, of what is mounted; 0 for the rest."""
        real = self.project / path.removeprefix("/app/")
        return int(real.stat().st_mtime) if self.strategy == "bind" and real.is_file() else 0

    def archive(self, container: dict[str, Any], path: str) -> dict[str, bytes] | None:
        """Members by name; None where nothing is at this path."""
        name = PurePosixPath(path).name
        if self.strategy == "bind" and "code_in" not in container and path.startswith("/app/enrichment_service"):
            real = self.project / path.removeprefix("/app/")
            if real.is_file():
                return {name: real.read_bytes()}
            if real.is_dir():
                return {f"{name}/{p.relative_to(real)}": p.read_bytes() for p in real.rglob("*") if p.is_file()} or {
                    name: b""
                }
            return None
        files = self.files_of(container)
        if path in files:
            return {name: files[path].encode()}
        inside = {
            f"{name}{p.removeprefix(path)}": text.encode() for p, text in files.items() if p.startswith(f"{path}/")
        }
        return inside or None

    # --- for the product

    def call(self) -> Call:
        environ = {
            "PATH": str(self.root / "bin"),
            "ROLLBACK_GATE_STATE_DIRECTORY": str(self.root / "state"),
            "ROLLBACK_GATE_REPORTS": str(self.root / "reports"),
        }
        terminal = Terminal(io.StringIO(), Redactor([]))
        return Call.make(
            ROOT, str(self.root / "profile.toml"), [], environ, terminal, with_database=False, accept_diff=True
        )

    @contextlib.contextmanager
    def opening(self, call: Call, purpose: str) -> Iterator[Session]:
        """In place of session.opened: a real lock, no database, no waiting."""
        path = call.profile_path
        settings = _loaded(path, path.read_text(), tuple(call.environ.items()), call.settings_given)
        engine = self.engine(call.environ)
        with lock.held(self.project, self.root / "holder", "kim", purpose, Instant(0)) as held:
            yield self._session(call, settings, engine, held)

    def engine(self, environ: Mapping[str, str]) -> Engine:
        return Engine(Client(Api(self)), "world", "engine", environ)  # type: ignore[arg-type]

    def _session(self, call: Call, settings: Settings, engine: Engine, held: Held) -> Session:
        tidied(engine, settings.profile)
        clock = iter(range(10**9))
        return Session(
            call,
            settings,
            engine,
            self.compose,
            held,
            Unmeasured("the database", "there is none"),
            lambda: float(next(clock)),
            lambda _: None,
            asks_before=False,
        )

    def compose(
        self, argv: tuple[str, ...], *, cwd: Path | None = None, timeout_s: float = 60, text: str = ""
    ) -> Completed:
        """Docker's and Compose's command lines, as far as the product uses them; anything else is refused."""
        if argv[:2] == ("docker", "info"):
            return Completed(argv, "engine\n", "")
        if argv[:2] == ("docker", "compose") or argv[0] == "env":
            raise CommandFailed(argv, "could not be started (No such file or directory)", "")
        if argv[1:] == ("version", "--short"):
            return Completed(argv, "5.6.1\n", "")
        assert argv[argv.index("docker-compose.yml") + 1 :][:2] == ("--profile", "*")
        command, *rest = argv[argv.index("docker-compose.yml") + 3 :]
        if self.state["fails"] == command:
            raise CommandFailed(argv, "exited with status 1", "planted")
        if command == "config":
            hashes = "".join(f"{name} hash\n" for name in rest[1].split(",")) if rest else ""
            return Completed(argv, hashes or self._configuration(), "")
        if command == "build":
            for name in dict.fromkeys(self.state.get("built_as", {}).get(service, NAME) for service in rest):
                self.new_image(name)
        elif command == "up" and tuple(rest[:3] + rest[4:7]) == UP:
            scale = dict(rest[n + 1].split("=") for n, part in enumerate(rest) if part == "--scale")
            assert rest[7 + 2 * len(scale) :] == list(scale)
            self._up(rest[3], {name: int(count) for name, count in scale.items()})
        else:
            raise AssertionError(f"unexpected: {shlex.join(argv)}")
        return Completed(argv, "", "")

    def _up(self, how: str, services: dict[str, int]) -> None:
        for service, wanted in services.items():
            own = self.state.get("built_as", {}).get(service, "")
            name = next((c["image_name"] for c in self.containers(service) if "image_name" in c), own)
            if how == "--force-recreate":
                for container in self.containers(service):
                    self.stop(container["id"])
                    self.remove(container["id"])
            for container in self.containers(service):
                if not container["running"]:
                    self.start(container["id"])
            for _ in range(wanted - len(self.containers(service))):
                self.new_container(service, image=self.image_named(name) if name else "")
            self.odd(service, **({"image_name": name} if name else {}))

    def _configuration(self) -> str:
        service: dict[str, Any] = {"image": NAME}
        built = {"build": {"context": str(self.project)}}
        worker = {**service, **(built if self.strategy == "build" else {})}
        alone = dict.fromkeys(self.state.get("built_as", {}), built)  # under the name that Compose gives it
        return yaml.safe_dump({"services": {WORKER: worker, COORDINATOR: service, OTHER: service, **alone}})

    def _write(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            (self.project / path).parent.mkdir(parents=True, exist_ok=True)
            (self.project / path).write_text(text)
        (self.project / "docker-compose.yml").touch()
        (self.project / ORCHESTRATOR).chmod(0o640)

    def _profile(self, replicas: int) -> str:
        return (
            f'format = 3\nextends = "{ROOT}/profiles/phase1.toml"\n[deployment]\nproject_directory = "{self.project}"\n'
            f'project = "p"\n[services.enrichment-worker]\nreplicas = {replicas}\n[limits]\nfree_disk_mb = 1\nstart_s = 5\n'
        )
