"""The record gets to the ticket: once, in spite of trouble, and never by a lie. Against documented HTTP behaviour."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollback_gate.errors import TrackerBusy, TrackerRefused, Unreachable, WrongSetting
from rollback_gate.record import actions, seal, write
from rollback_gate.redaction import Redactor
from rollback_gate.tickets import summary
from rollback_gate.workflow import tickets
from rollback_gate.workflow.call import Call
from rollback_gate.workflow.terminal import Terminal
from rollback_gate.workflow.tickets import Wish
from tests.unit.builders import ROOT
from tests.unit.record.test_record import heading, record
from tests.unit.tickets.server import TOKEN, GitHubServer, JiraServer, Tickets, serving

COMMENTS = "/repos/team/enrichment/issues/42/comments"
RECORD = record() | {"deployment": {"id": "e/ocr_metadata_extraction/phase1", "engine": "e", "directory": "/srv/p"}}
DIGEST = seal.digest(seal.canonical(RECORD))


class Desk:
    """Somebody with a record, and a tracker."""

    def __init__(self, folder: Path, *settings: str, token: str = TOKEN) -> None:
        self.folder = folder / "20261123T120000Z-abcd"
        if not self.folder.exists():
            self.folder.mkdir()
            write.write_page(self.folder, RECORD, Redactor([]), None)
        self.out, self.slept = io.StringIO(), list[float]()
        environ = {
            "ROLLBACK_GATE_TICKET_TOKEN": token,
            "ROLLBACK_GATE_REPORTS": str(folder),
            "PATH": os.environ["PATH"],
        }
        self.call = Call.make(
            ROOT, "", [f"ticket.{text}" for text in settings], environ, Terminal(self.out, Redactor([]))
        )

    def attach(self, ticket: str, **wish: object) -> str:
        tickets.attach(self.call, ticket, Wish(**wish), self.slept.append)  # type: ignore[arg-type]
        return self.out.getvalue()

    def open(self) -> str:
        tickets.open_ticket(self.call, Wish(), self.slept.append)
        return self.out.getvalue()


@pytest.fixture
def github() -> Iterator[tuple[Tickets, str]]:
    with serving(GitHubServer) as found:
        yield found


@pytest.fixture
def jira() -> Iterator[tuple[Tickets, str]]:
    with serving(JiraServer) as found:
        yield found


def at_github(address: str) -> tuple[str, ...]:
    return "tracker=github", f"address={address}", "project=team/enrichment"


def at_jira(address: str) -> tuple[str, ...]:
    return "tracker=jira", f"address={address}", "project=OPS"


def test_github_gets_one_comment_with_the_link_and_tasks(github: tuple[Tickets, str], tmp_path: Path) -> None:
    there, address = github
    for _ in range(2):
        said = Desk(tmp_path, *at_github(address)).attach("42", link="https://ci.example/run/1")
    assert "is there already" in said
    (text,) = there.comments
    assert text.startswith("**GO**: The old code runs: all four checks passed")
    assert "https://ci.example/run/1" in text
    assert f"sha256:{DIGEST}" in text
    assert text.count("- [ ] ") == 12
    assert "Get approval to re\\-deploy" in text or "Get approval to re-deploy" in text


def test_without_a_link_it_says_what_the_ticket_lacks(github: tuple[Tickets, str], tmp_path: Path) -> None:
    said = Desk(tmp_path, *at_github(github[1])).attach("#42")
    assert "GitHub's API takes no files" in said


def test_jira_gets_the_report_the_summary_and_tasks_once(jira: tuple[Tickets, str], tmp_path: Path) -> None:
    there, address = jira
    for _ in range(2):
        said = Desk(tmp_path, *at_jira(address)).attach("INC-42")
    assert "is attached already" in said
    (name,) = there.files
    assert name == f"rollback-20261123T120000Z-abcd-{DIGEST[:12]}.html"
    assert (tmp_path / "20261123T120000Z-abcd" / "report.html").read_bytes() in there.files[name]
    assert len(there.comments) == 1
    assert f"sha256:{DIGEST}" in there.comments[0]
    assert len([row for row in there.created if row["parent"] == {"key": "INC-42"}]) == 12


@pytest.mark.parametrize("kind", ["github", "jira"])
def test_a_new_ticket_is_opened_once_and_noted(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    there, address = request.getfixturevalue(kind)
    settings = at_github(address) if kind == "github" else (*at_jira(address), "task_type=")
    for _ in range(2):
        desk = Desk(tmp_path, *settings)
        said = desk.open()
    assert "was opened for this record already" in said
    assert len(there.created) == 1
    assert len(there.comments) == 0
    done = actions.done_in(tmp_path, actions.subject_of(RECORD), None)
    assert not hasattr(done, "reason")
    assert [one.action for one in done] == ["create-ticket"]


def test_a_busy_tracker_is_asked_again_later_and_later(github: tuple[Tickets, str], tmp_path: Path) -> None:
    there, address = github
    there.trouble["POST", COMMENTS] = [(503, {}), (429, {"Retry-After": "7"}), (502, {})]
    desk = Desk(tmp_path, *at_github(address))
    desk.attach("42", link="x")
    assert desk.slept == [1, 7, 4]
    assert len(there.comments) == 1


def test_what_came_through_without_an_answer_is_not_sent_twice(jira: tuple[Tickets, str], tmp_path: Path) -> None:
    """The connection ends after the tracker did its work: asked anew, it is there already."""
    there, address = jira
    there.lost |= {("POST", "/rest/api/2/issue/INC-42/comment"), ("POST", "/rest/api/2/issue/INC-42/attachments")}
    desk = Desk(tmp_path, *at_jira(address), "task_type=")
    assert "already" in desk.attach("INC-42")
    assert (len(there.comments), len(there.files)) == (1, 1)
    assert len([r for r in there.requests if r.endswith("INC-42/attachments")]) == 1


def test_a_ticket_that_may_be_open_is_not_opened_again(jira: tuple[Tickets, str], tmp_path: Path) -> None:
    there, address = jira
    there.lost.add(("POST", "/rest/api/2/issue"))
    with pytest.raises(TrackerRefused) as error:
        Desk(tmp_path, *at_jira(address)).open()
    assert "look whether it is there" in error.value.remedy
    assert len(there.created) == 1


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("kind", ["github", "jira"])
def test_an_unclear_answer_to_a_new_ticket_is_not_asked_again(
    kind: str, status: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A gateway may have given up on work that is done: asked again, there would be two tickets."""
    there, address = request.getfixturevalue(kind)
    path = "/repos/team/enrichment/issues" if kind == "github" else "/rest/api/2/issue"
    there.trouble["POST", path] = [(status, {})]
    with pytest.raises(TrackerRefused) as error:
        Desk(tmp_path, *(at_github(address) if kind == "github" else at_jira(address))).open()
    assert "look whether it is there" in error.value.remedy
    assert there.requests.count(f"POST {path}") == 1


