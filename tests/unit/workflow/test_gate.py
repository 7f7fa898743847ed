"""The gate where no engine answers: which record it asks, and what it will not take for one."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from rollback_gate.model import ExitCode
from rollback_gate.profile.afterwards import Due
from rollback_gate.record import build, find, write
from rollback_gate.redaction import Redactor
from rollback_gate.rollback.store import UNKNOWN_ENGINE, DeploymentId
from rollback_gate.workflow import gate, records
from rollback_gate.workflow.call import Call, local_now
from rollback_gate.workflow.gate import Wish
from rollback_gate.workflow.terminal import Terminal
from tests.unit.builders import ROOT
from tests.unit.record.test_record import record

OLD, NEW = "20261123T120000Z-aaaa", "20261123T130000Z-bbbb"
MINE = "ocr_metadata_extraction/phase1"


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def call(tmp_path: Path, out: io.StringIO) -> Call:
    environ = {"ROLLBACK_GATE_REPORTS": str(tmp_path), "PATH": os.environ["PATH"], "DOCKER_HOST": "tcp://127.0.0.1:1"}
    return Call.make(ROOT, "", [], environ, Terminal(out, Redactor([])))


def keep(call: Call, name: str, engine: str = "e", **changes: Any) -> Path:
    folder = call.reports / name
    folder.mkdir()
    deployment = {"id": f"{engine}/{MINE}", "engine": engine, "directory": "/srv/p"}
    settings = build.plain(build.settings_of(call.load()))
    made = record() | {"record_id": name, "deployment": deployment, "settings": settings, "ended": str(local_now())}
    write.write_page(folder, made | changes, Redactor([]), None)
    return folder


def ask(call: Call, **wish: Any) -> ExitCode:
    return gate.gate(call, Wish(allow_unbound=True, **wish))


def test_a_go_of_this_deployment_opens_it(call: Call, out: io.StringIO) -> None:
    keep(call, OLD)
    assert ask(call) is ExitCode.GO, out.getvalue()


def test_a_newer_verify_that_found_no_engine_is_asked(call: Call) -> None:
    """It may have been this deployment's: the older GO does not stand."""
    keep(call, OLD)
    newer = keep(call, NEW, UNKNOWN_ENGINE)
    keep(call, "20261123T140000Z-cccc", "another engine")
    found = find.newest(call.reports, DeploymentId("e", *MINE.split("/")).may_be, None)
    assert found
    assert found[0] == newer


def test_a_copy_of_an_older_go_closes_it(call: Call, out: io.StringIO) -> None:
    (keep(call, OLD)).rename(call.reports / NEW)
    assert ask(call) is ExitCode.INCONCLUSIVE
    assert "the folder is named" in out.getvalue()


@pytest.mark.parametrize("due", [None, Due.BEFORE_REDEPLOYMENT])
def test_a_profile_without_an_approval_is_never_ready(call: Call, due: Due | None) -> None:
    """Whatever else it lists: nobody would have approved it."""
    profile = call.load().profile
    left = tuple(action for action in profile.actions if not action.is_approval and action.due is due)
    keep(call, OLD)
    found = gate._actions(call, profile.model_copy(update={"actions": left}), record(), records.NEWEST)
    assert [o.says for o in found] == ["the profile lists no approval before re-deployment"]


def test_a_named_record_without_its_actions_says_which_file_lacks(call: Call) -> None:
    page = keep(call, OLD) / write.HTML_NAME
    found = gate._actions(call, call.load().profile, record(), str(page))
    assert [o.says.partition(":")[0] for o in found] == ["what was done is not known"]
    assert "actions.json" in found[0].remedy


@pytest.mark.parametrize(
    ("name", "says"), [("report.html", "unaltered, as far"), ("report.json", "follows from its own")]
)
def test_a_page_holds_more_than_data_whatever_the_file_is_called(
    call: Call, out: io.StringIO, name: str, says: str
) -> None:
    """The data alone carry no digest that a change would break."""
    other = (keep(call, OLD) / name).rename(call.reports / f"x{'.json' if name.endswith('html') else '.html'}")
    gate.record_check(call, str(other))
    assert says in out.getvalue()


def test_prune_leaves_what_could_be_anybodys(call: Call) -> None:
    keep(call, OLD, UNKNOWN_ENGINE)
    page = keep(call, "20261123T120001Z-cccc") / write.HTML_NAME
    page.write_text(page.read_text().replace("every check ran", "no check ran"))
    keep(call, NEW)
    assert records.prune(call, 1, is_dry_run=False) is ExitCode.GO
    assert len(list(call.reports.iterdir())) == 3
