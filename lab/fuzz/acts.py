"""Acts on a finished rollback, what is noted of each act, and what is read at the end."""

from __future__ import annotations

import datetime
import py_compile
import random
import shutil
import struct
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

import yaml
from docker.models.containers import Container as Real

from lab.catalogue import plant, services
from lab.fuzz.truth import Container, Line, World
from lab.reference import COORDINATOR, ORCHESTRATOR, WORKER, Lab

_TIMEOUTS = "enrichment_service/config/timeouts.py"
SETTING = "SOMETHING_ELSE"
_ERROR = b"ERROR:enrichment_service.workers:unexpected trouble\n"


@dataclass
class Diary:
    """What was done to one lab since it was healed."""

    lab: Lab
    dice: random.Random
    contents: list[tuple[int, str]] = field(default_factory=list)
    moved: int = 0
    lines: list[Line] = field(default_factory=list)
    marked: list[int] = field(default_factory=list)
    unclear: bool = False
    paused: bool = False
    left_out: bool = False
    behind: str = ""

    # --- reading

    def note_files(self) -> None:
        """Note what the restored file holds now, and since when."""
        path = self.lab.directory / ORCHESTRATOR
        content = "new" if path.read_bytes() == plant.release_file("phase1") else "old"
        self.contents.append((path.stat().st_ctime_ns, content))

    def world(self) -> World:
        lab = self.lab
        return World(
            containers=tuple(_seen(one, name) for name in (WORKER, COORDINATOR) for one in lab.containers(name)),
            contents=tuple(self.contents),
            has_modules=_modules(lab),
            moved=self.moved,
            written=(lab.directory / ORCHESTRATOR).stat().st_ctime_ns if not self.behind else self.contents[-1][0],
            lines=tuple(self.lines),
            marked=tuple(self.marked),
            unclear=self.unclear,
            paused=self.paused,
            named_in_file=SETTING in (lab.directory / "docker-compose.yml").read_text(),
            left_out=self.left_out,
            behind=self.behind,
            size=(lab.directory / ORCHESTRATOR).stat().st_size,
            compiled=_bytecode(lab, str(ORCHESTRATOR)),
            orphans=() if (lab.directory / _TIMEOUTS).exists() else _bytecode(lab, _TIMEOUTS),
        )

    def moving(self, act: Callable[[], object]) -> None:
        """Run an act that may add or remove paths of the change, and note the result."""
        before = _modules(self.lab)
        act()
        if _modules(self.lab) != before:
            self.moved = time.time_ns()
        self.note_files()

    def any_worker(self) -> Real:
        return self.dice.choice(self.lab.containers(WORKER))


def _bytecode(lab: Lab, relative: str) -> tuple[tuple[int, int, int], ...]:
    """For each bytecode file: when it was made, and its source's size and time, from the header (PEP 552)."""
    path = lab.directory / relative
    rows = []
    for made in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        _, _, seconds, size = struct.unpack("<4I", made.read_bytes()[:16])
        rows.append((made.stat().st_mtime_ns, size, seconds * 10**9))
    return tuple(rows)


def _modules(lab: Lab) -> bool:
    return any((lab.directory / path).exists() for path in plant.REMOVED)


def _seen(one: Real, service: str) -> Container:
    state = one.attrs["State"]
    is_up = state["Status"] == "running" and not state["Paused"]
    started = datetime.datetime.fromisoformat(state["StartedAt"]).timestamp()
    environment = one.attrs["Config"]["Env"]
    has_setting = any(text.startswith(f"{SETTING}=") for text in environment)
    return Container(str(one.id), service == WORKER, is_up, int(started * 1e9), has_setting)


# --- code and processes


def deploy_by_hand(diary: Diary) -> None:
    diary.moving(lambda: diary.lab.put_files("phase1"))


def restore_by_hand(diary: Diary) -> None:
    diary.moving(lambda: plant.old_files(diary.lab))


