"""One container as `docker inspect` shows it. Pure: from the engine's JSON to what the checks compare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rollback_gate.instant import Instant
from rollback_gate.redaction import cut

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
ONEOFF_LABEL = "com.docker.compose.oneoff"
NUMBER_LABEL = "com.docker.compose.container-number"
VERSION_LABEL = "com.docker.compose.version"
CONFIG_HASH_LABEL = "com.docker.compose.config-hash"
CONFIG_FILES_LABEL = "com.docker.compose.project.config_files"
DIRECTORY_LABEL = "com.docker.compose.project.working_dir"
ENVIRONMENT_FILES_LABEL = "com.docker.compose.project.environment_file"
_ANONYMOUS = re.compile("[0-9a-f]{64}")
_HALF_MADE = re.compile(r"[0-9a-f]{12}_")  # how Compose names a replacement until the old one is gone
_NOT_FOUND = re.compile(r"\S*sh: (?:(?:line )?\d+: )?\S+: (?:command )?not found")
_CHECK_DEFAULT_NS = 30 * 10**9
_FIRST_LINES_S, _SURELY_S = 5.0, 0.25
_BUFFER = re.compile(r"(\d+(?:\.\d+)?) ?([kmg]?)i?b?", re.IGNORECASE)
_NEVER = "0001-01-01T00:00:00Z"


def is_anonymous(volume: str) -> bool:
    """True if the engine generated the volume's name."""
    return bool(_ANONYMOUS.fullmatch(volume))


@dataclass(frozen=True)
class Mount:
    """`name`: of a volume, "" for a bind mount."""

    kind: str
    source: str
    target: str
    name: str = ""

    @property
    def is_anonymous(self) -> bool:
        """True for a volume without a given name: only Compose's recreate carries it over to a new container."""
        return self.kind == "volume" and is_anonymous(self.name)


