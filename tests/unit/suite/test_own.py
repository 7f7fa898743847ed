"""Which checks of a team's own there are, and what one comes to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rollback_gate.checks.manifest import Scope
from rollback_gate.model import Outcome
from rollback_gate.suite import own
from tests.unit.builders import ROOT, phase1

SLOTS = {"replica-1": True, "replica-2": True, "enrichment-coordinator-1": False}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def ids(folder: Path) -> list[str]:
    return [one for check in own.find(folder, phase1()) for one in check.ids(SLOTS)]


def test_without_a_folder_there_are_none(tmp_path: Path) -> None:
    assert own.find(tmp_path / "checks", phase1()) == ()


def test_each_is_asked_of_its_replicas(tmp_path: Path) -> None:
    """Of all; of those of the service whose folder it stands in; or once. Through a fixture of the file, too."""
    text = (
        "def test_all(host): pass\ndef test_once(since):\n    try: pass\n    except OSError: pass\ndef helper(): pass\n"
    )
    write(tmp_path, "test_a.py", text)
    write(tmp_path, "enrichment-worker/test_b.py", "def test_it(replica): pass\n")
    write(tmp_path, "enrichment-coordinator/test_c.py", "def tool(host): pass\ndef test_it(tool): pass\n")
    assert ids(tmp_path) == [
        "own/enrichment-coordinator/test_c::test_it[enrichment-coordinator-1]",
        "own/enrichment-worker/test_b::test_it[replica-1]",
        "own/enrichment-worker/test_b::test_it[replica-2]",
        "own/test_a::test_all[enrichment-coordinator-1]",
        "own/test_a::test_all[replica-1]",
        "own/test_a::test_all[replica-2]",
        "own/test_a::test_once",
    ]


def test_they_are_required_and_in_the_record(tmp_path: Path) -> None:
    """A record is read back with them; one that was changed since has another digest."""
    path = write(tmp_path, "test_a.py", 'def test_it(host):\n    """It is well."""\n')
    scope = Scope.of(phase1(), own.find(tmp_path, phase1()))
    (check,) = scope.own
    assert check.says == "It is well."
    assert scope.checks[-1] == "own"
    table = {"not_asked": {}, "without": scope.without, "own": [vars(check)]}
    assert Scope.parse(table) == scope
    path.write_text(path.read_text() + "\n")
    assert own.find(tmp_path, phase1())[0].digest != check.digest


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("nobody/test_a.py", "def test_it(host): pass\n", "stands in no service's folder"),
        ("enrichment-worker/deep/test_a.py", "def test_it(host): pass\n", "stands in no service's folder"),
        ("enrichment-worker/checks.py", "def test_it(host): pass\n", "its name does not begin with test_"),
        ("port_test.py", "def test_it(host): pass\n", "its name does not begin with test_"),
        ("port.py", "def test_it(host): pass\n", "its name does not begin with test_"),
        ("port.py", "def test_it(host:\n", "cannot be read as Python"),
        ("test_a.py", "def test_it(host:\n", "cannot be read as Python"),
        ("test_a.py", "def check_it(host): pass\n", "no function whose name begins with test_"),
        ("test_a.py", "class TestIt:\n    def test_it(self, host): pass\n", "TestIt is no plain function"),
        ("test_a.py", "def test_a(host): pass\nasync def test_b(host): pass\n", "test_b is no plain function"),
        ("test_a.py", "def test_a(host): pass\nif True:\n    def test_b(host): pass\n", "test_b is no plain function"),
        ("test_a.py", "import pytest\n@pytest.mark.parametrize('a', [1])\ndef test_it(a): pass\n", "is parametrized"),
        ("test_a.py", "import pytest\n@pytest.mark.skip\ndef test_it(host): pass\n", "is parametrized or skipped"),
    ],
)
def test_what_cannot_be_asked_is_required_all_the_same(tmp_path: Path, name: str, text: str, says: str) -> None:
    """With its reason; it never passes, and keeps nothing else from being judged."""
    write(tmp_path, name, text)
    (check,) = own.find(tmp_path, phase1())
    assert says in check.trouble
    assert len(check.ids(SLOTS)) == 1


def test_a_name_of_nothing_but_the_prefix_has_words(tmp_path: Path) -> None:
    write(tmp_path, "test_a.py", "def test_(host): pass\n")
    assert own.find(tmp_path, phase1())[0].says == "test_"


def test_only_an_assertion_of_its_own_on_a_living_replica_is_a_failure() -> None:
    def outcome(error: BaseException | None, is_its_own: bool, *doubts: str) -> Outcome:
        return own.claim_of("replica-1", "It is well", error, is_its_own, list(doubts)).outcome

    assert outcome(None, False) is Outcome.PASSED
    assert outcome(AssertionError("no"), True) is Outcome.FAILED
    assert outcome(AssertionError("no"), False) is Outcome.INCONCLUSIVE
    assert outcome(ValueError("no"), False) is Outcome.INCONCLUSIVE
    assert outcome(None, False, "its container is gone") is Outcome.INCONCLUSIVE
    assert outcome(AssertionError("no"), True, "its container is gone") is Outcome.INCONCLUSIVE


def test_the_examples_of_the_page_are_checks(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "own-checks.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    for number, block in enumerate(blocks):
        write(tmp_path, f"test_{number}.py", block)
    assert len(own.find(tmp_path, phase1())) == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("helpers.py", "def latest(): pass\n"),
        ("helpers.py", "class TestServer: pass\ndef tested_at(): pass\n"),
        ("fixtures.py", "import pytest\n@pytest.fixture\ndef test_client(): pass\n"),
        ("conftest.py", "def test_client(): pass\n"),
        ("__init__.py", ""),
    ],
)
def test_a_helper_is_no_check(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert own.find(tmp_path, phase1()) == ()