def module_left(diary: Diary) -> None:
    relative = "enrichment_service/errors/error_types.py"
    diary.moving(lambda: plant.put(diary.lab, relative, plant.release_file("phase1", relative)))


def touch(diary: Diary) -> None:
    diary.moving((diary.lab.directory / ORCHESTRATOR).touch)


def swap_a_folder(diary: Diary) -> None:
    """A copy replaces the folder by `mv`: the processes loaded their code from the folder that is gone."""
    folder = (diary.lab.directory / ORCHESTRATOR).parent
    ready, gone = (
        folder.with_name(f"{folder.name}.{word}") for word in ("ready", f"gone{diary.dice.getrandbits(32):x}")
    )
    shutil.copytree(folder, ready)
    folder.rename(gone)
    ready.rename(folder)
    diary.moved = time.time_ns()
    diary.note_files()


def compile_elsewhere(diary: Diary) -> None:
    """The change is put in place, compiled and removed after the processes started; no process runs it."""
    path = diary.lab.directory / ORCHESTRATOR
    if diary.contents[-1][1] == "old":
        plant.put(diary.lab, ORCHESTRATOR, plant.release_file("phase1"))
        py_compile.compile(str(path), doraise=True)
        plant.put(diary.lab, ORCHESTRATOR, plant.release_file("before"))
        diary.note_files()


def restart_one(diary: Diary) -> None:
    plant.restart(diary.lab, diary.any_worker())


def restart_workers(diary: Diary) -> None:
    plant.restart(diary.lab)


def restart_coordinator(diary: Diary) -> None:
    plant.restart(diary.lab, *diary.lab.containers(COORDINATOR))


def restart_all(diary: Diary) -> None:
    plant.restart(diary.lab, *diary.lab.containers(WORKER), *diary.lab.containers(COORDINATOR))


def recreate(diary: Diary) -> None:
    diary.lab.recreate(WORKER, COORDINATOR)
    diary.lab.wait_consuming()


# --- configuration, mounts, other services


def reconfigure(diary: Diary) -> None:
    services.reconfigured(diary.lab)


def configure_back(diary: Diary) -> None:
    path = diary.lab.directory / "docker-compose.yml"
    tree = yaml.safe_load(path.read_text())
    for name in (WORKER, COORDINATOR):
        tree["services"][name]["environment"].pop(SETTING, None)
    path.write_text(yaml.safe_dump(tree, sort_keys=False))


def change_behind_the_mount(diary: Diary) -> None:
    services.replaced_behind(diary.lab, "phase1")
    diary.behind = "new"


def another_behind_the_mount(diary: Diary) -> None:
    services.replaced_behind(diary.lab, "before")
    diary.behind = "other"


def forget_a_service(diary: Diary) -> None:
    services.left_out(diary.lab)
    diary.left_out = True


# --- documents, logs, queue


def old_documents(diary: Diary) -> None:
    """Documents as the workers save and log them."""
    plant.documents(diary.lab, 2, 0.2778)


def marked_documents(diary: Diary) -> None:
    _insert(diary, created_at=datetime.datetime.now(datetime.UTC))
    diary.marked.append(time.time_ns())


def marked_documents_of_before(diary: Diary) -> None:
    _insert(diary, created_at=datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=2))


def marked_documents_without_a_time(diary: Diary) -> None:
    _insert(diary, created_at=diary.dice.choice(["2026-01-21T09:00:00Z", None]))
    diary.unclear = True


def marked_documents_of_tomorrow(diary: Diary) -> None:
    """Local time stored as if it were UTC, or a clock that is ahead."""
    _insert(diary, created_at=datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1))
    diary.unclear = True


def _insert(diary: Diary, **fields: object) -> None:
    name = f"fuzz-{diary.dice.getrandbits(64):x}.jpg"
    document = {"_id": name, "quality_metrics": {"completeness_score": 0.2778}, **fields}
    diary.lab.database.enriched_documents.insert_one(document | {"enriched_data": {"metadata": {"_source": "actual"}}})