@dataclass(frozen=True)
class Replica:
    """State of a container at one moment. `health` is "" if there is no health check.

    `config_files`, `environment_files`, `made_in`: what Compose made it from, by its labels; files separated by commas.
    `number`: index within its service; a replacement keeps the old one's. `working_directory`: of its process, inside.
    `log_is_limited`: the oldest lines may be discarded. `log_buffer_bytes`: lines not yet written wait in a buffer of
    this size, and the rest is dropped; 0: the process waits. `network_of`: id of the container whose network it shares.
    `node`: of a Swarm, that runs it, "" under Compose. `unwanted`: why the manager of a Swarm does not count it.
    `configs`: its configs and secrets, each as its path inside and its name.
    `restart_count`: by its engine. `failed_at`: of a Swarm, which makes a new task instead: when earlier ones failed.
    `shares_processes`: it sees the processes of the machine, or of another container.
    `check_results`: number of results of the health check; `check_at`: start of the last one; `check_every_s`: at most
    so many seconds from one to the next.
    `check_cannot_run`: why every attempt to start the health check's program failed; "" if it ran.
    """

    id: str
    name: str
    service: str
    status: str
    restarting: bool
    paused: bool
    oom_killed: bool
    exit_code: int
    restart_count: int
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    health: str
    image_id: str
    image_name: str
    config_hash: str
    config_files: str
    compose_version: str
    hostname: str
    addresses: tuple[str, ...]
    mounts: tuple[Mount, ...]
    log_driver: str
    stop_timeout_s: int
    tty: bool = False
    check_cannot_run: str = ""
    made_in: str = ""
    environment_files: str = ""
    network_of: str = ""
    check_results: int = 0
    log_buffer_bytes: int = 0
    shares_processes: bool = False
    check_at: Instant | None = None
    check_every_s: float = 0
    working_directory: str = ""
    number: str = ""
    log_is_limited: bool = False
    node: str = ""
    unwanted: str = ""
    configs: tuple[tuple[str, str], ...] = ()
    failed_at: tuple[Instant, ...] = ()

    @property
    def short_id(self) -> str:
        return self.id[:12]

    @property
    def place(self) -> str:
        """Its name as messages have it; of a Swarm's, without the task's id, and where it is."""
        return f"{self.name.rpartition('.')[0]} on node {self.node}" if self.node else self.name

    @property
    def logs_since(self) -> Instant | None:
        """Time from which lines are this process's: the engine takes the first ones some ms before it notes the start,
        and on a busy machine more.

        Of a container's first process, all are. Otherwise at most 5 s before the start, and no earlier than halfway to
        the end of the process before; where that is not known, 250 ms.
        """
        if self.started_at is None:
            return None
        if self.finished_at is None:
            return min(self.created_at, self.started_at)
        if self.finished_at >= self.started_at:
            gap_s = max(0.0, self.started_at.seconds_since(self.created_at))
            return self.started_at.plus(-min(_SURELY_S, gap_s / 2))
        gap_s = self.started_at.seconds_since(self.finished_at)
        return self.started_at.plus(-min(_FIRST_LINES_S, gap_s / 2))

    @property
    def restarts(self) -> int:
        """How often its process was started again after it had ended by itself."""
        return self.restart_count + len(self.failed_at)

    def restarts_since(self, moment: Instant) -> int:
        """Those that can be later: an engine only counts them, from the last start by hand on."""
        return self.restart_count + sum(at > moment for at in self.failed_at)

    @property
    def is_running(self) -> bool:
        return self.status == "running" and not self.restarting and not self.paused

    @property
    def is_half_made(self) -> bool:
        """True for a replacement that Compose had not yet put in place of the old one."""
        is_own = self.name.startswith(f"{self.short_id}_")
        return self.status == "created" and self.started_at is None and bool(_HALF_MADE.match(self.name)) and not is_own

    @property
    def is_set_aside(self) -> bool:
        """True if Compose before 2.0 stopped and renamed it, to put another one in its place."""
        return self.name.startswith(f"{self.short_id}_") and not self.is_running

    @property
    def is_ill(self) -> bool:
        """True if a health check that ran is unhealthy. A check whose program is missing does not count."""
        return self.health == "unhealthy" and not self.check_cannot_run

    @property
    def awaits_health(self) -> bool:
        """True if its health check is still undecided and can run."""
        return self.health == "starting" and self.is_running and not self.check_cannot_run

    @property
    def condition(self) -> str:
        """In words, for messages."""
        words = [self.status]
        if self.status == "exited":
            words.append(f"with status {self.exit_code}")
        if self.oom_killed:
            words.append("(out of memory)")
        if self.restarts:
            words.append(f"(restarted {self.restarts} times)")
        return " ".join(words)


def left_by_an_interrupted_recreate(replicas: Iterable[Replica]) -> list[Replica]:
    """Half-made replacements, and replaced containers set aside: Compose would reuse their names or numbers."""
    rows = list(replicas)
    numbers = [replica.number for replica in rows if not replica.is_set_aside]
    return [one for one in rows if one.is_half_made or (one.is_set_aside and one.number and one.number in numbers)]


