"""Records: listing, showing, opening, and removing old ones."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollback_gate.errors import Unreachable, WrongSetting
from rollback_gate.model import ExitCode
from rollback_gate.record import actions, chain, find, next_steps, seal, view
from rollback_gate.record.check import Examination
from rollback_gate.record.write import HTML_NAME, JSON_NAME, JUNIT_NAME, KEPT_TICKET, LOG_NAME
from rollback_gate.rollback.store import UNKNOWN_ENGINE, DeploymentId
from rollback_gate.workflow import published
from rollback_gate.workflow.call import Call

NEWEST = "newest"
_SLASHES = 2  # in a deployment's id


@dataclass(frozen=True)
class Kept:
    """A record's folder and what was found in it."""

    folder: Path
    seen: Examination

    @property
    def deployment(self) -> str:
        """ "" if unknown: the record is unreadable or altered, or its verify found no engine."""
        if not self.seen.record or self.seen.was_altered:
            return ""
        named = str(self.seen.record.get("deployment", {}).get("id", ""))
        return "" if named.startswith(f"{UNKNOWN_ENGINE}/") or named.count("/") < _SLASHES else named

    @property
    def word(self) -> str:
        record = self.seen.record
        return str(record.get("headline") or record["verdict"]) if record else "UNREADABLE"

    @property
    def is_go(self) -> bool:
        return bool(self.seen.record) and self.seen.record["verdict"] == "GO" and not self.seen.was_altered

    @property
    def holds(self) -> str:
        if self.seen.was_altered:
            return "ALTERED"
        if not self.seen.is_unaltered:
            return "unknown"
        return "signed" if self.seen.is_signed else "unaltered"


def list_records(call: Call) -> ExitCode:
    """Lists all records, newest first. Raises Unreachable."""
    kept = records(call)
    rows = [
        (
            one.word,
            one.folder.name,
            one.deployment.rpartition("/")[0].rpartition("/")[2] or "unknown",
            one.holds,
            _one_line(one.seen.record),
        )
        for one in kept
    ]
    call.terminal.table(("Verdict", "Record", "Project", "Unaltered?", "Reason"), rows, whole=("Verdict", "Record"))
    call.terminal.line(f"{len(kept)} records in {call.reports}")
    return ExitCode.GO


def show(call: Call, which: str) -> ExitCode:
    """Shows one record in the terminal: the summary, and all that did not pass. Raises WrongSetting, Unreachable."""
    one = chosen(call, which)
    record, terminal = one.seen.record, call.terminal
    if not record:
        raise Unreachable(f"{one.folder} holds no record that can be read", "invoke record.list")
    terminal.stage(f"{one.word}: {record['reason']}")
    for name, says in at_a_glance(record):
        terminal.line(f"{name}: {says}")
    for finding in record["findings"]:
        terminal.item(finding["outcome"], record["titles"].get(finding["check"], finding["check"]), finding["reason"])
        for claim in finding["claims"]:
            if claim["outcome"] != "passed":
                terminal.lines([f"  {claim['subject']}: {claim['says']}", *(f"    {d}" for d in claim["details"])])
    terminal.line("Next:")
    terminal.lines(f"  {number}. {step}" for number, step in enumerate(next_steps.of_record(record), 1))
    terminal.line(f"unaltered? {one.holds}; the page: {one.folder / HTML_NAME}")
    return ExitCode.GO


