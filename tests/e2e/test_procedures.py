"""Every rollback of the runbook on a live deployment, and its undo, which brings the change back byte for byte."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.reference import COORDINATOR, ORCHESTRATOR, WORKER
from tests.e2e.conftest import OTHERS, OURS, Operator, code_in, identities, running_lab, tree
from tests.marks import thorough

VARIANTS = ("bind", thorough("build"), thorough("image"))


# What has nothing to do with how code gets into a container.
ON_ONE = pytest.mark.parametrize("operator", ["bind"], indirect=True)


@pytest.fixture(scope="module", params=VARIANTS)
def operator(
    request: pytest.FixtureRequest, labs_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """Phase 1 runs; every test leaves it so."""
    folder = tmp_path_factory.mktemp(request.param)
    with running_lab(request.param, "phase1", f"e2e-procedures-{request.param}", folder) as started:
        yield started


@pytest.fixture
def phase1(operator: Operator) -> Iterator[None]:
    """Afterwards the change is there again as it was, runs, and nobody has touched another service."""
    before, others = tree(operator.lab), identities(operator.lab, OTHERS)
    yield
    ended = operator.invoke("rollback.undo", "--reason", "e2e")
    assert ended.status == 0, ended.output
    assert tree(operator.lab) == before
    assert code_in(operator.lab) == ["phase1, running"] * 2
    assert code_in(operator.lab, COORDINATOR) == ["phase1, running"]
    assert identities(operator.lab, OTHERS) == others
    assert "no run to undo" in operator.invoke("rollback.undo").output


def verified(operator: Operator, *arguments: str) -> None:
    ended = operator.invoke(*arguments, "verify", "--set", "limits.soak_s=1", "--set", "completeness.minimum_sample=4")
    assert ended.status == 0, ended.output
    assert operator.newest_record()["verdict"] == "GO"
    assert code_in(operator.lab) == ["before, running"] * 2


@pytest.mark.usefixtures("phase1")
class TestModes:
    def test_quick(self, operator: Operator) -> None:
        """Quick Rollback, then verify: GO."""
        verified(operator, "rollback", "--reason", "e2e")

    def test_all_at_once(self, operator: Operator) -> None:
        """For a change that is doing harm; with two replicas in turn nobody waits, with all at once somebody does."""
        verified(operator, "rollback", "--all-at-once")
        assert operator.newest_record()["run"]["interruption"]["seconds"] > 0

    def test_partial(self, operator: Operator) -> None:
        """The new modules stay; verify knows, and judges that nobody imports them."""
        variant = operator.lab.variant
        verified(operator, "rollback.partial")
        claims = [c for f in operator.newest_record()["findings"] for c in f["claims"] if "imports none" in c["says"]]
        assert len(claims) == 3  # of two workers and the coordinator
        assert (operator.lab.directory / "enrichment_service/errors").exists()
        kept = [] if variant == "image" else ["enrichment_service/errors", "enrichment_service/config/timeouts.py"]
        assert claims[0]["details"] == kept

    def test_full_with_documentation(self, operator: Operator) -> None:
        """Full Rollback with the documentation, then verify: GO; tests and pages of the change are gone."""
        verified(operator, "rollback.full", "--docs")
        if operator.lab.variant != "image":
            assert not (operator.lab.directory / "tests/test_error_handling.py").exists()
            assert not (operator.lab.directory / "ROLLBACK_PROCEDURES.md").exists()

    @ON_ONE
    def test_step_by_step(self, operator: Operator) -> None:
        """Runbook, Option 2: shows each step and its command, asks; can be stopped, and resumed."""
        refused = operator.invoke("rollback", "--step", answers="stop\n")
        assert refused.status == 50, refused.output
        assert "nothing was touched" in refused.output
        stopped = operator.invoke("rollback", "--step", answers="yes\nyes\nstop\n")
        assert stopped.status == 30, stopped.output
        assert "stopped by the operator before step" in stopped.output
        assert "invoke rollback.resume" in stopped.output
        assert operator.newest_record()["verdict"] == "INCONCLUSIVE"
        verified(operator, "rollback.resume", "--reason", "and on")

    @ON_ONE
    def test_production(self, operator: Operator) -> None:
        """Notify, roll back, stabilise, verify, communicate: both messages hold what is true, and are delivered."""
        outbox = operator.reports.parent / "outbox"
        command = f"messages.command=['sh','-c','cat >> {outbox}']"
        ended = operator.invoke(
            "rollback.production",
            "--reason",
            "completeness fell",
            "--set",
            command,
            "--set",
            "limits.stabilise_s=2",
            "--set",
            "limits.soak_s=1",
            "--set",
            "completeness.minimum_sample=4",
        )
        assert ended.status == 0, ended.output
        text = outbox.read_text()
        assert "Subject: ⚠️ Rolling back Phase 1 error handling" in text
        assert "Reason: completeness fell" in text
        assert "Subject: GO: Phase 1 error handling rollback, SUCCESS" in text
        assert "27.8%, each in the band" in text
        assert str(operator.newest_record()["folder"]) in text
        assert " 2 s left: " in ended.output
        assert " 0 s left: " in ended.output
        assert "no need to wait on" not in ended.output
        assert operator.newest_record()["run"]["reason"] == "completeness fell"
        roots = (operator.lab.directory, operator.reports.parent)
        journals = [p.read_text() for root in roots for p in root.rglob("journal.jsonl")]
        assert any(text.count('"event": "message"') == 2 for text in journals)


class TestRebuild:
    def test_only_what_can_be_built(self, operator: Operator) -> None:
        """And the image before stays: undo brings it back."""
        before = {c.attrs["Image"] for c in operator.lab.containers(WORKER)}
        if operator.lab.variant != "build":
            ended = operator.invoke("rollback.rebuild")
            assert ended.status == 50, ended.output
            assert "the service cannot be built" in ended.output
            return
        verified(operator, "rollback.rebuild")
        verified(operator, "rollback.rebuild", "--reason", "once more")
        assert operator.invoke("rollback.undo").status == 0
        assert code_in(operator.lab) == ["before, running"] * 2
        assert operator.invoke("rollback.undo").status == 0
        assert {c.attrs["Image"] for c in operator.lab.containers(WORKER)} == before
        assert code_in(operator.lab) == ["phase1, running"] * 2


class TestFailures:
    @ON_ONE
    def test_messages_that_fail_stop_nothing(self, operator: Operator) -> None:
        """Neither a command that fails nor one that hangs; the operator is told."""
        others = identities(operator.lab, OTHERS)
        ended = operator.invoke(
            "rollback.production",
            "--set",
            "messages.command=['sleep','60']",
            "--set",
            "messages.limit_s=0.2",
            "--set",
            "limits.stabilise_s=0",
            "--set",
            "limits.soak_s=1",
            "--set",
            "completeness.minimum_sample=4",
        )
        assert ended.status == 0, ended.output
        assert ended.output.count("not delivered: sleep did not end within 0.2 s") == 2
        assert operator.invoke("rollback.undo").status == 0
        assert code_in(operator.lab) == ["phase1, running"] * 2
        assert identities(operator.lab, OTHERS) == others

    @ON_ONE
    def test_a_production_that_is_refused_says_that_nothing_was_begun(self, operator: Operator) -> None:
        """And a dry run tells nobody."""
        outbox = operator.reports.parent / "outbox-refused"
        command = f"messages.command=['sh','-c','cat >> {outbox}']"
        before = tree(operator.lab), identities(operator.lab, (*OURS, *OTHERS))
        dry = operator.invoke("rollback.production", "--dry-run", "--set", command)
        assert dry.status == 0, dry.output
        assert not outbox.exists()
        ended = operator.invoke(
            "rollback.production",
            "--set",
            command,
            "--set",
            "database.address=127.0.0.1:1",
            "--set",
            "limits.answer_s=1",
        )
        assert ended.status == 50, ended.output
        assert "❌ Phase 1 error handling rollback: NOT BEGUN" in outbox.read_text()
        assert (tree(operator.lab), identities(operator.lab, (*OURS, *OTHERS))) == before

    def test_an_undo_does_not_overwrite_what_was_deployed_since(self, operator: Operator) -> None:
        """It refuses, names the file, and with --accept-diff keeps a copy. Under `image` the tree is nobody's code."""
        if operator.lab.variant == "image":
            assert operator.rollback().status == 0
            assert operator.invoke("rollback.undo").status == 0
            assert code_in(operator.lab) == ["phase1, running"] * 2
            return
        before = tree(operator.lab)
        assert operator.rollback().status == 0
        path = operator.lab.directory / ORCHESTRATOR
        path.write_text(path.read_text() + "# work of somebody else\n")
        refused = operator.invoke("rollback.undo")
        assert refused.status == 50, refused.output
        assert f"somebody has changed {ORCHESTRATOR}" in refused.output
        ended = operator.invoke("rollback.undo", "--accept-diff")
        assert ended.status == 0, ended.output
        assert tree(operator.lab) == before
        roots = (operator.lab.directory, operator.reports.parent)
        kept = [p for root in roots for p in root.rglob(f"quarantine.2/{ORCHESTRATOR}")]
        assert any("# work of somebody else" in p.read_text() for p in kept)

    @ON_ONE
    def test_unlock_ends_a_run_that_hangs(self, operator: Operator) -> None:
        """The holder is named with its run; unlock needs a reason, is journaled, and the run can be undone."""
        with operator.started("rollback", "--step") as process:
            assert process.stdin and process.stdout
            process.stdin.write("yes\n")
            process.stdin.flush()
            while "2 of" not in process.stdout.readline():
                assert process.poll() is None
            second = operator.rollback()
            assert second.status == 40, second.output
            assert f"process {process.pid}, rollback of run 2" in second.output
            assert operator.invoke("rollback.unlock").status == 2
            ended = operator.invoke("rollback.unlock", "--reason", "its terminal is gone")
            assert ended.status == 0, ended.output
            assert process.wait(timeout=10) == 30
        assert "was stopped before its end" in operator.invoke("rollback.history").output
        roots = (operator.lab.directory, operator.reports.parent)
        journals = [p.read_text() for root in roots for p in root.rglob("journal.jsonl")]
        assert any('"event": "unlock"' in text and "its terminal is gone" in text for text in journals)
        assert "the lock is free, nothing was done" in operator.invoke("rollback.unlock", "--reason", "again").output
        assert operator.invoke("rollback.undo").status == 0
        assert code_in(operator.lab) == ["phase1, running"] * 2

    def test_a_preflight_on_its_own_touches_nothing(self, operator: Operator) -> None:
        """It says yes, and neither a file nor a container is another one afterwards."""
        before = tree(operator.lab), identities(operator.lab, (*OURS, *OTHERS))
        ended = operator.invoke("preflight")
        assert ended.status == 0, ended.output
        assert "nothing stands in the way of a rollback" in ended.output
        assert (tree(operator.lab), identities(operator.lab, (*OURS, *OTHERS))) == before


