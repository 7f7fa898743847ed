"""`profile.new` on other teams' deployments: right in most keys, and good for a first NO-GO and GO."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from lab import example
from lab.example import Example
from lab.operator import ROOT, Operator, settings
from lab.reference import Lab
from lab.team import QUICK, consumer_is_listed, free_ports
from tests.e2e.conftest import Nature, running_lab
from tests.marks import thorough

_OF_PEOPLE = {"name", "title", "completeness.changed_tolerance", "not_asked.completeness"}  # nothing shows them


def flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if key == "change":
            for item in value:
                name = item.get("path") or item.get("key")
                yield from ((f"change {name} {one}", what) for one, what in item.items())
        elif isinstance(value, dict) and key != "task":
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def proposed(one: Example, folder: Path, *arguments: str) -> Path:
    operator = Operator(cast(Lab, one), folder / "reports")
    out = folder / "proposed.toml"
    ended = operator.invoke(
        "profile.new", "--directory", str(one.directory), "--out", str(out), "--yes", *arguments, **one.variables
    )
    assert ended.status == 0, ended.output
    return out


def share_right(one: Example, path: Path) -> float:
    """Of the team's own profile: keys that are proposed with the same value, or, of marks, with one as good."""
    final = {**tomllib.loads((one.directory / "profile.toml").read_text())}
    ours = dict(flat(tomllib.loads(path.read_text())))
    here = dict(flat(tomllib.loads(one.profile.read_text())))
    wanted = {**dict(flat(final)), **{key: value for key, value in here.items() if key != "extends"}}
    wanted = {key: value for key, value in wanted.items() if key not in _OF_PEOPLE}
    right = [key for key, value in wanted.items() if key in ours and _is_as_good(one, key, ours[key], value)]
    return len(right) / len(wanted)


def _is_as_good(one: Example, key: str, ours: Any, wanted: Any) -> bool:
    words = key.split(" ")
    if words[0] == "change" and words[-1] in ("new", "old") and isinstance(ours, list):
        path = one.directory / words[1]
        (backup,) = path.parent.glob(f"{path.name}.backup.*")
        texts = {"new": path.read_text(), "old": backup.read_text()}
        other = texts["old" if words[-1] == "new" else "new"]
        return all(mark in texts[words[-1]] and mark not in other for mark in ours)
    if key.startswith("completeness."):
        return bool(abs(ours - wanted) <= 0.1)
    return sorted(ours) == sorted(wanted) if isinstance(ours, list) else bool(ours == wanted)


def judged(one: Example, folder: Path, path: Path) -> tuple[int, int, str]:
    """With the proposed profile, unedited: what verify says of the change, and of its rollback."""
    operator = Operator(cast(Lab, _With(path)), folder / "reports")
    before = operator.invoke("verify", *settings(*QUICK), COLUMNS="300", **one.variables)
    after = operator.invoke("rollback", "verify", *settings(*QUICK), COLUMNS="300", **one.variables)
    return before.status, after.status, after.output


class _With:
    def __init__(self, profile: Path) -> None:
        self.profile = profile


def filled(one: Example, rows: str, user: str) -> None:
    """A week's documents: without the change's mark, and some with it."""
    script = f'psql -h 127.0.0.1 -U {user} -qc "{rows}" {user}'
    one.compose("exec", "-T", "database", "sh", "-c", script)


def thumbnails(one: Example) -> None:
    rows = "insert into thumbnails select 'a' || n, now() - interval '2 days', 0.38 + 0.02 * (n % 3), null"
    filled(
        one,
        f"{rows} from generate_series(1, 40) n; {rows.replace('null', '3').replace('0.38', '0.68').replace('2 days', '1 hour')} from generate_series(41, 60) n",
        "thumbnails",
    )


