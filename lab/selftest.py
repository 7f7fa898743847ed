"""`invoke selftest`: runs every catalogue entry on a real deployment, several labs at once; prints table and score."""

from __future__ import annotations

import gzip
import json
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from lab.catalogue import CATALOGUE
from lab.catalogue.entry import GO, NO_GO, Entry, Judged, Start
from lab.images import LabError
from lab.operator import QUICK, Operator
from lab.reference import VARIANTS, Lab
from lab.stack import STACKS, Stack
from lab.team import TEAMS, at_work

STATIONS = 3  # labs at once; one of them begins with the stacks, whose nodes are the whole machine's


@dataclass(frozen=True)
class Job:
    entry: Entry
    variant: str

    @property
    def name(self) -> str:
        return f"{self.entry.name}/{self.variant}"


@dataclass(frozen=True)
class Row:
    """`why_not`: "" if the gate gave the required answer."""

    job: Job
    verdict: str
    why_not: str
    seconds: float


def of_the_core() -> list[str]:
    """The first entry of each group and verdict: every kind of sabotage on a real deployment, within minutes.

    Other teams' deployments take longer to be brought up: all of theirs are asked in the whole run.
    """
    first: dict[tuple[str, str], str] = {}
    for entry in (one for one in CATALOGUE if one.variants[0] in VARIANTS):
        first.setdefault((entry.group, entry.verdict), entry.name)
    return list(first.values())


def jobs(full: bool, only: Iterable[str] = ()) -> list[Job]:
    """Each entry in its most telling variant, or in all of its variants. Raises LabError for an unknown name."""
    names = set(only)
    unknown = names - {entry.name for entry in CATALOGUE}
    if unknown:
        raise LabError(
            f"there is no entry {', '.join(sorted(unknown))}; there are {', '.join(entry.name for entry in CATALOGUE)}"
        )
    chosen = [entry for entry in CATALOGUE if not names or entry.name in names]
    return [Job(entry, variant) for entry in chosen for variant in (entry.variants if full else entry.variants[:1])]


@dataclass
class Work:
    """The jobs left; a station keeps the variant that it has up, if it can.

    One station at most has a team's deployment, the names of whose images are the whole machine's. Those begin first,
    as they take longest.
    """

    left: list[Job]
    lock: Lock = field(default_factory=Lock)
    taken: set[str] = field(default_factory=set)

    def next(self, variant: str) -> Job | None:
        """`variant`: the one that the station has up, "" for none."""
        with self.lock:
            others = self.taken - {variant}
            counted = Counter(job.variant for job in self.left if job.variant not in others)
            alone_first = sorted(counted, key=lambda name: (name in TEAMS, counted[name]), reverse=True)
            wanted = variant if counted[variant] else next(iter(alone_first), "")
            if variant != wanted:
                self.taken.discard(variant)
            if not wanted:
                return None
            if wanted in TEAMS:
                self.taken.add(wanted)
            job = next(job for job in self.left if job.variant == wanted)
            self.left.remove(job)
            return job


@dataclass
class Station:
    """Runs one lab after another; each entry starts on a healed lab."""

    number: int
    folder: Path
    keep: Callable[[Job, Judged], None]
    operator: Operator | None = None
    variant: str = ""
    up: ExitStack = field(default_factory=ExitStack)

    def run(self, works: Iterable[Work], tell: Callable[[Row], None]) -> None:
        """One after the other."""
        try:
            for work in works:
                while job := work.next(self.variant):
                    tell(self._judge(job))
        finally:
            self._down()

    def _judge(self, job: Job) -> Row:
        began = time.monotonic()
        try:
            operator = self._sabotaged(job)
            judged = job.entry.judge(operator, job.entry)
            why_not = job.entry.why_not(judged)
            self.keep(job, judged)
        except Exception as error:  # noqa: BLE001 - whatever happens to one entry, the others are still asked
            self._down()
            return Row(job, "?", f"could not be judged: {_short(error)}", time.monotonic() - began)
        return Row(job, judged.verdict, why_not, time.monotonic() - began)

    def _sabotaged(self, job: Job) -> Operator:
        """A lab with this entry applied. A lab failure is not the gate's, so it is retried once on a new lab."""
        try:
            operator = self._ready(job)
            job.entry.apply(operator.lab)
        except Exception as error:  # noqa: BLE001 - said, and what then fails is counted
            print(f"! {job.name}: the lab is made anew: {_short(error)}", flush=True)
            self._down()
            operator = self._ready(job)
            job.entry.apply(operator.lab)
        return operator

    def _ready(self, job: Job) -> Operator:
        if self.operator is None or self.variant != job.variant:
            self._down()
            self.operator, self.variant = self._up(job.variant), job.variant
        else:
            self.operator.lab.heal()
        if job.entry.start is not Start.HEALED:
            self.operator.lab.deploy()
        if job.entry.start is Start.RUN:
            ended = self.operator.rollback()
            if ended.status:
                raise LabError(f"the rollback exited {ended.status}: {ended.output}")
        return self.operator

    def _up(self, variant: str) -> Operator:
        """A lab of this variant, or another team's example, each with reports of its own."""
        project, folder = f"selftest-{self.number}", self.folder / f"{self.number}-{time.monotonic_ns()}"
        folder.mkdir()
        if variant in TEAMS:
            operator: Operator = self.up.enter_context(at_work(variant, folder, project)).operator
            return operator
        if variant in STACKS:
            stack = Stack.begun(STACKS[variant], project=project)
            self.up.callback(stack.down)
            return Operator(stack, folder / "reports", environ={"DOCKER_HOST": stack.nodes[0].host})
        lab = Lab.up(variant, "before", project)
        self.up.callback(lab.down)
        return Operator(lab, folder / "reports")

    def _down(self) -> None:
        self.operator, self.variant = None, ""
        self.up.close()


