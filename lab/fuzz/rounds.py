"""`invoke selftest --fuzz N`: plays N rounds on several labs at once; checks verdict and gate against the truth."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from lab.catalogue import plant
from lab.catalogue.entry import GO
from lab.fuzz import acts
from lab.fuzz.acts import Diary
from lab.fuzz.truth import due
from lab.operator import QUICK, Operator, settings
from lab.reference import COORDINATOR, WORKER, Lab

STATIONS = 3
_EDITED = "edited"
_UNKNOWN = "?"  # of a round that broke down: neither verdict nor truth
SEEDS = Path(__file__).parent / "seeds.txt"


@dataclass(frozen=True)
class Row:
    """One round. `wrong`: "" if gate and truth agree."""

    seed: str
    done: tuple[str, ...]
    due: str
    was: str
    wrong: str


@dataclass
class Station:
    """A lab, healed before each round."""

    number: int
    folder: Path
    operator: Operator | None = None

    def run(self, seeds: Iterator[str], lock: Lock, tell: Callable[[Row], None]) -> None:
        try:
            while True:
                with lock:
                    seed = next(seeds, "")
                if not seed:
                    return
                tell(self._round(seed))
        finally:
            self._down()

    def _round(self, seed: str) -> Row:
        try:
            return played(self._ready(), seed)
        except Exception as error:  # noqa: BLE001 - one round that breaks down is counted, and the others go on
            self._down()
            said = " ".join(traceback.format_exception(error)[-2:]).strip()
            return Row(seed, (), _UNKNOWN, _UNKNOWN, f"could not be played: {said}")

    def _ready(self) -> Operator:
        if self.operator is None:
            lab = Lab.up("bind", "before", f"fuzz-{self.number}")
            self.operator = Operator(lab, self.folder / str(self.number) / "reports")
        else:
            self.operator.lab.heal()
        return self.operator

    def _down(self) -> None:
        if self.operator is not None:
            self.operator.lab.down()
        self.operator = None


def played(operator: Operator, seed: str) -> Row:
    """Roll back by the product or by hand, do what the dice chose, verify, then ask the gate."""
    dice = random.Random(seed)
    diary = Diary(operator.lab, dice)
    by = dice.choice((_by_a_run, _by_hand))
    by(operator, diary)
    chosen = acts.drawn(dice)
    for act in chosen:
        act(diary)
    after = dice.choice(list(AFTER))
    verdict, why = due(diary.world())
    ended = operator.verify()
    was = str(operator.newest_record()["verdict"])
    done = (by.__name__.strip("_"), *(act.__name__ for act in chosen))
    if was != verdict:
        said = f"{verdict} was due ({'; '.join(why) or 'all is well'}); said: {ended.output[-1500:]}"
        return Row(seed, done, verdict, was, said)
    return Row(seed, (*done, after), verdict, was, _gate(operator, after, was))


def _by_a_run(operator: Operator, diary: Diary) -> None:
    operator.lab.deploy("phase1")
    diary.note_files()
    ended = operator.rollback()
    if ended.status:
        raise AssertionError(f"the rollback exited {ended.status}: {ended.output}")
    diary.note_files()


def _by_hand(operator: Operator, diary: Diary) -> None:
    operator.lab.deploy("phase1")
    diary.note_files()
    diary.moving(lambda: plant.old_files(operator.lab))
    plant.restart(operator.lab, *operator.lab.containers(WORKER), *operator.lab.containers(COORDINATOR))


# --- what happens to the records after the verdict, and whether the gate may open then


def _nothing(_: Operator) -> bool:
    return True


def _older_removed(operator: Operator) -> bool:
    """Remove an older record that was not edited: the next verify has already reported an edited one as lost."""
    older = sorted(path for path in operator.reports.glob("2*") if path.is_dir())[:-1]
    older = [path for path in older if not (path / _EDITED).exists()]
    if not older:
        return True
    shutil.rmtree(older[-1])
    return False


def _newest_moved(operator: Operator) -> bool:
    folder: Path = operator.newest_record()["folder"]
    folder.rename(operator.reports.parent / f"{folder.name}-{time.time_ns()}")
    return False


def _newest_edited(operator: Operator) -> bool:
    path = operator.newest_record()["folder"] / "report.json"
    path.write_text(path.read_text().replace('"operator": "', '"operator": "x', 1))
    path.with_name(_EDITED).touch()
    return False


def _junk(operator: Operator) -> bool:
    """Add files that are not records and do not look like records."""
    (operator.reports / "00-notes").mkdir(exist_ok=True)
    (operator.reports / "00-notes.txt").write_text("x")
    return True


def _restarted(operator: Operator) -> bool:
    for worker in operator.lab.containers(WORKER):
        if worker.status == "running":
            worker.restart(timeout=1)
            return False
    return True


AFTER: dict[str, Callable[[Operator], bool]] = {
    "nothing_after": _nothing,
    "an_older_record_removed": _older_removed,
    "the_newest_record_moved": _newest_moved,
    "the_newest_record_edited": _newest_edited,
    "something_beside_the_records": _junk,
    "restarted_after_the_verdict": _restarted,
}


def _gate(operator: Operator, after: str, verdict: str) -> str:
    may_open = AFTER[after](operator) and verdict == GO
    ended = operator.invoke("gate", *settings(*QUICK))
    if (ended.status == 0) is may_open:
        return ""
    return f"the gate {'opened' if ended.status == 0 else 'stayed closed'} after {after}: {ended.output[-800:]}"


@dataclass
class Score:
    rows: list[Row] = field(default_factory=list)

    def tell(self, row: Row) -> None:
        self.rows.append(row)
        mark = "✘" if row.wrong else "✔"
        print(f"{mark} {row.seed:14} {row.was:12} {', '.join(row.done)}  {row.wrong}", flush=True)

    @property
    def in_words(self) -> str:
        verdicts = Counter(row.due for row in self.rows)
        shares = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        unplayed = sum(row.due == _UNKNOWN for row in self.rows)
        wrong = sum(bool(row.wrong) for row in self.rows) - unplayed
        return f"{len(self.rows)} rounds ({shares} due), {wrong} disagreements, {unplayed} could not be played"


def run(count: int, first: str) -> int:
    """Return the number of rounds that disagree, or could not be played. `first`: the word that the seeds begin with.

    Kept seeds, of rounds that once went wrong, come first.
    """
    kept = [line.split("#")[0].strip() for line in SEEDS.read_text().splitlines()]
    seeds = [*filter(None, kept), *(f"{first}-{number}" for number in range(count))]
    score, lock, began = Score(), Lock(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rollback-gate-fuzz-") as folder:
        todo = iter(seeds)
        stations = [Station(number, Path(folder)) for number in range(min(STATIONS, len(seeds)))]
        with ThreadPoolExecutor(len(stations)) as pool:
            for done in [pool.submit(station.run, todo, lock, score.tell) for station in stations]:
                done.result()
    for row in score.rows:
        if row.wrong:  # repeated, so that the end of a long log shows it
            print(f"✘ {row.seed}: {', '.join(row.done)}: {row.wrong}")
    print(f"{score.in_words}; {time.monotonic() - began:.0f} s")
    return sum(bool(row.wrong) for row in score.rows)
