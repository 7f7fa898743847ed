"""What a catalogue entry is, and the ways to ask the gate about it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

from lab.images import LabError
from lab.operator import ROOT, Operator, finding, settings
from lab.reference import Lab

GO, NO_GO, INCONCLUSIVE = "GO", "NO-GO", "INCONCLUSIVE"
CODE, RUNNING, PROCESSING, COMPLETENESS = "new_behaviour", "worker_running", "processing", "completeness"
_OUTCOME = {GO: "passed", NO_GO: "failed", INCONCLUSIVE: "inconclusive"}
_VERDICT = {0: GO, 10: NO_GO}
IMPATIENT = ("limits.probe_s=4", "limits.health_s=6", "limits.answer_s=2")


class Start(Enum):
    """HEALED: old code, put in place by hand. RUN: the change deployed and rolled back. CHANGE: the change deployed."""

    HEALED = auto()
    RUN = auto()
    CHANGE = auto()


@dataclass(frozen=True)
class Judged:
    """The gate's answer; `record` is {} if only `output` is compared."""

    verdict: str
    output: str
    record: dict[str, Any]


# Which of the two the bytecode shows depends on chance: on which process compiled first.
OLDER_PROCESS = ("older than the restored file", "older than the removal of")
Judge = Callable[[Operator, "Entry"], Judged]


def _verdict_line(output: str) -> str:
    """The line of the verdict, with its reason; "" for none."""
    starts = tuple(f"{verdict}: " for verdict in (NO_GO, INCONCLUSIVE, GO))
    return next((line.strip() for line in output.splitlines() if line.strip().startswith(starts)), "")


@dataclass(frozen=True)
class Entry:
    """One sabotaged or healthy rollback, with the verdict that the gate must reach.

    `check` and `words`: the check that must decide it, and the words that it must use, or one of them; `check` "":
    anywhere in the output. `variants`: of the lab, the most telling one first; or the example of another team. `apply`
    works on it in the state `start`.
    `shows_in_readings`: the readings show it, not how the tests ran.
    """

    name: str
    group: str
    says: str
    verdict: str
    check: str = ""
    words: str | tuple[str, ...] = ""
    apply: Callable[..., object] = lambda _: None
    variants: tuple[str, ...] = ("bind",)
    start: Start = Start.HEALED
    settings: tuple[str, ...] = ()
    judge: Judge = lambda operator, entry: verify(operator, entry)
    shows_in_readings: bool = True

    def why_not(self, judged: Judged) -> str:
        """Why the gate's answer is not the required one; "" if it is."""
        if judged.verdict != self.verdict:
            return f"{judged.verdict} instead of {self.verdict}: {_verdict_line(judged.output)}"
        if not self.check:
            return "" if self._said(judged.output) else f"did not say {self.words!r}"
        said = finding(judged.record, self.check)
        if said["outcome"] != _OUTCOME[self.verdict]:
            return f"{self.check} is {said['outcome']}"
        deciding = [f"{c['subject']}: {c['says']}" for c in said["claims"] if c["outcome"] == said["outcome"]]
        others = [part for claim in said["claims"] for part in (claim["says"], *claim["details"])]
        text = " ".join([said["reason"], *deciding, *others])
        return "" if self._said(text) else f"{self.check} did not say {self.words!r}, but: {said['reason']}"

    def _said(self, text: str) -> bool:
        return any(words in text for words in ([self.words] if isinstance(self.words, str) else self.words))


def of_team(
    team: str,
    name: str,
    group: str,
    says: str,
    verdict: str,
    check: str,
    words: str,
    apply: Callable[..., object],
    settings: tuple[str, ...] = (),
) -> Entry:
    """Of another team's example, with the change in place. No readings are kept: the mutation run has the lab's profile."""
    return Entry(
        name, group, says, verdict, check, words, apply, (team,), Start.CHANGE, settings, shows_in_readings=False
    )


# --- ways to ask


def verify(operator: Operator, entry: Entry, **environ: str) -> Judged:
    ended = operator.invoke("verify", *settings(*operator.quick, *entry.settings), **environ)
    record = operator.newest_record()
    if _VERDICT.get(ended.status, INCONCLUSIVE) != record["verdict"]:
        return Judged(f"exit {ended.status} with {record['verdict']}", ended.output, record)
    return Judged(record["verdict"], ended.output, record)


def with_environment(**environ: str) -> Judge:
    return lambda operator, entry: verify(operator, entry, **environ)


def meanwhile(sign: str, act: Callable[[Lab], object]) -> Judge:
    """Run `act` while the checks run, as soon as verify has printed `sign`."""

    def judge(operator: Operator, entry: Entry) -> Judged:
        with operator.started("verify", *settings(*operator.quick, *entry.settings)) as process:
            said = _until(process, sign)
            act(operator.lab)
            said += process.communicate(timeout=120)[0]
        return Judged(operator.newest_record()["verdict"], said, operator.newest_record())

    return judge


