"""The gate where no engine answers: which record it asks, and what it will not take for one."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from rollback_gate.errors import Unreachable, WrongSetting
from rollback_gate.model import ExitCode, Unmeasured
from rollback_gate.profile.afterwards import Due
from rollback_gate.record import build, find, validity, write
from rollback_gate.record.actions import Done
from rollback_gate.record.build import Heading
from rollback_gate.redaction import Redactor
from rollback_gate.rollback.store import UNKNOWN_ENGINE, DeploymentId
from rollback_gate.workflow import actions, gate, published, records
from rollback_gate.workflow.call import Call, heading_of, local_now
from rollback_gate.workflow.gate import Wish
from rollback_gate.workflow.terminal import Terminal
from tests.unit.builders import ROOT
from tests.unit.record.test_record import THREE, record

OLD, NEW = "20261123T120000Z-aaaa", "20261123T130000Z-bbbb"
MINE = "ocr_metadata_extraction/phase1"


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def call(tmp_path: Path, out: io.StringIO) -> Call:
    environ = {
        "ROLLBACK_GATE_REPORTS": str(tmp_path / "reports"),
        "ROLLBACK_GATE_STATE_DIRECTORY": str(tmp_path / "state"),
        "PATH": os.environ["PATH"],
        "DOCKER_HOST": "tcp://127.0.0.1:1",
    }
    return Call.make(ROOT, "", [], environ, Terminal(out, Redactor([])))


def keep(call: Call, name: str, engine: str = "e", **changes: Any) -> Path:
    folder = call.reports / name
    folder.mkdir(parents=True, exist_ok=True)
    deployment = {"id": f"{engine}/{MINE}", "engine": engine, "directory": "/srv/p"}
    settings = build.plain(build.settings_of(call.load()))
    made = record() | {"record_id": name, "deployment": deployment, "settings": settings, "ended": str(local_now())}
    published.publish(call, published.Folder.of(folder), made | changes)
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


def test_an_approval_that_anybody_could_have_noted_is_told_as_that(call: Call, out: io.StringIO) -> None:
    keep(call, OLD)
    ask(call, with_actions=True)
    assert "could have noted it: it is not signed" in out.getvalue()
    out.truncate(0)
    ask(signing(call), with_actions=True)
    assert "could have noted it" not in out.getvalue()


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
    page.write_text(page.read_text().replace("all four checks passed", "no check passed"))
    keep(call, NEW)
    assert records.prune(call, 1, is_dry_run=False) is ExitCode.GO
    assert len(list(call.reports.iterdir())) == 3


# --- the chain: a record that was taken away closes the gate


KEY = "k" * 32


def signing(call: Call, **environ: str) -> Call:
    return dataclasses.replace(call, environ={**call.environ, "ROLLBACK_GATE_SIGNING_KEY": KEY, **environ})


def elsewhere(call: Call, tmp_path: Path) -> Call:
    """The same records on a machine that has none of this one's state."""
    return signing(call, ROLLBACK_GATE_STATE_DIRECTORY=str(tmp_path / "another"))


@pytest.mark.parametrize("signed", [False, True])
def test_a_newer_record_that_was_taken_away_closes_it(call: Call, out: io.StringIO, signed: bool) -> None:
    call = signing(call) if signed else call
    keep(call, OLD)
    keep(call, NEW, verdict="NO-GO").rename(call.reports / "hidden")
    assert ask(call) is ExitCode.INCONCLUSIVE
    assert f"the newest one is {NEW}" in out.getvalue()
    assert f"{NEW}, written" in out.getvalue()


def test_an_older_record_that_was_taken_away_closes_it(call: Call, out: io.StringIO) -> None:
    shutil.rmtree(keep(call, OLD))
    keep(call, NEW)
    assert ask(call) is ExitCode.INCONCLUSIVE
    assert f"{OLD}, written" in out.getvalue()


def test_an_older_record_that_was_written_again_closes_it(call: Call, out: io.StringIO) -> None:
    old = keep(call, OLD)
    keep(call, NEW)
    write.write_page(old, record() | {"record_id": OLD}, Redactor([]), None)
    assert ask(call) is ExitCode.INCONCLUSIVE
    assert "is not what was written" in out.getvalue()


def test_a_record_that_this_machine_has_not_written_closes_it(call: Call, out: io.StringIO) -> None:
    """A forged one, or one of another user whose chain is not read here."""
    keep(call, OLD)
    folder = call.reports / NEW
    shutil.copytree(call.reports / OLD, folder)
    made = write.read_json(folder) | {"record_id": NEW}
    write.write_page(folder, made, Redactor([]), None)
    assert ask(call) is ExitCode.INCONCLUSIVE
    assert f"record {NEW} is not in the chain" in out.getvalue()