def line_of_the_change(diary: Diary) -> None:
    _log(diary, diary.any_worker(), plant.PHASE1_LINE.encode() + b"\n", 1, 0)


def many_errors(diary: Diary) -> None:
    _log(diary, diary.any_worker(), _ERROR, 9, 9)


def one_error(diary: Diary) -> None:
    _log(diary, diary.any_worker(), _ERROR, 1, 1)


def many_errors_of_another_service(diary: Diary) -> None:
    _log(diary, diary.lab.containers(COORDINATOR)[0], _ERROR, 9, 9)


def _log(diary: Diary, container: Real, text: bytes, times: int, errors: int) -> None:
    plant.log(diary.lab, text, container, times)
    diary.lines.append(Line(str(container.id), time.time_ns(), errors))


def pause_the_queue(diary: Diary) -> None:
    port = diary.lab.settings["LAB_QUEUE_PORT"]
    url = f"http://127.0.0.1:{port}/channel/pause?topic=enrichment&channel=enrichment_worker"
    with urllib.request.urlopen(urllib.request.Request(url, data=b""), timeout=5):
        diary.paused = True


def note_beside(diary: Diary) -> None:
    """An unrelated file."""
    (diary.lab.directory / ORCHESTRATOR).with_name("notes.txt").write_text("of somebody")


def copy_of_the_old_file(diary: Diary) -> None:
    """Another backup, identical to the newest one."""
    path = diary.lab.directory / ORCHESTRATOR
    if diary.contents[-1][1] == "old":
        stamp = f"{datetime.datetime.now():%Y%m%d_%H%M%S}"  # noqa: DTZ005 - as the team's `date`
        shutil.copy(path, path.with_name(f"{path.name}.backup.{stamp}"))


def stop_one(diary: Diary) -> None:
    diary.dice.choice([*diary.lab.containers(WORKER), *diary.lab.containers(COORDINATOR)]).stop(timeout=1)


def pause_one(diary: Diary) -> None:
    diary.dice.choice([*diary.lab.containers(WORKER), *diary.lab.containers(COORDINATOR)]).pause()


Act = Callable[[Diary], None]

# In this order: acts that need everything up, acts that show since the boundary, acts that end a round. Any act that
# makes one replica's proof older than another's process comes first, or chance decides who gets the test document.
FIRST: tuple[Act, ...] = (
    deploy_by_hand,
    restore_by_hand,
    restore_by_hand,
    module_left,
    touch,
    swap_a_folder,
    compile_elsewhere,
    restart_one,
    restart_workers,
    restart_coordinator,
    restart_all,
    restart_all,
    recreate,
    reconfigure,
    configure_back,
    line_of_the_change,
    many_errors,
    marked_documents,
    note_beside,
    copy_of_the_old_file,
)
THEN: tuple[Act, ...] = (
    old_documents,
    old_documents,
    one_error,
    marked_documents,
    marked_documents_of_before,
    marked_documents_without_a_time,
    marked_documents_of_tomorrow,
    line_of_the_change,
    many_errors,
    many_errors_of_another_service,
    pause_the_queue,
    forget_a_service,
)
LAST: tuple[Act, ...] = (change_behind_the_mount, another_behind_the_mount, stop_one, pause_one)


def drawn(dice: random.Random) -> list[Act]:
    """Few acts of each kind: most rounds must be able to end with GO, or only NO-GO is tested."""
    first = dice.choices(FIRST, k=dice.choice((0, 1, 1, 2, 2, 3, 4)))
    then = dice.sample(THEN, k=dice.choice((0, 0, 0, 1, 1, 2)))
    last = dice.sample(LAST, k=dice.choice((0, 0, 0, 0, 1)))
    return [*first, *then, *last]