def _until(process: subprocess.Popen[str], sign: str) -> str:
    said = ""
    while sign not in said:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise LabError(f"verify ended without a word of {sign!r}: {said}")
        said += line
    return said


def killed(whom: str) -> Judge:
    """Send SIGKILL to the suite or to verify; the record left on disk is the verdict."""

    def judge(operator: Operator, _: Entry) -> Judged:
        with operator.started("verify", *settings(*operator.quick, "limits.soak_s=30")) as process:
            _until(process, "soak: watching")
            suite = _child(process.pid)
            os.kill(process.pid if whom == "verify" else suite, signal.SIGKILL)
            output = process.communicate(timeout=60)[0] if whom == "suite" else ""
        if whom == "verify":
            os.kill(suite, signal.SIGKILL)
        folder = operator.newest_record()["folder"]
        return Judged(operator.newest_record()["verdict"], output + (folder / "report.html").read_text(), {})

    return judge


def _child(parent: int) -> int:
    command = ["pgrep", "-P", str(parent), "-f", "gate-result"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0])


def gate(after: Callable[[Operator], object], *arguments: str, key: str = "") -> Judge:
    """Run `invoke gate` after a verify with GO and then `after`. The exit status is the verdict."""

    def judge(operator: Operator, entry: Entry) -> Judged:
        environ = {"ROLLBACK_GATE_SIGNING_KEY": key} if key else {}
        first = verify(operator, replace(entry, settings=()), **environ)
        if first.verdict != GO:
            return Judged(f"first {first.verdict}", first.output, first.record)
        after(operator)
        ended = operator.invoke("gate", *settings(*operator.quick), *arguments, **environ)
        return Judged(_VERDICT.get(ended.status, INCONCLUSIVE), ended.output, {})

    return judge


def after_another_verify(judge: Judge) -> Judge:
    """Ask about a deployment that already has a record."""

    def judged(operator: Operator, entry: Entry) -> Judged:
        verify(operator, replace(entry, settings=()))
        return judge(operator, entry)

    return judged


def with_suite(old: str, new: str, file: str = "test_completeness.py") -> Judge:
    """Verify from a copy of the project in which one test of the gate was changed."""

    def judge(operator: Operator, entry: Entry) -> Judged:
        copy = operator.reports.parent / f"copy-{time.monotonic_ns()}"
        for name in ("tasks.py", "invoke.yaml", "profiles", "lab", "tests/gate"):
            source = ROOT / name
            copy.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, copy / name) if source.is_dir() else shutil.copy(source, copy / name)
        test = copy / "tests/gate" / file
        text = test.read_text()
        if old not in text:
            raise LabError(f"{file} does not hold {old!r}")
        test.write_text(text.replace(old, new, 1))
        return verify(replace(operator, root=copy), entry)

    return judge


# --- what happens to a record


def edit_report(operator: Operator) -> None:
    """Improve the reason, in the page only."""
    page = operator.newest_record()["folder"] / "report.html"
    page.write_text(page.read_text().replace("all four checks passed", "everything was perfect"))


def turn_to_go(operator: Operator) -> None:
    """Turn a later NO-GO into a GO by hand, in both files."""
    operator.lab.containers("enrichment-worker")[0].stop(timeout=1)
    operator.verify()
    folder = operator.newest_record()["folder"]
    for name in ("report.html", "report.json"):
        path = folder / name
        path.write_text(path.read_text().replace("NO-GO", "GO"))


def take_the_newest_away(operator: Operator) -> None:
    """Move a later NO-GO away: an older GO is the newest record left."""
    operator.lab.containers("enrichment-worker")[0].stop(timeout=1)
    operator.verify()
    folder: Path = operator.newest_record()["folder"]
    folder.rename(operator.reports.parent / folder.name)


def take_an_older_one_away(operator: Operator) -> None:
    """Remove the record before the newest one."""
    _, older = sorted((path for path in operator.reports.iterdir() if path.is_dir()), reverse=True)[:2]
    shutil.rmtree(older)


def forge(operator: Operator) -> None:
    """Rewrite a whole record without the key: every digest is correct."""
    from rollback_gate.record import html, seal
    from rollback_gate.record.write import HTML_NAME, JSON_NAME

    folder = operator.newest_record()["folder"]
    record = seal.signed(json.loads((folder / JSON_NAME).read_text()) | {"operator": "somebody else"}, None)
    (folder / JSON_NAME).write_text(seal.canonical(record))
    page = html.page(record, seal.digest(seal.canonical(record)))
    (folder / HTML_NAME).write_text(seal.filled(page, None))


def kill_a_later_verify(operator: Operator) -> None:
    killed("verify")(operator, Entry("", "", "", ""))
