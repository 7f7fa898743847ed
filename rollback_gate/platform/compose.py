"""Docker Compose: which installed version to use, its commands as data, and the content of its file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from rollback_gate.errors import CommandFailed, Refused
from rollback_gate.platform.commands import Runner
from rollback_gate.platform.replica import Replica
from rollback_gate.profile.deployment import Deployment

_KNOWS_PULL = (2, 6)  # of `up`
# Before it, `config --hash` is not what `up` writes into the label (depends_on and --no-deps are treated differently).
_TELLS_HASHES = (2, 29, 3)
_HASHES_NO_IMAGES = 2
_FORGETS_ENV_FILES, _MENDED = (2, 22), (5, 6)
_HOOKS = ("post_start", "pre_stop")
DEFAULT_FILES = ("docker-compose.yml",)
_FOUND_BY_ITSELF = frozenset(
    f"{stem}{override}.{end}"
    for stem in ("compose", "docker-compose")
    for override in ("", ".override")
    for end in ("yml", "yaml")
)
_NOTHING = Path(__file__).with_name("nothing.env")
_VERSION = re.compile(r"v?(\d+\.\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Compose:
    """One installed Compose, bound to a project. Methods return argument lists and run nothing.

    `directory`: base of relative paths in the files and of `.env`; "" for the first file's own folder.
    """

    command: tuple[str, ...]
    version: str
    project: str
    files: tuple[str, ...]
    environment_files: tuple[str, ...] = ()
    directory: str = ""

    @property
    def base(self) -> tuple[str, ...]:
        every = ("--profile", "*") if _major(self.version) >= 2 else ()  # running services were started with theirs
        return (*self.of_files, *every)

    @property
    def of_files(self) -> tuple[str, ...]:
        """Without services that only a Compose profile enables."""
        files = tuple(part for file in self.files for part in ("-f", file))
        environment = tuple(part for file in self.environment_files for part in ("--env-file", file))
        directory = ("--project-directory", self.directory) if self.directory else ()
        return (*self.command, "-p", self.project, *directory, *environment, *files)

    @property
    def plain(self) -> Compose:
        """As typed in the project's directory: Compose itself chooses which files it reads."""
        return replace(self, files=(), environment_files=(), directory="")

    def config(self, *options: str) -> tuple[str, ...]:
        return (*self.base, "config", *options)

    def image_of(self, service: ComposeService) -> str:
        """The name of the service's image."""
        return service.image or f"{self.project}{'-' if _major(self.version) >= 2 else '_'}{service.name}"

    def build(self, services: Iterable[str], no_cache: bool = False, pull: bool = False) -> tuple[str, ...]:
        options = (*(["--no-cache"] if no_cache else []), *(["--pull"] if pull else []))
        return (*self.base, "build", *options, *services)

    def recreate(self, services: Mapping[str, int]) -> tuple[str, ...]:
        """New containers of these services, in the given number of each."""
        return self._up(services, "--force-recreate")

    def start_missing(self, services: Mapping[str, int]) -> tuple[str, ...]:
        """The given number of containers of these services; existing ones are left alone."""
        return self._up(services, "--no-recreate")

    def _up(self, services: Mapping[str, int], how: str) -> tuple[str, ...]:
        """For these services only: no dependencies, no build, and no pull over an image that was tagged here.

        Without `--scale`, Compose would remove replicas beyond the number in the file. No container of another service
        is removed, whatever COMPOSE_REMOVE_ORPHANS is in the project's .env.
        """
        pull = ("--pull", "never") if _numbers(self.version) >= _KNOWS_PULL else ()
        newer = (*pull, "--remove-orphans=false") if _major(self.version) >= 2 else ()
        scale = tuple(part for name, count in services.items() for part in ("--scale", f"{name}={count}"))
        return (*self.base, "up", "-d", "--no-deps", "--no-build", how, *newer, *scale, *services)


@dataclass(frozen=True)
class ComposeService:
    """A service in the Compose file. Values of its environment are not kept.

    `hooks`: names of its hooks; Compose runs them only if it makes or stops the container itself.
    """

    name: str
    builds: bool
    build_context: str
    image: str
    depends_on: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()


