"""Assess: should we roll back? (runbook, When to Rollback; Decision Tree)"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollback_gate.change import snapshots
from rollback_gate.errors import Unreachable, WrongSetting
from rollback_gate.evidence import documents, queue, upstream
from rollback_gate.evidence.documents import Documents
from rollback_gate.evidence.probe_memory import ProbeMemory
from rollback_gate.evidence.readings import ProbeReading
from rollback_gate.evidence.survey import Survey
from rollback_gate.instant import Instant
from rollback_gate.model import EXIT_OF_DECISION, Decision, ExitCode, Unmeasured
from rollback_gate.platform.connected import connect
from rollback_gate.platform.engines import Engines
from rollback_gate.profile.load import Settings
from rollback_gate.rollback import store
from rollback_gate.triggers.decide import decide
from rollback_gate.workflow import assessments
from rollback_gate.workflow.call import Call, deployment_id, local_now, lock_of, moment_given, probe_memories, stores_of

_GOES_ON = (Decision.WAIT, Decision.CANNOT_TELL)  # a watch ends with any other decision
_NEXT = {
    Decision.ROLL_BACK: "invoke rollback verify",
    Decision.FIX_UPSTREAM: "fix {upstream}, then invoke assess",
    Decision.INVESTIGATE: "look at what is named below, then invoke assess again; to roll back all the same: "
    "invoke rollback --despite-assessment verify",
    Decision.CANNOT_TELL: "make sure that what is named below can be measured, then invoke assess again",
    Decision.WAIT: "invoke assess --watch",
    Decision.KEEP: "keep the change, and keep monitoring: invoke assess",
}


@dataclass(frozen=True)
class Wish:
    """What the operator asked for. `since`: RFC 3339, when the change was deployed; "" to detect it."""

    since: str = ""
    probe: bool = False
    as_json: bool = False
    watch: bool = False
    with_all: bool = False


def assess(call: Call, wish: Wish, sleep: Callable[[float], None] = time.sleep) -> ExitCode:
    """Measures, asks every rule, decides, keeps it. Raises WrongSetting, Unreachable, Locked (with a probe)."""
    settings = call.load()
    since = moment_given(wish.since)
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(contextlib.closing(connect(settings.profile, call.environ)))
        if wish.probe:
            stack.enter_context(lock_of(call, settings, engine, "assess"))
        database = _database(call, settings)
        if not isinstance(database, Unmeasured):
            stack.enter_context(contextlib.closing(database))
        normal_s = snapshots.processing_s(
            (s.snapshots for s in stores_of(call, settings, engine)), settings.profile.files, local_now()
        )
        around = queue.of(settings.profile, call.environ), upstream.of(settings.profile, call.environ)
        survey = Survey(settings.profile, engine, database, *around, since, normal_s)
        return _Assessing(call, settings, engine, survey, wish, sleep).run()


@dataclass
class _Assessing:
    call: Call
    settings: Settings
    engine: Engines
    survey: Survey
    wish: Wish
    sleep: Callable[[float], None]
    _probed: ProbeReading | Unmeasured | None = None  # only once: a watch does not send a document each time
    _told: list[str] = field(default_factory=list)

    def run(self) -> ExitCode:
        if not self.wish.watch:
            table = self._once()
            self._show(table)
        else:
            with self.call.terminal.live():
                table = self._watch()
            self._show(table)
        return EXIT_OF_DECISION[Decision(table["decision"])]

    def _watch(self) -> dict[str, Any]:
        while True:
            try:
                table = self._once()
            except Unreachable as error:  # it may come back: keep watching
                self._tell(f"not measured: {error.message}")
            else:
                if Decision(table["decision"]) not in _GOES_ON:
                    return table
                self.call.terminal.clear()
                self._show(table)
            self.sleep(self.settings.profile.triggers.watch_s)

    def _once(self) -> dict[str, Any]:
        profile = self.settings.profile
        own_id = store.new_id(local_now())
        own, *others = probe_memories(self.call, self.settings, self.engine)
        memory = ProbeMemory(own, tuple(others))
        if self.wish.probe and self._probed is None:
            self._probed = self.survey.probe(own_id, memory, self._tell)
        symptoms = self.survey.take(self._probed)
        assessment = decide(symptoms, profile)
        deployment = str(deployment_id(self.settings, self.engine))
        heading = {"id": own_id, "deployment": deployment, "operator": self.call.operator, "change": profile.title}
        table = assessments.as_data(assessment, symptoms, profile, heading)
        self._keep(table)
        return table

    def _keep(self, table: Mapping[str, Any]) -> None:
        """Keeps the assessment as the reason for a later rollback; a failure to keep it is only reported."""
        *_, elsewhere = stores_of(self.call, self.settings, self.engine)[:2]
        try:
            store.make_private(elsewhere.folder, elsewhere.folder)
            assessments.keep(elsewhere.folder, table, self.call.terminal.redactor)
        except OSError as error:
            self._tell(f"this assessment cannot be kept, and will not be a rollback's reason: {error}")

    def _tell(self, text: str) -> None:
        if not self.wish.as_json:
            self.call.terminal.line(text)

    def _show(self, table: Mapping[str, Any]) -> None:
        terminal = self.call.terminal
        if self.wish.as_json:
            terminal.data(
                json.dumps(
                    {key: value for key, value in table.items() if key != "picture"},
                    indent=None if self.wish.watch else 1,
                )
            )
            return
        numbers, decision = table["numbers"], Decision(table["decision"])
        terminal.stage(f"Assessment of {table['change']} at {Instant.parse(table['at']).short}")
        terminal.decision(decision, table["in_words"], table["reason"])
        if table["section"]:
            terminal.line(f"runbook: {table['section']}")
        if table["fix"]:
            terminal.line(f"Fix: {table['fix']}")
        terminal.line(f"→ {_NEXT[decision].format(upstream=self.settings.profile.upstream_name)}")
        terminal.line(f"deployed {Instant.parse(numbers['deployed_at']).short}, {numbers['deployed_by']}")
        quiet = [answer for answer in table["answers"] if answer["state"] == "quiet"]
        shown = [a for a in table["answers"] if a not in quiet or self.wish.with_all]
        if shown:
            terminal.table(("Answer", "Trigger", "Seen"), (_row(answer) for answer in shown))
        if numbers["errors"]:
            terminal.table(
                ("Errors", "Type", "Last hour", "In all", "One line of them"),
                (_error_row(row) for row in numbers["errors"]),
            )
        if quiet and not self.wish.with_all:
            terminal.line(f"{len(quiet)} of {len(table['answers'])} triggers see nothing wrong; --all shows them")


def _row(answer: Mapping[str, Any]) -> tuple[str, ...]:
    word = {"quiet": "no", "unmeasured": "cannot tell"}.get(answer["state"], answer["in_words"])
    return word, answer["asks"], answer["says"]


def _error_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    kind = "expected" if row["expected"] else "unexpected"
    return kind, row["name"], str(row["last_hour"]), str(row["total"]), row["sample"]


def _database(call: Call, settings: Settings) -> Documents | Unmeasured:
    """Without a password or an address, the other readings still count."""
    if not call.with_database:
        return Unmeasured("the database", "it was left out (--without-database)")
    try:
        return documents.connect(settings.profile, call.environ)
    except WrongSetting as error:
        return Unmeasured("the database", error.message)