def git(operator: Operator, *arguments: str | Path) -> str:
    command: list[str | Path] = [
        "git",
        "-c",
        "user.name=team",
        "-c",
        "user.email=team@localhost",
        "-C",
        str(operator.lab.directory),
        *arguments,
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.thorough
def test_old_code_out_of_git_or_a_retained_image(operator: Operator) -> None:
    """Backup not found: the last commit that is old code, never just HEAD; or a file out of a retained image."""
    if operator.lab.variant == "image":
        refused = operator.rollback("--source", "git")
        assert refused.status == 50, refused.output
        assert "a file cannot be restored" in refused.output
        return
    path = operator.lab.directory / ORCHESTRATOR
    phase1, old = path.read_bytes(), (Path(__file__).parents[2] / "lab/releases/before" / ORCHESTRATOR).read_bytes()
    backup = next(path.parent.glob("*.backup.*"))
    hidden = backup.rename(operator.lab.directory / "hidden")
    git(operator, "init", "-q")
    revisions = []
    for content in (old + b"# an older one\n", old, phase1):
        path.write_bytes(content)
        git(operator, "add", ORCHESTRATOR)
        git(operator, "commit", "-qm", "a change")
        revisions.append(git(operator, "rev-parse", "HEAD"))
    for lab_container in operator.lab.containers(WORKER):
        lab_container.restart(timeout=1)  # the file was touched
    operator.lab.wait_consuming()
    for arguments, says, expected in (
        ([], f"from git {revisions[1][:12]}", old),
        (["--rev", revisions[0]], f"from git {revisions[0][:12]}", old + b"# an older one\n"),
        (["--source", "image"], "from image", old),
        (["--backup", "hidden"], "from backup hidden", old),
    ):
        ended = operator.rollback(*arguments)
        assert ended.status == 0, ended.output
        assert says in ended.output, ended.output
        assert path.read_bytes() == expected
        assert operator.invoke("rollback.undo").status == 0
        assert path.read_bytes() == phase1
    refused = operator.rollback("--rev", "HEAD")
    assert refused.status == 50, refused.output
    assert "in revision HEAD is code of the change" in refused.output
    hidden.rename(backup)