def test_without_a_chain_nobody_can_tell(call: Call, out: io.StringIO, tmp_path: Path) -> None:
    keep(call, OLD)
    shutil.rmtree(tmp_path / "state")
    assert ask(call) is ExitCode.INCONCLUSIVE
    assert "whether a newer record was removed is unknown" in out.getvalue()


def test_prune_leaves_what_people_have_put_beside_a_record(call: Call, out: io.StringIO) -> None:
    (keep(call, OLD) / "postmortem.md").write_text("why")
    keep(call, NEW)
    assert records.prune(call, 1, is_dry_run=False) is ExitCode.GO
    assert (call.reports / OLD / "postmortem.md").exists()
    assert "stays: it holds postmortem.md too" in out.getvalue()


def test_what_is_noted_beside_a_record_follows_no_link(call: Call, tmp_path: Path, out: io.StringIO) -> None:
    """Whoever may write reports/ alone could have root write, and remove, somewhere else."""
    keep(signing(call), OLD)
    other = tmp_path / "others"
    (call.reports / OLD).rename(other)
    (call.reports / OLD).symlink_to(other)
    before = sorted(path.name for path in other.iterdir())
    (other / "chain.json").unlink()
    records.sign_chain(signing(call))
    assert sorted(path.name for path in other.iterdir()) == [name for name in before if name != "chain.json"]
    with pytest.raises(Unreachable, match="cannot be written"):
        actions.note_done(call, call.reports / OLD, record(), Done("x", "ana", "ana", str(local_now())))


def test_a_verify_that_was_killed_closes_it(call: Call, out: io.StringIO) -> None:
    """Its record has no end."""
    keep(call, OLD)
    heading, folder = published.begin(call, build_heading(call, NEW))
    published.publish(call, folder, build.unfinished(heading, "verify has begun and has not ended"))
    assert ask(call) is ExitCode.INCONCLUSIVE
    assert "the record says INCONCLUSIVE" in out.getvalue()


def test_a_record_that_is_dated_in_the_future_says_what_to_do(call: Call) -> None:
    """The clock was ahead when it was written: no newer one would be asked until then."""
    keep(call, "29990101T000000Z-ffff", ended="2999-01-01T00:00:00Z")
    ((_, seen),) = find.all_of(call.reports, None)
    (found,) = validity.of_record(seen, "another", "phase1", local_now(), 60)
    assert "dated in the future" in found.says
    assert "move its folder away" in found.says


def test_prune_leaves_a_mark_of_what_it_removed(call: Call, out: io.StringIO) -> None:
    keep(call, "20261123T110000Z-0000", verdict="INCONCLUSIVE")
    keep(call, OLD)
    keep(call, NEW)
    assert records.prune(call, 1, is_dry_run=False) is ExitCode.GO
    assert not (call.reports / OLD).exists()
    assert ask(call) is ExitCode.GO, out.getvalue()


def test_another_verify_says_what_was_lost_and_opens_it_again(call: Call, out: io.StringIO) -> None:
    """Gone is gone; what is judged now does not depend on it, and the new record names it."""
    shutil.rmtree(keep(call, OLD))
    heading, _ = published.begin(call, build_heading(call, NEW))
    assert len(heading.lost) == 1
    assert OLD in heading.lost[0]
    keep(call, NEW)
    assert ask(call) is ExitCode.GO, out.getvalue()


def test_each_record_names_the_one_before(call: Call) -> None:
    old = keep(call, OLD)
    heading, _ = published.begin(call, build_heading(call, NEW))
    digest = hashlib.sha256((old / "report.json").read_bytes()).hexdigest()
    assert heading.previous == {"record_id": OLD, "digest": digest}
    assert heading.lost == ()


def test_a_damaged_chain_stops_nobody_from_judging(call: Call, tmp_path: Path, out: io.StringIO) -> None:
    keep(call, OLD)
    (chain_file,) = (tmp_path / "state").glob("records/*.jsonl")
    chain_file.write_text("{}\n" + chain_file.read_text())
    assert ask(call) is ExitCode.INCONCLUSIVE
    heading, _ = published.begin(call, build_heading(call, NEW))
    assert "which ones is not known" in heading.lost[0]
    assert heading.lost[0].endswith(f"{NEW}.damaged")
    keep(call, NEW)
    assert ask(call) is ExitCode.GO, out.getvalue()


def test_elsewhere_a_signed_and_fresh_chain_tells(call: Call, tmp_path: Path, out: io.StringIO) -> None:
    """Of all records, and of one that is named; without it, unsigned, or old, it stays closed."""
    folder = keep(signing(call), OLD)
    there = elsewhere(call, tmp_path)
    page = str(folder / "report.json")
    for wish in ({}, {"where": page}):
        assert ask(there, **wish) is ExitCode.GO, out.getvalue()
        assert ask(there, max_chain_age="0s", **wish) is ExitCode.INCONCLUSIVE
        assert "record.chain" in out.getvalue()
    kept = (folder / "chain.json").read_text()
    (folder / "chain.json").write_text(kept.replace(OLD, NEW))
    assert ask(there, where=page) is ExitCode.INCONCLUSIVE
    assert "chain.json is not signed" in out.getvalue()
    (folder / "chain.json").unlink()
    assert ask(there) is ExitCode.INCONCLUSIVE
    assert records.sign_chain(signing(call)) is ExitCode.GO
    assert ask(there, where=page) is ExitCode.GO, out.getvalue()