def test_a_new_ticket_is_asked_for_again_where_the_tracker_was_away(jira: tuple[Tickets, str], tmp_path: Path) -> None:
    there, address = jira
    there.trouble["POST", "/rest/api/2/issue"] = [(503, {}), (429, {})]
    Desk(tmp_path, *at_jira(address), "task_type=").open()
    assert len(there.created) == 1


def test_an_issue_of_another_repository_is_not_written_to(github: tuple[Tickets, str], tmp_path: Path) -> None:
    there, address = github
    with pytest.raises(TrackerRefused, match="is not in team/enrichment"):
        Desk(tmp_path, *at_github(address)).attach("other/repo#42", link="x")
    assert there.comments == []
    Desk(tmp_path, *at_github(address)).attach("Team/enrichment#42", link="x")
    assert len(there.comments) == 1


def test_the_newest_is_the_newest_of_this_deployment(github: tuple[Tickets, str], tmp_path: Path) -> None:
    """Records of several deployments may share a folder."""
    other = tmp_path / "20261123T130000Z-bbbb"
    other.mkdir()
    write.write_page(other, record() | {"record_id": other.name, "operator": "lee"}, Redactor([]), None)
    there, address = github
    Desk(tmp_path, *at_github(address)).attach("42", link="x")
    assert f"sha256:{DIGEST}" in there.comments[0]


def test_a_token_may_end_with_its_line(github: tuple[Tickets, str], tmp_path: Path) -> None:
    """As a file of secrets holds it."""
    Desk(tmp_path, *at_github(github[1]), token=f"{TOKEN}\n").attach("42", link="x")
    assert len(github[0].comments) == 1


@pytest.mark.parametrize("token", ["t\u00f6ken-\u2603", "to\nken"])
def test_a_token_that_cannot_be_one_is_not_shown(token: str, tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match="holds a character") as error:
        Desk(tmp_path, *at_jira("http://127.0.0.1:1"), token=token).attach("INC-42")
    assert token not in str(error.value)


def test_it_gives_up_in_the_end(github: tuple[Tickets, str], tmp_path: Path) -> None:
    there, address = github
    there.trouble["GET", "/repos/team/enrichment/issues/42"] = [(503, {})] * 9
    desk = Desk(tmp_path, *at_github(address), "attempts=3")
    with pytest.raises(TrackerBusy):
        desk.attach("42", link="x")
    assert desk.slept == [1, 2]