def installed(runner: Runner, environ: Mapping[str, str], made_by: str = "") -> tuple[tuple[tuple[str, ...], str], ...]:
    """Every Compose that answers, as (command, version): the plugin and each docker-compose on the PATH.

    The search ends at the first one of version `made_by`: each call takes up to 1 s.
    """
    folders = [Path(folder) for folder in environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    on_path = [(str(folder / "docker-compose"),) for folder in folders if _is_file(folder / "docker-compose")]
    found: dict[tuple[str, ...], str] = {}
    for command in [("docker", "compose"), *on_path]:
        try:
            answer = runner((*command, "version", "--short"), timeout_s=20).stdout
        except CommandFailed:
            continue  # not installed, or not executable: try the next one
        if match := _VERSION.search(answer):
            found.setdefault(command, match[1])
            if match[1] == made_by:
                break
    return tuple(found.items())


def _is_file(path: Path) -> bool:
    """False also in a folder that may not be searched."""
    try:
        return path.is_file()
    except OSError:
        return False


def choose(candidates: Iterable[tuple[tuple[str, ...], str]], made_by: str) -> tuple[tuple[str, ...], str]:
    """The Compose that made the project, else one of its major version, else the newest. Raises Refused if none."""
    rows = list(candidates)
    if not rows:
        raise Refused("no Docker Compose is installed", "install docker-compose (Debian), or the compose plugin")

    def fitness(row: tuple[tuple[str, ...], str]) -> tuple[bool, bool, tuple[int, ...]]:
        return row[1] == made_by, _major(row[1]) == _major(made_by), _numbers(row[1])

    return max(rows, key=fitness)


def version_warning(version: str, made_by: str) -> str:
    """ "" if the versions are compatible; else a warning (FACTS: switching versions can recreate other services)."""
    if _major(made_by) in (-1, _major(version)):
        return ""
    return (
        f"the project was made by Compose {made_by}, only {version} is installed: "
        "containers get other names and labels; other services are left alone (--no-deps)"
    )


def bind(deployment: Deployment, replica: Replica, command: tuple[str, ...], version: str) -> Compose:
    """As the project was made: with the files and environment files named in this container's labels.

    Files named in the profile take precedence; without either, DEFAULT_FILES.
    """
    here, made_in = deployment.project_directory, Path(replica.made_in or deployment.project_directory)
    made_from = tuple(_place(name, here, made_in) for name in replica.config_files.split(",") if name)
    files = deployment.files or made_from or DEFAULT_FILES
    environment = tuple(name for name in replica.environment_files.split(",") if name)
    by_default = (here / files[0]).parent
    directory = str(made_in) if replica.made_in and made_in != by_default else ""
    return Compose(command, version, deployment.project, files, environment, directory)


def of(deployment: Deployment, replica: Replica, runner: Runner, environ: Mapping[str, str]) -> Compose:
    """The best installed Compose for the project of this container. Raises Refused if none is installed."""
    made_by = replica.compose_version
    command, version = choose(installed(runner, environ, made_by), made_by)
    return bind(deployment, replica, command, version)


def of_stack(deployment: Deployment, runner: Runner, environ: Mapping[str, str]) -> Compose:
    """The newest installed Compose, to read a stack's files. Raises Refused if none is installed.

    `docker stack deploy` reads no .env. Compose takes no upper-case letter in a project's name.
    """
    command, version = choose(installed(runner, environ, ""), "")
    return Compose(command, version, deployment.project.lower(), deployment.files, (str(_NOTHING),))


def to_read(deployment: Deployment, replica: Replica, runner: Runner, environ: Mapping[str, str]) -> Compose:
    """To read the files that the services are made from, as what makes them does. Raises as `of`."""
    if deployment.platform == "swarm":
        return of_stack(deployment, runner, environ)
    return of(deployment, replica, runner, environ)


def _place(name: str, here: Path, made_in: Path) -> str:
    """Compose before 2.0 keeps the names as given, relative to where it was called."""
    return str(made_in / Path(name).name) if not _is_file(here / name) and _is_file(made_in / Path(name).name) else name


def reads_others_by_itself(compose: Compose, directory: Path) -> tuple[str, ...]:
    """Files that a plain `up` in the project's directory may read, if not those that the project was made from.

    Empty if it was made from files that have to be named each time. Raises OSError.
    """
    made_from = {Path(name).name for name in compose.files}
    there = {name for name in _FOUND_BY_ITSELF if (directory / name).exists()}
    settings = directory / ".env"
    by_variable = settings.is_file() and any(
        line.strip().removeprefix("export ").startswith("COMPOSE_FILE")
        for line in settings.read_text(errors="replace").splitlines()
    )
    if not made_from <= _FOUND_BY_ITSELF or (there == made_from and not by_variable):
        return ()
    return (*sorted(there - made_from), *((".env",) if by_variable else ())) or tuple(sorted(there))


def none(deployment: Deployment) -> Compose:
    """Placeholder if Compose is unavailable: none of its commands may be run."""
    return Compose((), "", deployment.project, ())


def services(compose: Compose, runner: Runner, directory: Path) -> dict[str, ComposeService]:
    """The services of the Compose file. Raises Refused when Compose does not accept the file."""
    try:
        text = config_of(compose, runner, directory)
    except CommandFailed as error:
        raise Refused(
            f"Compose {compose.version} does not accept the project: {error.message}",
            f"run `{' '.join(compose.config())}` in {directory} and fix the file; "
            "or, if another Compose made the project, put that one on the PATH",
        ) from error
    return parse_config(text)


def config_of(compose: Compose, runner: Runner, directory: Path) -> str:
    """What `config` prints; if it fails (a disabled service may name a missing file), without disabled services.

    Raises CommandFailed.
    """
    try:
        return runner(compose.config(), cwd=directory, timeout_s=60).stdout
    except CommandFailed as error:
        if compose.base == compose.of_files:
            raise
        try:
            return runner((*compose.of_files, "config"), cwd=directory, timeout_s=60).stdout
        except CommandFailed:
            raise error from None  # the same, or more informative


def config_hashes(compose: Compose, services: Iterable[str], runner: Runner, directory: Path) -> dict[str, str]:
    """By service, the configuration hash that Compose would write into a label now. Raises Refused."""
    try:
        answer = runner(compose.config("--hash", ",".join(services)), cwd=directory).stdout
    except CommandFailed as error:
        raise Refused(f"Compose cannot tell the configuration: {error.message}") from error
    rows = (line.split() for line in answer.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 2}


def tells_hashes(version: str) -> bool:
    """True if `config --hash` of this version equals what its `up` writes into the label."""
    return not (2, 0) <= _numbers(version) < _TELLS_HASHES


def forgets_env_files(version: str) -> bool:
    """True if `config --hash` omits the content of an env_file: a different hash then proves nothing."""
    return _FORGETS_ENV_FILES <= _numbers(version) < _MENDED


def hashes_images(version: str) -> bool:
    """True if the configuration hash includes the image id, so that it changes when a name moves."""
    return 0 <= _major(version) < _HASHES_NO_IMAGES


def parse_config(text: str) -> dict[str, ComposeService]:
    """Services in the output of `config`, of v1 or v2. Raises Refused if that is not a Compose file."""
    return {name: _service(name, entry) for name, entry in parse_services(text).items()}


def parse_services(text: str) -> dict[str, Mapping[str, Any]]:
    """The same, as printed. Raises Refused."""
    try:
        return {str(name): entry or {} for name, entry in yaml.safe_load(text)["services"].items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"what Compose printed is not a Compose file: {error}") from error


def parse_volumes(text: str, project: str) -> dict[str, str]:
    """The engine's volume names, by their key in the file. Raises Refused."""
    return parse_names(text, project, "volumes")


def parse_names(text: str, project: str, section: str) -> dict[str, str]:
    """The same, of another section: configs or secrets. Of a stack, Compose knows the project in lower case."""
    try:
        rows = (yaml.safe_load(text).get(section) or {}).items()
        names = {str(key): _name(str(key), row or {}, project) for key, row in rows}
        own = {key: f"{project.lower()}_{key}" for key in names}
        return {key: f"{project}_{key}" if name == own[key] else name for key, name in names.items()}
    except (yaml.YAMLError, TypeError, AttributeError) as error:
        raise Refused(f"what Compose printed is not a Compose file: {error}") from error


def _name(key: str, row: Mapping[str, Any], project: str) -> str:
    external = row.get("external")
    given = row.get("name") or (external.get("name") if isinstance(external, Mapping) else None)
    return str(given) if given else key if external else f"{project}_{key}"


def _service(name: str, entry: Mapping[str, Any]) -> ComposeService:
    build = entry.get("build")
    context = build if isinstance(build, str) else (build or {}).get("context", "")
    return ComposeService(
        name,
        build is not None,
        context,
        entry.get("image", ""),
        tuple(entry.get("depends_on") or ()),
        tuple(hook for hook in _HOOKS if entry.get(hook)),
    )


def in_order(names: Iterable[str], services: Mapping[str, ComposeService]) -> list[str]:
    """Dependencies first; otherwise in the given order."""
    left, done = list(names), list[str]()
    while left:
        free = (n for n in left if not set(services[n].depends_on if n in services else ()) & (set(left) - {n}))
        following = next(free, left[0])  # also ends on a cycle, which Compose would refuse
        left.remove(following)
        done.append(following)
    return done


def _major(version: str) -> int:
    return next(iter(_numbers(version)), -1)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