def test_elsewhere_an_older_record_with_the_chain_of_now_is_not_the_newest(
    call: Call, tmp_path: Path, out: io.StringIO
) -> None:
    folder = keep(signing(call), OLD)
    newer = keep(signing(call), NEW, verdict="NO-GO")
    shutil.copy(newer / "chain.json", folder / "chain.json")
    assert ask(elsewhere(call, tmp_path), where=str(folder / "report.json")) is ExitCode.INCONCLUSIVE
    assert f"the newest one is {NEW}" in out.getvalue()


def test_a_chain_is_not_signed_without_a_key(call: Call) -> None:
    folder = keep(call, OLD)
    assert not (folder / "chain.json").exists()
    with pytest.raises(WrongSetting):
        records.sign_chain(call)


def build_heading(call: Call, name: str) -> Heading:
    made = heading_of(call, call.load(), "verify", Unmeasured("the engine", "none"), None)
    return dataclasses.replace(made, record_id=name)


# --- what a hostile reviewer tried


@pytest.mark.parametrize("signed", [False, True])
def test_prune_does_not_count_what_others_have_put_there(call: Call, out: io.StringIO, signed: bool) -> None:
    """Later ids of the same deployment, by whoever may write the folder: the newest real one is not the oldest then."""
    call = signing(call) if signed else call
    keep(call, OLD)
    newer = keep(call, NEW, verdict="NO-GO")
    for number in range(5):
        name = f"20261124T{number:06}Z-ffff"
        (call.reports / name).mkdir()
        write.write_page(call.reports / name, write.read_json(newer) | {"record_id": name}, Redactor([]), None)
    assert records.prune(call, 2, is_dry_run=False) is ExitCode.GO
    assert newer.exists()
    for path in call.reports.glob("20261124*"):
        shutil.rmtree(path)
    assert ask(call) is not ExitCode.GO, out.getvalue()


def test_a_verify_that_cannot_begin_opens_nothing(call: Call, out: io.StringIO) -> None:
    """What was lost is written off only where something newer stands."""
    keep(call, OLD)
    shutil.rmtree(keep(call, NEW, verdict="NO-GO"))
    last = "20261123T140000Z-cccc"
    (call.reports / last).mkdir()
    with pytest.raises(WrongSetting):
        published.begin(call, build_heading(call, last))
    (call.reports / last).rmdir()
    assert ask(call) is ExitCode.INCONCLUSIVE
    assert f"the newest one is {last}" in out.getvalue()