def run(full: bool, only: Iterable[str], readings: Path | None) -> int:
    """Return the number of entries with a wrong answer. `readings`: the folder to keep readings in; None keeps none."""
    todo = jobs(full, only)
    rows: list[Row] = []
    began = time.monotonic()

    def tell(row: Row) -> None:
        rows.append(row)
        mark = "✔" if not row.why_not else "✘"
        print(f"{mark} {row.job.name:42} {row.verdict:12} {row.seconds:5.1f} s  {row.why_not}", flush=True)

    with tempfile.TemporaryDirectory(prefix="rollback-gate-selftest-") as folder:
        of_stacks, others = (Work([j for j in todo if (j.variant in STACKS) is one]) for one in (True, False))
        stations = [Station(number, Path(folder), keeping(readings)) for number in range(min(STATIONS, len(todo)))]
        with ThreadPoolExecutor(len(stations)) as pool:
            each = [(of_stacks, others), *[(others,)] * (len(stations) - 1)]
            for done in [pool.submit(station.run, works, tell) for station, works in zip(stations, each, strict=True)]:
                done.result()
    print(table(sorted(rows, key=lambda row: todo.index(row.job))))
    for row in rows:
        if row.why_not:  # repeated, so that the end of a long log shows it
            print(f"✘ {row.job.name}: {row.why_not}")
    print(f"{score(rows)}; {time.monotonic() - began:.0f} s")
    return sum(bool(row.why_not) for row in rows)


def table(rows: Iterable[Row]) -> str:
    lines = ["", "| what was done to the rollback | variant | must be | was | says so |", "|---|---|---|---|---|"]
    for row in rows:
        entry = row.job.entry
        lines.append(
            f"| {entry.name}: {entry.says} | {row.job.variant} | {entry.verdict} | {row.verdict} | "
            f"{entry.check or 'the gate'} |"
        )
    return "\n".join([*lines, ""])


def _short(error: Exception) -> str:
    return " ".join(traceback.format_exception(error)[-2:]).strip()


def score(rows: Iterable[Row]) -> str:
    found = list(rows)
    bad = [row for row in found if row.job.entry.verdict != GO]
    good = [row for row in found if row.job.entry.verdict == GO]
    false_go = sum(row.verdict == GO for row in bad)
    false_no_go = sum(row.verdict == NO_GO for row in good)
    return (
        f"{len(bad)} sabotaged, false GO: {false_go}; {len(good)} healthy, false NO-GO: {false_no_go}; "
        f"as expected, by the right check: {sum(not row.why_not for row in found)} of {len(found)}"
    )


def keeping(folder: Path | None) -> Callable[[Job, Judged], None]:
    """Return a function that keeps the readings of each entry whose verify completed, for the mutation run."""

    def keep(job: Job, judged: Judged) -> None:
        measured = judged.record.get("readings")
        if (
            folder is None
            or not job.entry.shows_in_readings
            or not measured
            or "unmeasured" in measured
            or "kind" not in judged.record
        ):
            return
        row = {
            "entry": job.entry.name,
            "settings": [*QUICK, *job.entry.settings],
            "slots": judged.record["slots"],
            "readings": measured,
        }
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(row, sort_keys=True).encode()
        (folder / f"{job.entry.name}-{job.variant}.json.gz").write_bytes(gzip.compress(text, mtime=0))

    return keep