def parse_inspect(attrs: Mapping[str, Any]) -> Replica:
    """From the JSON of GET /containers/ID/json."""
    state, config, host = attrs["State"], attrs["Config"], attrs["HostConfig"]
    labels = config.get("Labels") or {}
    started = state.get("StartedAt") or _NEVER
    finished = state.get("FinishedAt") or _NEVER
    networks = (attrs.get("NetworkSettings") or {}).get("Networks") or {}
    results = (state.get("Health") or {}).get("Log") or ()
    return Replica(
        id=attrs["Id"],
        name=attrs["Name"].lstrip("/"),
        service=labels.get(SERVICE_LABEL, ""),
        status=state["Status"],
        restarting=bool(state.get("Restarting")),
        paused=bool(state.get("Paused")),
        oom_killed=bool(state.get("OOMKilled")),
        exit_code=int(state.get("ExitCode") or 0),
        restart_count=int(attrs.get("RestartCount") or 0),
        created_at=Instant.parse(attrs["Created"]),
        started_at=None if started == _NEVER else Instant.parse(started),
        finished_at=None if finished == _NEVER else Instant.parse(finished),
        health=(state.get("Health") or {}).get("Status", ""),
        image_id=attrs["Image"],
        image_name=config.get("Image", ""),
        config_hash=labels.get(CONFIG_HASH_LABEL, ""),
        config_files=labels.get(CONFIG_FILES_LABEL, ""),
        compose_version=labels.get(VERSION_LABEL, ""),
        hostname=config.get("Hostname", ""),
        number=labels.get(NUMBER_LABEL, ""),
        working_directory=config.get("WorkingDir", ""),
        addresses=tuple(n[key] for n in networks.values() for key in ("IPAddress", "GlobalIPv6Address") if n.get(key)),
        mounts=tuple(_mount(row) for row in attrs.get("Mounts") or ()),
        log_driver=(host.get("LogConfig") or {}).get("Type", ""),
        log_is_limited=_is_limited(host.get("LogConfig") or {}),
        shares_processes=bool(host.get("PidMode")),
        log_buffer_bytes=_buffer_bytes((host.get("LogConfig") or {}).get("Config") or {}),
        stop_timeout_s=int(10 if config.get("StopTimeout") is None else config["StopTimeout"]),
        tty=bool(config.get("Tty")),
        made_in=labels.get(DIRECTORY_LABEL, ""),
        environment_files=labels.get(ENVIRONMENT_FILES_LABEL, ""),
        network_of=_container_of(host.get("NetworkMode") or ""),
        check_results=len(results),
        check_at=max((Instant.parse(row["Start"]) for row in results), default=None),
        check_every_s=_check_every_s(config.get("Healthcheck") or {}),
        check_cannot_run=_cannot_run(results, started),
    )


def _is_limited(log: Mapping[str, Any]) -> bool:
    """True if lines can be discarded: by any driver but json-file without `max-size`, which keeps them all."""
    return log.get("Type") != "json-file" or "max-size" in (log.get("Config") or {})


def _buffer_bytes(options: Mapping[str, str]) -> int:
    """Buffer of `mode: non-blocking`, in bytes: by default 1 MiB, 1 if the size is unreadable; 0 in other modes."""
    if options.get("mode") != "non-blocking":
        return 0
    size = _BUFFER.fullmatch(options.get("max-buffer-size") or "1m")
    return int(float(size[1]) * 1024 ** " kmg".index(size[2].lower() or " ")) if size else 1


def _mount(row: Mapping[str, Any]) -> Mount:
    return Mount(row["Type"], row.get("Source", ""), row["Destination"], row.get("Name", ""))


def _check_every_s(check: Mapping[str, Any]) -> float:
    """Interval plus timeout in seconds; the engine's default (30 s each) for what is not set."""
    return sum(check.get(name) or _CHECK_DEFAULT_NS for name in ("Interval", "Timeout")) / 1e9


def _container_of(network_mode: str) -> str:
    """Id of the container whose network it shares, "" for a network of its own."""
    kind, _, container_id = network_mode.partition(":")
    return container_id if kind == "container" else ""


def _cannot_run(log: Iterable[Mapping[str, Any]], started: str) -> str:
    """The reason, if every result since this process started shows that the program could not be started; else "".

    The engine keeps results across a restart, including one that the restart killed.
    """
    since = Instant.parse(started)
    rows = [row for row in log if Instant.parse(row["Start"]) >= since]
    if not rows or not all(_is_missing(row) for row in rows):
        return ""
    return cut(" ".join(str(rows[-1].get("Output") or f"exit status {rows[-1].get('ExitCode')}").split()), 300)


def _is_missing(result: Mapping[str, Any]) -> bool:
    """True by a shell's exit status (126, 127); by its "not found" message, whatever status `|| exit 1` makes of it; or
    by the engine's message that it could not start the program at all.
    """
    says, status = str(result.get("Output") or "").strip(), result.get("ExitCode")
    by_shell = bool(says) and all(_NOT_FOUND.fullmatch(line.strip()) for line in says.splitlines())
    return status in (126, 127) or (status != 0 and by_shell) or (status == -1 and "executable file not found" in says)
