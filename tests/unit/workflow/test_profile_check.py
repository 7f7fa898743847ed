"""What a profile says is compared with what is there; each row can be of each mark."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollback_gate.change import backups
from rollback_gate.change.backups import Candidate
from rollback_gate.evidence.readings import Consumer, DocumentsReading, QueueReading
from rollback_gate.evidence.trial import Trial
from rollback_gate.model import Unmeasured
from rollback_gate.profile.deployment import RemovedItem, SettingItem
from rollback_gate.profile.schema import Profile
from rollback_gate.workflow import left_behind, profile_check, statements
from rollback_gate.workflow.differing import Pair, Sources
from rollback_gate.workflow.statements import Row
from tests.unit.builders import CAPTURES, STARTED, document, phase1, replica

PROFILE = phase1()
(ITEM,) = PROFILE.files
OLD, NEW = "AGENT_TIMEOUT_SECONDS\nmax_retries: int = 3\n", "\n".join(PROFILE.files[0].new)


OWN = Consumer(replica().hostname, "172.18.0.5:1")


def marks(rows: list[Row]) -> list[str]:
    return [row.mark for row in rows]


@pytest.mark.parametrize(("count", "mark"), [(2, "ok"), (1, "warning"), (3, "warning"), (0, "refused")])
def test_services_are_there_in_their_number(count: int, mark: str) -> None:
    found = {name: (replica(),) * service.replicas for name, service in PROFILE.services.items()}
    rows = list(profile_check.of_services(PROFILE, found | {"enrichment-worker": (replica(),) * count}))
    assert marks(rows) == [mark, "ok"]


def in_place(tmp_path: Path, text: str | None) -> Profile:
    path = tmp_path / ITEM.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        path.write_text(text)
    deployment = PROFILE.deployment.model_copy(update={"project_directory": tmp_path})
    return PROFILE.model_copy(update={"deployment": deployment})


def kept(tmp_path: Path, text: str) -> tuple[Candidate, ...]:
    path = tmp_path / f"{ITEM.path}.backup.20260101_000000"
    path.write_text(text)
    return backups.candidates(tmp_path, ITEM)


@pytest.mark.parametrize(
    ("text", "backup", "expected"),
    [
        (NEW, OLD, ["ok", "ok"]),
        (OLD, OLD, ["ok", "ok"]),
        (NEW, NEW, ["ok", "warning"]),
        (NEW + OLD, OLD, ["ok", "warning", "ok"]),
        (ITEM.new[0], OLD, ["ok", *["warning"] * (len(ITEM.new) - 1), "ok"]),
        ("something else", OLD, ["warning", "ok"]),
        (None, OLD, ["refused"]),
    ],
)
def test_a_file_and_the_texts_that_tell_it(tmp_path: Path, text: str | None, backup: str, expected: list[str]) -> None:
    """In place, what old code there is, and whether each text tells the two apart."""
    profile = in_place(tmp_path, text)
    found = kept(tmp_path, backup)
    assert marks(list(profile_check.of_files(profile, [(ITEM, found)]))) == expected


def stamped(name: str) -> list[bytes]:
    lines = (CAPTURES / "logs" / name).read_bytes().splitlines()
    return [b"2026-11-23T12:00:00.000000000Z " + line for line in lines]


def test_patterns_are_tried_on_real_logs() -> None:
    """Under old code no form of the change matches, and those of every worker do."""
    trial = Trial(PROFILE.logs)
    trial.feed(stamped("before-success.log"))
    rows = {row.name: row for row in statements.of_logs(PROFILE, trial, [Unmeasured("the log of x", "driver none")])}
    assert rows["logs.picked_up"].mark == "ok"
    assert "the last: " in rows["logs.picked_up"].says
    assert {row.mark for name, row in rows.items() if name.startswith("logs.new ")} == {"ok"}
    assert rows["logs"] == Row("warning", "logs", "the log of x could not be measured: driver none")
    new = Trial(PROFILE.logs)
    new.feed(stamped("phase1-success.log"))
    seen = [row for row in statements.of_logs(PROFILE, new, []) if row.name.startswith("logs.new ")]
    assert any(row.mark == "warning" and "new code has run" in row.says for row in seen)


def test_a_pattern_that_every_worker_prints_and_none_has_is_told() -> None:
    trial = Trial(PROFILE.logs)
    trial.feed([b"2026-11-23T12:00:00.000000000Z INFO:nothing of ours", b"no time"])
    rows = {row.name: row for row in statements.of_logs(PROFILE, trial, [])}
    assert "matches none of 1 lines" in rows["logs.completed"].says
    assert (rows["logs.completed"].mark, rows["logs.rejected"].mark) == ("warning", "ok")


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ((), ["warning"]),
        ((document("a"),), ["ok", "ok"]),
        ((replace(document("a"), score=None),), ["refused", "ok"]),
        ((replace(document("a"), score=27.8),), ["ok", "refused", "ok"]),
        ((replace(document("a"), could_be_marked=True),), ["ok", "ok", "warning"]),
    ],
)
def test_documents_have_what_the_profile_says(documents: tuple[object, ...], expected: list[str]) -> None:
    found = DocumentsReading(STARTED, documents)  # type: ignore[arg-type]
    assert marks(list(statements.of_documents(found))) == expected


def test_documents_that_cannot_be_read_are_refused() -> None:
    assert marks(list(statements.of_documents(Unmeasured("documents", "no such table")))) == ["refused"]
    slow = DocumentsReading(STARTED, (document("a"),), advice="an index makes this fast")
    assert marks(list(statements.of_documents(slow))) == ["ok", "ok", "warning"]


@pytest.mark.parametrize(
    ("changes", "expected", "words"),
    [
        ({}, ["ok", "ok"], "0 tasks wait"),
        ({"unproven": "Redis has no key tasks"}, ["warning", "ok"], "0 tasks wait; Redis has no key tasks"),
        ({"consumers": ()}, ["ok", "warning"], "lists 0 of 1 replicas"),
        ({"consumers": (OWN, Consumer("stranger", "172.18.0.99:1"))}, ["ok", "ok", "warning"], "reads it too"),
        ({"consumers": Unmeasured("consumers", "it has none")}, ["ok", "warning"], "never GO without"),
    ],
)
def test_the_queue_is_the_right_one_and_lists_the_replicas(
    changes: dict[str, Any], expected: list[str], words: str
) -> None:
    assert PROFILE.queue
    reading = replace(QueueReading(0, 0, (OWN,), 0), **changes)
    rows = list(statements.of_queue(PROFILE.queue, reading, (replica(),)))
    assert marks(rows) == expected
    assert words in " | ".join(row.says for row in rows)
    silent = Unmeasured("the queue", "it is down")
    assert marks(list(statements.of_queue(PROFILE.queue, silent, ()))) == ["refused"]


def test_what_a_go_would_stand_on() -> None:
    lines = list(profile_check.stands_on(PROFILE))
    assert lines[0].startswith(
        "check 1 would stand on 1 restored files, 2 removed paths, log lines (OCR kind), the mark"
    )
    silent = PROFILE.logs.model_copy(
        update={"new": tuple(one.model_copy(update={"every_document": False}) for one in PROFILE.logs.new)}
    )
    bare = PROFILE.model_copy(
        update={"logs": silent, "database": None, "completeness": None, "not_asked": {"completeness": "no score"}}
    )
    text = "\n".join(profile_check.stands_on(bare))
    assert "the log's silence proves nothing" in text
    assert "check `completeness` is not asked: no score" in text
    assert "mark" not in text


PRINTS = (
    'logger.info("NSQ Consumer {}, starting to consume messages")\nlog.info("Starting enrichment for document %s", d)\n'
)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("created", []),
        ("made", ["logs.consuming"]),
    ],
)
def test_a_pattern_that_only_new_code_prints_is_refused(tmp_path: Path, before: str, expected: list[str]) -> None:
    """The old code is not running yet: its source says that a rollback would wait in vain."""
    new = f"{PRINTS.format('created')}marks = {list(ITEM.new)}\n"
    profile = in_place(tmp_path, new)
    found = kept(tmp_path, PRINTS.format(before) + "".join(f"# {line}\n" for line in OLD.splitlines()))
    rows = list(profile_check.of_printed(profile, [(ITEM, found)]))
    assert [row.name for row in rows] == expected
    assert marks(rows) == ["refused"] * len(expected)


BEGINS = b"2026-11-23T12:00:00.000000000Z INFO:worker:begins 4711"
DONE = b"2026-11-23T12:00:01.000000000Z INFO:worker:done job-9:4711 in 2 s"


@pytest.mark.parametrize(
    ("picked_up", "completed", "refused"),
    [
        (r"begins (?P<document>\S+)", r"done (?P<task>\S+)", []),
        (r"begins (?P<document>\d+)$", r"done (?P<task>\S+)", ["logs.picked_up"]),
        (r"begins (?P<document>\w+)", r"done (?P<task>\S+)", ["logs.picked_up"]),
        (r"begins (?P<document>\S+)", r"done (?P<task>[\w-]+:\w+)", ["logs.completed"]),
        (r"begins (?P<document>\S+)", r"done (?P<task>[\w-]+:\d+) in", ["logs.completed"]),
    ],
)
def test_a_pattern_that_no_test_document_could_match_is_refused(
    picked_up: str, completed: str, refused: list[str]
) -> None:
    """Real documents have numbers, a test document a name of its own: tried before one is sent."""
    patterns = {"picked_up": re.compile(picked_up), "completed": re.compile(completed), "scored": None}
    forms = PROFILE.logs.model_copy(update=patterns)
    trial = Trial(forms)
    trial.feed([BEGINS, DONE])
    assert trial.finished == ("4711",)
    rows = list(statements.of_test_documents(PROFILE, trial))
    assert [(row.mark, row.name) for row in rows] == [("refused", name) for name in refused]
    assert not list(statements.of_test_documents(PROFILE.model_copy(update={"probe": None}), trial))


def test_the_patterns_of_phase_1_take_a_test_document() -> None:
    trial = Trial(PROFILE.logs)
    trial.feed(stamped("before-success.log"))
    assert trial.finished
    assert len(trial.of_test_document("x")) == 3
    assert not list(statements.of_test_documents(PROFILE, trial))


def test_documents_of_earlier_verifies_are_none_that_must_be_stored() -> None:
    forms = PROFILE.logs.model_copy(
        update={"picked_up": re.compile(r"begins (?P<document>\S+)"), "completed": re.compile(r"done (?P<task>\S+)")}
    )
    trial = Trial(forms)
    trial.feed([line.replace(b"4711", b"rollback-probe-x-1.jpg") for line in (BEGINS, DONE)])
    assert trial.finished == ()


def test_log_and_database_must_call_a_document_the_same() -> None:
    assert marks(list(statements.of_finished((), ()))) == []
    assert marks(list(statements.of_finished(("a", "b"), {"a": document("a")}))) == ["ok"]
    (row,) = statements.of_finished(("a", "b"), {})
    assert (row.mark, "0 of the last 2" in row.says, "such as a" in row.says) == ("warning", True, True)


@pytest.mark.parametrize(
    ("score", "marked", "expected"),
    [
        (0.278, False, ["ok"]),
        (0.5, False, ["warning"]),
        (0.6, True, ["ok"]),
        (0.4, True, ["warning"]),
    ],
)
def test_stored_scores_are_compared_with_the_levels(score: float, marked: bool, expected: list[str]) -> None:
    wanted = PROFILE.completeness
    assert wanted
    rows = [replace(document(f"d{n}"), score=score, marked=marked) for n in range(wanted.minimum_sample)]
    assert marks(list(statements.of_level(wanted, rows))) == expected
    assert not list(statements.of_level(wanted, rows[1:]))
    assert not list(statements.of_level(wanted, [replace(one, could_be_marked=True) for one in rows]))


def test_a_module_that_only_the_change_imports_must_be_an_item(tmp_path: Path) -> None:
    """A stranger's rollback left such a file behind, and nothing had said so."""
    profile = in_place(tmp_path, "import pricing\n" + NEW)
    found = kept(tmp_path, OLD)
    folder = str(Path(ITEM.path).parent)
    texts = {ITEM.path: "import pricing\n" + NEW, f"{folder}/pricing.py": "RATE = 3\n"}
    (row,) = left_behind.of_brought(profile, [(ITEM, found)], Sources(texts, are_all=True))
    assert (row.mark, row.name) == ("warning", f"{folder}/pricing.py")
    removed = RemovedItem(kind="removed", path=f"{folder}/pricing.py")
    known = profile.model_copy(update={"change": (*profile.change, removed)})
    assert not list(left_behind.of_brought(known, [(ITEM, found)], Sources(texts, are_all=True)))
    assert not list(left_behind.of_brought(profile, [(ITEM, ())], Sources(texts, are_all=True)))