def receipts(one: Example) -> None:
    rows = "insert into receipts (id, created_at, confidence, currency) select 'a' || n, now() - interval '2 days', 0.48 + 0.02 * (n % 3), null"
    later = rows.replace("null", "'EUR'").replace("0.48", "0.78").replace("2 days", "1 hour")
    filled(one, f"{rows} from generate_series(1, 40) n; {later} from generate_series(41, 60) n", "receipts")
    consumer_is_listed(one)


MADE: dict[str, tuple[Callable[[Path, str], Example], Callable[[Example], None]]] = {
    "thumbnails": (lambda folder, name: example.thumbnails(folder, name, cast(Any, free_ports(2))), thumbnails),
    "api": (lambda folder, name: example.api(folder, name, free_ports(1)[0]), lambda _: None),
    "receipts": (lambda folder, name: example.receipts(folder, name, cast(Any, free_ports(2))), receipts),
}


@pytest.mark.parametrize("name", ["thumbnails", thorough("api"), thorough("receipts")])
def test_most_of_it_is_right_and_it_tells_old_from_new(name: str, tmp_path: Path) -> None:
    """At least 80 % of the team's own keys, without an edit; and with it the change is NO-GO, its rollback GO."""
    make, fill = MADE[name]
    one = make(tmp_path, f"e2e-new-{name}-{tmp_path.name[-4:].strip('_').lower()}")
    prepare = example.with_two_versions if name == "thumbnails" else lambda _: None
    with example.running(one, prepare):
        fill(one)
        path = proposed(one, tmp_path)
        share = share_right(one, path)
        assert share >= 0.8, f"{share:.0%}: {path.read_text()}"
        before, after, said = judged(one, tmp_path, path)
        assert (before, after) == (10, 0), f"{path.read_text()}\n{said}"


def test_the_change_may_be_two_commits(tmp_path: Path) -> None:
    """Without a backup; and nothing is written over."""
    one = example.api(tmp_path, f"e2e-new-git-{tmp_path.name[-4:].strip('_').lower()}", free_ports(1)[0])

    def committed(made: Example) -> None:
        git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
        new = {name: (made.directory / name).read_text() for name in (".env", "config/settings.ini")}
        for name in new:
            (backup,) = (made.directory / name).parent.glob(f"{Path(name).name}.backup.*")
            backup.rename(made.directory / name)
        for command in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "old")):
            made.run(*git, *command)
        for name, text in new.items():
            (made.directory / name).write_text(text)
        made.run(*git, "commit", "-qam", "new")

    with example.running(one, committed):
        path = proposed(one, tmp_path, "--from", "git:HEAD~1..HEAD")
        changes = tomllib.loads(path.read_text())["change"]
        assert {item.get("path") or item["key"]: item["kind"] for item in changes} == {
            "WORKER_BATCH": "setting",
            "config/settings.ini": "file",
        }
        operator = Operator(cast(Lab, one), tmp_path / "reports")
        again = operator.invoke("profile.new", "--directory", str(one.directory), "--out", str(path), "--yes")
        assert (again.status, "is there already; nothing was written" in again.output) == (50, True), again.output
        nowhere = operator.invoke("profile.new", "--directory", str(tmp_path), "--yes")
        assert (nowhere.status, "there is no container of" in nowhere.output) == (50, True), nowhere.output


# Of Phase 1's profile, what nothing shows but people's knowledge: prose, thresholds of `assess`, how its log lines are
# told apart, its upstream, and what else the runbook removes.
_SECTIONS_OF_PEOPLE = (
    "titles.",
    "triggers.",
    "messages.",
    "ticket.",
    "limits.",
    "known.",
    "partial.",
    "upstream.",
    "waived.",
    "logs.re",
    "logs.scored",
    "logs.connected",
    "logs.no",
    "logs.new",
    "actions",
    "probe.",
    "completeness.ambiguous",
    "database.password_file",
    "queue.message_timeout_s",
    "queue.other_channels",
)


