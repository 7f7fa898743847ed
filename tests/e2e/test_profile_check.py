"""`profile.check` on a real deployment: what is right, what nothing shows, and what cannot be right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Nature, Operator, running_lab


@pytest.fixture(scope="module")
def operator(labs_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The change runs, and has finished documents."""
    folder = tmp_path_factory.mktemp("profile")
    with running_lab("bind", "phase1", "e2e-profile-check", folder, nature=Nature("tame")) as started:
        started.lab.load(2)
        yield started


def test_each_statement_is_tried_on_what_is_there(operator: Operator) -> None:
    ended = operator.invoke("profile.check", COLUMNS="400")
    assert ended.status == 0, ended.output
    for words in (
        "enrichment-worker: 2 of 2 containers",
        "reads the project's",
        "what these do not hold was not compared",
        "agent_orchestrator.py: is code of the change",
        "1 of 1 backups are old code",
        "logs.consuming: matches 2 of",
        "logs.picked_up: matches 2 of",
        "logs.new 'OCR kind': matches 2 of",
        "new code has run, or it is no sign of it",
        "queue: lists 2 of 2 replicas",
        "database.score: 2 of 2 documents have a score",
        "database.new_mark: 2 of 2 documents carry the mark",
        "upstream: the MCP server answers",
        "check 1 would stand on 1 restored files, 2 removed paths, log lines (OCR kind), the mark in fresh documents",
        "completeness does not tell old from new alone",
    ):
        assert words in ended.output, ended.output


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("database.score=nowhere", "0 of 2 documents have a score"),
        ("database.collection=nowhere", "no document of the last days"),
        ("queue.address=127.0.0.1:1", "127.0.0.1:1 does not answer"),
        ("database.address=127.0.0.1:1", "does not answer"),
        ('deployment.files=["nowhere.yml"]', "does not accept the project"),
        ("deployment.project=nothing", "has no container of it"),
        ("logs.picked_up='Beginning with (?P<document>.+)'", "matches none of"),
        ("upstream.address=127.0.0.1:1", "the MCP server refuses"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(operator: Operator, setting: str, words: str) -> None:
    """What cannot be right exits with 2; what may be right, and nothing shows, is a warning."""
    ended = operator.invoke("profile.check", "--set", setting, COLUMNS="400")
    is_warning = setting.startswith(("database.collection", "logs.", "upstream."))
    assert (ended.status, words in ended.output) == (0 if is_warning else 2, True), ended.output


def test_it_changes_nothing(operator: Operator) -> None:
    """Nothing is sent, nothing is written, no record is left."""
    documents = operator.lab.database.enriched_documents
    before = documents.count_documents({}), sorted(operator.lab.directory.rglob("*"))
    operator.invoke("profile.check")
    assert (documents.count_documents({}), sorted(operator.lab.directory.rglob("*"))) == before
    assert not list(operator.reports.glob("*/report.json"))
