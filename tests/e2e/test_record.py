"""The record on a real deployment: nothing secret in it, and the gate on this machine and on another one."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import leaks
from lab.catalogue import plant
from lab.operator import QUICK, settings
from lab.reference import WORKER
from tests.e2e.conftest import Operator, running_lab

KEY = "0123456789abcdef-of-the-lab"
SIGNED = {"ROLLBACK_GATE_SIGNING_KEY": KEY}
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere.sock"}


@pytest.fixture(scope="module")
def operator(labs_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Rolled back with the checks asked before, and judged GO, signed."""
    with running_lab("bind", "phase1", "e2e-record", tmp_path_factory.mktemp("record")) as started:
        ended = started.invoke("rollback", "verify", *settings(*QUICK), ROLLBACK_GATE__LIMITS__BEFORE_S="30", **SIGNED)
        assert ended.status == 0, ended.output
        yield started


def test_the_checks_before_the_rollback_are_in_the_record(operator: Operator) -> None:
    """Check 1 was red then; the page says so, and nothing was sent to the misbehaving service."""
    before = operator.newest_record()["before"]["checks"]
    assert before["new_behaviour"]["outcome"] == "failed"
    assert before["processing"]["outcome"] == "inconclusive"
    page = (operator.newest_record()["folder"] / "report.html").read_text()
    assert "Before the rollback" in page


@pytest.mark.parametrize("name", ["report.html", "report.json"])
def test_an_untouched_record_is_unaltered_and_signed(operator: Operator, name: str) -> None:
    """With the key that is said; without it, that it is signed is said and not believed."""
    path = str(operator.newest_record()["folder"] / name)
    ended = operator.invoke("record.check", path, **SIGNED)
    assert (ended.status, "signed with key" in ended.output) == (0, True), ended.output
    ended = operator.invoke("record.check", path)
    assert "which is not here" in ended.output
    ended = operator.invoke("record.check", path, ROLLBACK_GATE_SIGNING_KEY="another key of 16 characters")
    assert (ended.status, "is not one of key" in ended.output) == (20, True), ended.output


def test_the_gate_opens_on_this_machine(operator: Operator) -> None:
    """The newest record, bound to what runs."""
    ended = operator.invoke("gate", *settings(*QUICK), **SIGNED)
    assert ended.status == 0, ended.output
    assert "3 containers are those that were judged" in ended.output


def test_without_an_engine_the_gate_stays_closed(operator: Operator) -> None:
    """Unless it is said by name that it may open unbound."""
    ended = operator.invoke("gate", *settings(*QUICK), **SIGNED, **NO_ENGINE)
    assert (ended.status, "could not be checked" in ended.output) == (20, True), ended.output
    ended = operator.invoke("gate", *settings(*QUICK), "--allow-unbound", **SIGNED, **NO_ENGINE)
    assert (ended.status, "not re-checked" in ended.output) == (0, True), ended.output


def test_a_record_from_another_machine_must_be_signed(operator: Operator, tmp_path: Path) -> None:
    """By file and by URL; without the key, with another one, and with one that was edited it stays closed."""
    folder = operator.newest_record()["folder"]
    with _served(folder) as url:
        for where in (str(folder / "report.html"), f"{url}/report.json"):
            assert operator.invoke("gate", *settings(*QUICK), "--record", where, **SIGNED).status == 0
            ended = operator.invoke("gate", *settings(*QUICK), "--record", where)
            assert (ended.status, "nobody can say whose it is" in ended.output) == (20, True), ended.output
            ended = operator.invoke(
                "gate", *settings(*QUICK), "--record", where, ROLLBACK_GATE_SIGNING_KEY="another key, long enough"
            )
            assert ended.status == 20, ended.output
        ended = operator.invoke("gate", *settings(*QUICK), "--record", f"{url}/none.json", **SIGNED)
        assert (ended.status, "404" in ended.output) == (20, True), ended.output
    edited = tmp_path / "report.json"
    edited.write_text((folder / "report.json").read_text().replace('"operator": "', '"operator": "x'))
    assert operator.invoke("gate", *settings(*QUICK), "--record", str(edited), **SIGNED).status == 20


def test_no_secret_in_any_finished_file(operator: Operator) -> None:
    """Planted in the log, in a document's id, in the reason and in the environment; searched in every decoded form."""
    lab = operator.lab
    password = lab.settings["LAB_MONGO_PASSWORD"]
    planted = {password, KEY, "hunter22-of-nobody", "bearer-of-nobody"}
    lines = [
        f"ERROR:x:cannot connect to mongodb://gvpocr_admin:{password}@mongodb:27017",
        f"INFO:x:the key is {KEY}",
        "ERROR:x:settings: API_TOKEN=hunter22-of-nobody",
        "ERROR:x:Authorization: Bearer bearer-of-nobody",
    ]
    plant.log(lab, ("\n".join(lines) + "\n").encode(), lab.containers(WORKER)[0])
    lab.database.enriched_documents.insert_one({"_id": f"letter {password}.jpg", "quality_metrics": {}})
    lab.deploy("phase1")
    plant.log(lab, ("\n".join(lines) + "\n").encode(), lab.containers(WORKER)[0])
    secret_reason = f"the password {password} was in the log"
    operator.invoke("rollback", "--reason", secret_reason, "verify", *settings(*QUICK), **SIGNED)
    plant.log(lab, ("\n".join(lines) + "\n").encode() * 3, lab.containers(WORKER)[0])
    said = operator.invoke("verify", *settings(*QUICK), **SIGNED).output
    state = operator.reports.parent / "state"
    texts = {"the terminal": said}
    texts |= leaks.files(
        operator.reports, state, *lab.directory.glob(".rollback"), but=frozenset({"quarantine", "sources"})
    )
    assert len(texts) > 8
    assert not leaks.leaks(texts, planted)


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    """A folder over HTTP, on a free port of this machine."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