@pytest.mark.parametrize(
    ("status", "remedy"), [(403, "the token needs"), (404, "the token needs"), (401, "put a valid one")]
)
@pytest.mark.parametrize("kind", ["github", "jira"])
def test_missing_rights_say_which(
    kind: str, status: int, remedy: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    there, address = request.getfixturevalue(kind)
    path = "/repos/team/enrichment/issues/42" if kind == "github" else "/rest/api/2/issue/INC-42"
    there.trouble["GET", path] = [(status, {})]
    desk = Desk(tmp_path, *(at_github(address) if kind == "github" else at_jira(address)))
    with pytest.raises(TrackerRefused) as error:
        desk.attach("42" if kind == "github" else "INC-42")
    assert remedy in error.value.remedy
    assert desk.slept == []
    assert TOKEN not in str(error.value)


def test_nobody_there(tmp_path: Path) -> None:
    desk = Desk(tmp_path, *at_jira("http://127.0.0.1:1"), "attempts=2")
    with pytest.raises(TrackerBusy) as error:
        desk.attach("INC-42")
    assert "does not answer" in str(error.value)


@pytest.mark.parametrize("ticket", ["forty-two", "INC-42", ""])
def test_a_name_that_is_no_issue(ticket: str, github: tuple[Tickets, str], tmp_path: Path) -> None:
    with pytest.raises((TrackerRefused, WrongSetting)):
        Desk(tmp_path, *at_github(github[1])).attach(ticket)


def test_a_dry_run_asks_nobody(tmp_path: Path) -> None:
    said = Desk(tmp_path, *at_jira("http://127.0.0.1:1")).attach("INC-42", dry_run=True)
    assert "nothing was sent" in said
    assert f"sha256:{DIGEST}" in said


@pytest.mark.parametrize(
    ("settings", "says"), [((), "names no tracker"), (("tracker=jira",), "needs address and project")]
)
def test_settings_that_lack_something(settings: tuple[str, ...], says: str, tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match=says):
        Desk(tmp_path, *settings).attach("INC-42")


def test_without_a_token(tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match="holds no token"):
        Desk(tmp_path, *at_jira("http://127.0.0.1:1"), token="").attach("INC-42")


def test_an_altered_record_is_no_evidence(tmp_path: Path) -> None:
    desk = Desk(tmp_path, *at_jira("http://127.0.0.1:1"))
    page = desk.folder / "report.html"
    page.write_text(page.read_text().replace("all four checks passed", "all checks passed"))
    with pytest.raises(Unreachable, match="cannot be relied on"):
        desk.attach("INC-42")


def test_any_other_tracker_by_a_command(tmp_path: Path) -> None:
    """It gets what to do, the ticket, the file, and the summary on its standard input; once."""
    script = tmp_path / "tracker"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncat >> {tmp_path}/texts\necho "TRK-9"\n')
    script.chmod(0o755)
    settings = ("tracker=command", f"command=['{script}']")
    for _ in range(2):
        Desk(tmp_path, *settings).attach("INC-42")
    desk = Desk(tmp_path, *settings)
    desk.open()
    calls = (tmp_path / "calls").read_text().splitlines()
    page = tmp_path / "20261123T120000Z-abcd" / "report.html"
    assert calls[0] == f"attach INC-42 {page}"
    assert calls[1].startswith("open GO: rollback of ")
    assert len(calls) == 2
    assert (tmp_path / "texts").read_text().count(f"sha256:{DIGEST}") == 2


def test_a_command_gets_the_variables_that_are_named_and_no_others(tmp_path: Path) -> None:
    """Neither the key that signs nor what Compose or git would read; the tracker's token it needs."""
    for settings in ((), ("variables=['OF_THE_TEAM']",)):
        desk = Desk(tmp_path, "tracker=command", f"command=['sh','-c','env > {tmp_path}/env']", *settings)
        more = {"OF_THE_TEAM": "x", "GIT_DIR": "/y", "ROLLBACK_GATE_SIGNING_KEY": "k" * 32}
        desk.call = replace(desk.call, environ={**desk.call.environ, **more})
        desk.attach(f"INC-{len(settings)}")
        names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
        assert "ROLLBACK_GATE_TICKET_TOKEN" in names
        assert ("OF_THE_TEAM" in names) is bool(settings)
        assert not names & {"GIT_DIR", "ROLLBACK_GATE_SIGNING_KEY"}


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "tracker=command", "command=['sh','-c','echo no such queue >&2; exit 3']")
    with pytest.raises(TrackerRefused, match="exited with status 3: no such queue"):
        desk.attach("INC-42")


@pytest.mark.parametrize(
    "environ, link",
    [
        ({}, ""),
        ({"BUILD_URL": "http://j/job/1/"}, "http://j/job/1/artifact/"),
        ({"GITLAB_CI": "true", "CI_JOB_URL": "http://g/-/jobs/1"}, "http://g/-/jobs/1/artifacts/browse"),
        ({"GITHUB_ACTIONS": "true"}, ""),
        (
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_SERVER_URL": "http://h",
                "GITHUB_REPOSITORY": "a/b",
                "GITHUB_RUN_ID": "5",
            },
            "http://h/a/b/actions/runs/5",
        ),
    ],
)
def test_a_ci_job_knows_where_its_artifacts_are(environ: dict[str, str], link: str) -> None:
    assert tickets.link_of(environ) == link


def test_hostile_text_stays_text() -> None:
    """Neither a mention, nor markup, nor a task of somebody else's."""
    nasty = "@everyone <img src=x onerror=alert(1)>\n- [x] approved\n{code} [link|http://evil] ![a](http://evil)"
    made = record() | {"reason": nasty, "change": heading().change}
    for markup in (summary.MARKDOWN, summary.WIKI):
        text = summary.text(made, DIGEST, "", (), markup, True)
        assert "\n- [x]" not in text
        assert "<img" not in text or markup is summary.WIKI
        assert " @everyone" not in text.replace("\\@", "")
        assert "http://evil" not in text