def at_a_glance(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Operator, reason, times and interruption of any record."""
    run = record.get("run") or {}
    interruption = (run.get("interruption") or {}).get("says", "not measured")
    judged = f"{record['began']} by {record['operator']}"
    rows = [("record", record["record_id"]), ("judged", judged), ("why", view.reason(record))]
    if run:
        rows += [
            ("rolled back", f"run {run['id']}, {run['mode']}, by {run['operator']}"),
            ("interruption", interruption),
        ]
    return rows + [("state", line) for line in record.get("state_of_service", [])]


def open_record(call: Call, which: str, browser: Callable[[str], bool]) -> ExitCode:
    """Opens the page in this machine's browser. `browser`: webbrowser.open. Raises WrongSetting, Unreachable.

    Without a display it only prints the path: a text browser on a server is no use.
    """
    page = chosen(call, which).folder / HTML_NAME
    if not page.exists():
        raise Unreachable(f"there is no {page}", "invoke record.list")
    call.terminal.data(str(page))
    if not any(call.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        call.terminal.line(
            f"no display here: copy this one file to where there is one (scp {platform.node()}:{page} .)"
        )
    elif not browser(page.as_uri()):
        raise Unreachable("no browser could be started here", "copy the page to where there is one: it is one file")
    return ExitCode.GO


def prune(call: Call, keep: int, is_dry_run: bool) -> ExitCode:
    """Removes the records that `left_over` names. Raises WrongSetting, Unreachable."""
    if keep < 1:
        raise WrongSetting(f"--keep {keep}: must be 1 at least", "for example --keep 20")
    known = [one for one in records(call) if one.deployment]
    listed = [one for one in known if _is_listed(call, one)]
    if len(listed) < len(known):
        call.terminal.line(f"{len(known) - len(listed)} are in no chain of records that is kept here, and stay")
    going = left_over(listed, keep, {path.parent for path in call.reports.glob(f"*/{actions.NAME}")})
    gone = 0
    for one in going:
        if more := _not_ours(one.folder):
            call.terminal.item("warning", one.folder.name, f"stays: it holds {', '.join(more)} too")
            continue
        if not is_dry_run:
            published.note_gone(call, one.folder.name, DeploymentId.parse(one.deployment), "pruned")
            _remove(one.folder)
        gone += 1
        call.terminal.item("ok", one.folder.name, f"{one.word}, {'would be ' if is_dry_run else ''}removed")
    call.terminal.line(f"{gone} records {'would be ' if is_dry_run else ''}removed from {call.reports}")
    if not is_dry_run and call.key:
        _publish_chains(call, {one.deployment for one in going})
    return ExitCode.GO


def sign_chain(call: Call) -> ExitCode:
    """Signs each deployment's chain as of now, beside its newest record. Raises WrongSetting, Unreachable."""
    if call.key is None:
        raise WrongSetting(
            f"without {seal.KEY_VARIABLE} nothing can be signed", "set it as it is set where the gate asks"
        )
    _publish_chains(call, {one.deployment for one in records(call)} - {""})
    return ExitCode.GO


def _is_listed(call: Call, one: Kept) -> bool:
    """True if the chain lists the record as it is. A record from elsewhere does not count and stays."""
    links = published.links_of(call, DeploymentId.parse(one.deployment))
    made = seal.digest(seal.canonical(one.seen.record))
    return any((link.record_id, link.digest) == (one.folder.name, made) for link in links if not link.gone)


def _publish_chains(call: Call, deployments: Iterable[str]) -> None:
    for name in sorted(deployments):
        deployment = DeploymentId.parse(name)
        links = [link for link in published.links_of(call, deployment) if not link.gone]
        folder = call.reports / links[-1].record_id if links else None
        if folder is None or not folder.is_dir():
            call.terminal.item(
                "warning", name, "its newest record is not in the chain that is kept here, or is not here"
            )
        elif _publish_chain(call, deployment, folder):
            call.terminal.item("ok", "chain", str(folder / chain.NAME))


def _publish_chain(call: Call, deployment: DeploymentId, folder: Path) -> bool:
    try:
        with published.Folder.of(folder).opened() as inside:
            return published.publish_chain(call, deployment, inside, folder.name)
    except OSError as error:
        call.terminal.item("warning", folder.name, f"cannot be written into: {error.strerror or error}")
        return False


def left_over(kept: Sequence[Kept], keep: int, with_actions: set[Path]) -> list[Kept]:
    """Records to remove, oldest first. Each deployment keeps its `keep` newest, its newest GO, and those with actions.

    The newest record of a deployment always stays, so that the gate's answer never changes: otherwise an older GO could
    replace a NO-GO. A record that is unreadable or altered, or whose verify found no engine, may be the newest of any
    deployment: it stays too.
    """
    going = []
    for deployment in {one.deployment for one in kept} - {""}:
        mine = [one for one in kept if one.deployment == deployment]
        mine.sort(
            key=lambda one: (one.folder.name[:16], str(one.seen.record.get("began"))), reverse=True
        )  # as the gate
        newest_go = next((one for one in mine if one.is_go), None)
        going += [one for one in mine[keep:] if one is not newest_go and one.folder not in with_actions]
    return sorted(going, key=lambda one: one.folder.name)


def records(call: Call) -> list[Kept]:
    """All records, newest first. Raises Unreachable."""
    return [Kept(folder, seen) for folder, seen in find.all_of(call.reports, call.key)]


def chosen(call: Call, which: str) -> Kept:
    """The record by its name, its folder, or "newest". Raises WrongSetting, Unreachable."""
    kept = records(call)
    name = Path(which).name
    one = kept[0] if kept and which == NEWEST else next((k for k in kept if k.folder.name == name), None)
    if one is None:
        what = "there is no record" if which == NEWEST else f"there is no record {which}"
        raise WrongSetting(f"{what} in {call.reports}", "invoke record.list shows all records")
    return one


def _not_ours(folder: Path) -> list[str]:
    """Files beside a record that this tool did not write."""
    own = {HTML_NAME, JSON_NAME, JUNIT_NAME, LOG_NAME, actions.NAME, chain.NAME, KEPT_TICKET, f"opened-{KEPT_TICKET}"}
    return sorted(path.name for path in folder.iterdir() if path.name not in own)


def _remove(folder: Path) -> None:
    """Renames the folder first: a killed prune then leaves no partial record that counts as one."""
    going = folder.with_name(f".{folder.name}.going")
    try:
        folder.rename(going)
        shutil.rmtree(going)
    except OSError as error:
        raise Unreachable(f"{folder} cannot be removed: {error.strerror or error}", "run as its owner") from error


def _one_line(record: Mapping[str, Any]) -> str:
    text = " ".join(str(record.get("reason", "")).split()) if record else ""
    return text if len(text) <= 90 else f"{text[:89]}…"