def test_what_differs_and_is_no_item_is_told() -> None:
    """A stranger's profile lacked the changed setting, and its rollback was GO with the change's value in effect."""
    setting = SettingItem(kind="setting", services=("enrichment-worker",), file=".env", key="MODE", new="b", old="a")
    profile = PROFILE.model_copy(update={"change": (*PROFILE.change, setting)})
    pairs = [
        Pair(ITEM.path, "old", "new", "git diff"),
        Pair("enrichment_service/errors/kinds.py", "old", "new", "git diff"),
        Pair(".env", "MODE=a\nSIZE=1\n", "MODE=b\nSIZE=2\n", "git diff"),
        Pair("config/worker.env", "LEVEL=1\n", "LEVEL=2\n", "git diff"),
        Pair("taken.env", "LEVEL=1\n", "", "git diff"),
        Pair("compose.yml", "services: {a: {command: x}}", "services: {a: {command: y}}", "git diff"),
    ]
    rows = list(left_behind.of_differences(profile, pairs))
    assert [(row.mark, row.name, row.says.partition(" (")[0]) for row in rows] == [
        ("warning", ".env", "SIZE in it differ"),
        ("warning", "config/worker.env", "LEVEL in it differ"),
        ("warning", "taken.env", "LEVEL in it differ"),
        ("warning", "compose.yml", "differs"),
    ]


def test_what_else_differs_in_a_compose_file_of_an_item() -> None:
    key = "services.a.environment.MODE"
    setting = SettingItem(
        kind="setting", services=("enrichment-worker",), file="compose.yml", key=key, new="b", old="a"
    )
    profile = PROFILE.model_copy(update={"change": (*PROFILE.change, setting)})
    old = "services: {a: {environment: {MODE: a}, command: x}}"
    new = "services: {a: {environment: {MODE: b}, command: y}}"
    (row,) = left_behind.of_differences(profile, [Pair("compose.yml", old, new, "git diff")])
    assert row.says.startswith("differs in more (git diff)")
    assert not list(left_behind.of_differences(profile, [Pair("compose.yml", old, new.replace("y", "x"), "git diff")]))


def test_that_nothing_could_be_compared_is_told() -> None:
    """No row of a difference is then no sign that there is none."""
    (row,) = left_behind.of_what_was_compared([])
    assert (row.mark, "is not known" in row.says) == ("warning", True)
    (row,) = left_behind.of_what_was_compared([Pair("a.py", "old", "new", "git diff")])
    assert (row.mark, "was not compared" in row.says) == ("ok", True)