def of_the_lab(lab: Lab) -> dict[str, Any]:
    """The effective keys of the lab's profile that something could show."""
    whole = tomllib.loads((ROOT / "profiles" / "phase1.toml").read_text())
    whole["change"] = [item for item in whole["change"] if "only" not in item]
    rows = {**dict(flat(whole)), **dict(flat(tomllib.loads(lab.profile.read_text())))}
    people = (*_SECTIONS_OF_PEOPLE, *_OF_PEOPLE, "extends")
    return {key: value for key, value in rows.items() if not key.startswith(people)}


def says_as_much(lab: Lab, key: str, ours: Any, wanted: Any) -> bool:
    """The same; or marks that only their side has, or a pattern that matches the same line, or a score near it."""
    lines = {
        "logs.consuming": "INFO:worker:NSQ Consumer created, starting to consume messages...",
        "logs.picked_up": "INFO:worker:Starting enrichment for document a-1.jpg",
        "logs.completed": "INFO:worker:✓ Task task_enrich_a-1.jpg completed successfully",
        "logs.error": "ERROR:worker:it failed",
    }
    if key in lines:
        found = [match.groupdict() for pattern in (ours, wanted) if (match := re.search(pattern, lines[key]))]
        return len(found) == 2 and found[0] == found[1]
    if key == "database.new_mark":
        return str(ours).endswith("_source")  # each part of a document of the new code has one
    return _is_as_good(cast(Any, lab), key, ours, wanted)


@pytest.mark.thorough
def test_on_the_lab(tmp_path: Path) -> None:
    """NSQ and MongoDB: the names by what nsqd lists, and by the documents themselves."""
    project = f"e2e-new-lab-{tmp_path.name[-4:].strip('_').lower()}"
    with running_lab("bind", "before", project, tmp_path, nature=Nature(manner="tame")) as operator:
        lab = operator.lab
        lab.load(6)
        lab.deploy()
        lab.load(6)
        out, password = tmp_path / "proposed.toml", lab.settings["LAB_MONGO_PASSWORD"]
        known = {"ROLLBACK_GATE_DATABASE_PASSWORD": password}
        ended = operator.invoke("profile.new", "--directory", str(lab.directory), "--out", str(out), "--yes", **known)
        assert ended.status == 0, ended.output
        assert password not in out.read_text() + ended.output
        ours, wanted = dict(flat(tomllib.loads(out.read_text()))), of_the_lab(lab)
        lacking = [
            key for key, value in wanted.items() if key not in ours or not says_as_much(lab, key, ours[key], value)
        ]
        assert (len(wanted), set(lacking)) == (37, _NOT_FOUND), f"{sorted(lacking)}: {out.read_text()}"
        for path in ("enrichment_service/errors", "enrichment_service/config/timeouts.py"):
            assert f'# path = "{path}"' in out.read_text()
        with_probe(out)
        judging = replace(operator, lab=cast(Lab, _With(out)))
        before = judging.invoke("verify", *settings("limits.soak_s=1", *_OF_THIS_LAB), **known)
        assert before.status == 10, f"{before.output}{out.read_text()}"
        after = judging.invoke("rollback", "verify", *settings("limits.soak_s=1", *_OF_THIS_LAB), **known)
        assert after.status == 0, f"{after.output}{out.read_text()}"


# Six of 37. The removed paths are comments: whether they were there before, imports do not show.
_NOT_FOUND = {
    *(
        f"change enrichment_service/{path} {key}"
        for path in ("errors", "config/timeouts.py")
        for key in ("kind", "path")
    ),
    "logs.upstream",
    "completeness.changed",
}
_OF_THIS_LAB = ("completeness.minimum_sample=2", "queue.message_timeout_s=3")


def with_probe(path: Path) -> None:
    """What is left to its reader: a task as the producers send it, and what it leaves."""
    first = (ROOT / "profiles" / "phase1.toml").read_text()
    probe = first[first.index("[probe.task]") : first.index("# ---- what normal is")]
    said = path.read_text()
    begin, end = said.index("[probe]"), said.index("[completeness]")
    path.write_text(said[:begin] + probe + said[end:])