def test_what_could_not_be_written_is_named(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that stands there, and whose line in the chain could not be written, is no record that is missing."""
    heading, folder = published.begin(call, build_heading(call, NEW))
    whole = record() | {"record_id": NEW, "deployment": heading.deployment}
    (call.elsewhere / "records").mkdir(parents=True, exist_ok=True)
    for path in (call.elsewhere / "records").iterdir():
        path.unlink()
        path.mkdir()
    with pytest.raises(WrongSetting, match=r"the record is in .*, but not in the chain"):
        published.publish(call, folder, whole)
    assert (folder.path / "report.html").exists()


def test_a_folder_that_is_taken_away_at_once_is_found_out(call: Call, out: io.StringIO) -> None:
    keep(call, OLD)
    _, folder = published.begin(call, build_heading(call, NEW))
    folder.path.rename(call.reports / "hidden")
    with pytest.raises(OSError, match="No such file"):
        published.publish(call, folder, record() | {"record_id": NEW})
    assert ask(call) is ExitCode.INCONCLUSIVE
    assert f"the newest one is {NEW}" in out.getvalue()


def test_a_link_in_the_place_of_a_record_leads_nowhere(call: Call, tmp_path: Path) -> None:
    """A verify of root's would write where it leads."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/report.json").write_text("theirs")
    _, folder = published.begin(call, build_heading(call, NEW))
    folder.path.rename(call.reports / "hidden")
    folder.path.symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        published.publish(call, folder, record() | {"record_id": NEW})
    folder.path.unlink()
    folder.path.mkdir()
    with pytest.raises(OSError, match="another folder"):
        published.publish(call, folder, record() | {"record_id": NEW})
    assert (tmp_path / "victim/report.json").read_text() == "theirs"


@pytest.mark.parametrize("how", ["owner", "mode", "link"])
def test_a_chain_that_others_could_have_written_is_not_believed(
    call: Call, out: io.StringIO, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(call, OLD)
    (chain_file,) = (tmp_path / "state").glob("records/*.jsonl")
    if how == "owner":
        monkeypatch.setattr(Call, "trusted", frozenset({4321}))
    elif how == "mode":
        chain_file.chmod(0o666)
    else:
        chain_file.rename(tmp_path / "theirs")
        chain_file.symlink_to(tmp_path / "theirs")
    assert ask(call) is ExitCode.INCONCLUSIVE
    assert "could be anybody's" in out.getvalue()


def test_a_chain_that_may_not_be_read_is_not_none(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's, of a user: root may have said NO-GO since."""

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    keep(call, OLD)
    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(Unreachable, match="cannot be read"):
        published.links_of(call, DeploymentId("e", *MINE.split("/")))


def test_everybody_may_read_which_records_there_are(call: Call, tmp_path: Path) -> None:
    keep(call, OLD)
    (chain_file,) = (tmp_path / "state").glob("records/*.jsonl")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (chain_file, chain_file.parent, tmp_path / "state")]
    assert modes == [0o644, 0o755, 0o755]


def test_a_state_directory_that_is_there_stays_as_it_is(call: Call, tmp_path: Path) -> None:
    """It may be somebody else's, who lets this user write there."""
    (tmp_path / "state").mkdir(mode=0o750)
    keep(call, OLD)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o750


def test_a_record_of_nobody_knows_which_deployment_breaks_nothing(call: Call) -> None:
    keep(call, OLD)
    for name in ("20261124T000000Z-0000", "20261124T000001Z-0000"):
        (call.reports / name).mkdir()
        odd = record() | {"record_id": name, "deployment": {"id": "x", "engine": "", "directory": ""}}
        write.write_page(call.reports / name, odd, Redactor([]), None)
    assert records.prune(call, 1, is_dry_run=False) is ExitCode.GO
    assert records.sign_chain(signing(call)) is ExitCode.GO


def test_a_chain_of_another_version_is_told_as_that(call: Call, out: io.StringIO, tmp_path: Path) -> None:
    keep(call, OLD)
    (chain_file,) = (tmp_path / "state").glob("records/*.jsonl")
    with chain_file.open("a") as file:
        file.write(json.dumps({"format": 1, "at": str(local_now()), "event": "record", "record_id": NEW}) + "\n")
    assert ask(call) is ExitCode.INCONCLUSIVE
    assert "another version" in out.getvalue()


def test_signing_without_a_chain_of_ones_own_leaves_what_is_there(call: Call, tmp_path: Path) -> None:
    folder = keep(signing(call), OLD)
    before = (folder / "chain.json").read_text()
    records.sign_chain(elsewhere(call, tmp_path))
    assert (folder / "chain.json").read_text() == before


@pytest.mark.parametrize(("display", "starts"), [("", False), (":0", True)])
def test_a_server_has_no_browser(call: Call, out: io.StringIO, display: str, starts: bool) -> None:
    """A text browser is no use there: the path, and how to get the page to where there is one."""
    page = keep(call, "20261123T120000Z-aaaa") / write.HTML_NAME
    started: list[str] = []

    def start(address: str) -> bool:
        started.append(address)
        return True

    here = dataclasses.replace(call, environ={**call.environ, "DISPLAY": display})
    assert records.open_record(here, "newest", start) is ExitCode.GO
    assert str(page) in out.getvalue()
    assert (started, "copy this one file" in out.getvalue()) == ([page.as_uri()] if starts else [], not starts)


def test_an_id_names_a_record(call: Call, out: io.StringIO) -> None:
    """And the newest one where none is named."""
    for name in ("20261123T120000Z-aaaa", "20261123T130000Z-bbbb"):
        keep(call, name)
    for which, expected in (("newest", "130000Z-bbbb"), ("20261123T120000Z-aaaa", "120000Z-aaaa")):
        out.truncate(0)
        assert gate.record_check(call, which) is ExitCode.GO
        assert expected in out.getvalue()


def test_a_go_for_three_checks_is_told_and_opens_by_name_only(call: Call, out: io.StringIO) -> None:
    call = dataclasses.replace(call, settings_given=("not_asked={completeness = 'thumbnails have no score'}",))
    keep(
        call,
        OLD,
        **{
            key: value
            for key, value in record(THREE).items()
            if key not in ("record_id", "deployment", "settings", "ended")
        },
    )
    assert ask(call) is ExitCode.INCONCLUSIVE
    assert "--accept-partial" in out.getvalue()
    out.truncate(0)
    assert ask(call, accept_partial=True) is ExitCode.GO, out.getvalue()
    assert "is GO (3 of 4)" in out.getvalue()
    assert "thumbnails have no score" in out.getvalue()
