"""What a profile says is compared with what is there; each row can be of each mark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollback_gate.change import backups
from rollback_gate.change.backups import Candidate
from rollback_gate.evidence.readings import Consumer, DocumentsReading, QueueReading
from rollback_gate.evidence.trial import Trial
from rollback_gate.model import Unmeasured
from rollback_gate.profile.schema import Profile
from rollback_gate.workflow import profile_check
from rollback_gate.workflow.profile_check import Row
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
    rows = {row.name: row for row in profile_check.of_logs(PROFILE, trial, [Unmeasured("the log of x", "driver none")])}
    assert rows["logs.picked_up"].mark == "ok"
    assert "the last: " in rows["logs.picked_up"].says
    assert {row.mark for name, row in rows.items() if name.startswith("logs.new ")} == {"ok"}
    assert rows["logs"] == Row("warning", "logs", "the log of x could not be measured: driver none")
    new = Trial(PROFILE.logs)
    new.feed(stamped("phase1-success.log"))
    seen = [row for row in profile_check.of_logs(PROFILE, new, []) if row.name.startswith("logs.new ")]
    assert any(row.mark == "warning" and "new code has run" in row.says for row in seen)


def test_a_pattern_that_every_worker_prints_and_none_has_is_told() -> None:
    trial = Trial(PROFILE.logs)
    trial.feed([b"2026-11-23T12:00:00.000000000Z INFO:nothing of ours", b"no time"])
    rows = {row.name: row for row in profile_check.of_logs(PROFILE, trial, [])}
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
    assert marks(list(profile_check.of_documents(found))) == expected


def test_documents_that_cannot_be_read_are_refused() -> None:
    assert marks(list(profile_check.of_documents(Unmeasured("documents", "no such table")))) == ["refused"]
    slow = DocumentsReading(STARTED, (document("a"),), advice="an index makes this fast")
    assert marks(list(profile_check.of_documents(slow))) == ["ok", "ok", "warning"]


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
    rows = list(profile_check.of_queue(PROFILE.queue, reading, (replica(),)))
    assert marks(rows) == expected
    assert words in " | ".join(row.says for row in rows)
    silent = Unmeasured("the queue", "it is down")
    assert marks(list(profile_check.of_queue(PROFILE.queue, silent, ()))) == ["refused"]


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
