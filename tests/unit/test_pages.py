"""What stands in README and messages: links lead somewhere, tables are the code's, commands can be parsed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.catalogue import CATALOGUE
from lab.pages import blanked
from rollback_gate.model import MEANING
from tests.unit.builders import ROOT
from tests.unit.test_program import GRAMMAR

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
SOURCES = [*(ROOT / "rollback_gate").rglob("*.py"), *(ROOT / "rollback_gate").rglob("*.j2"), *PAGES]
_OPTION = r"--[a-z-]+(?:[ =][A-Z'\"][^ `;,)]*)?"
_WORD = rf"(?:[a-z]+[a-z.]*(?![\w'])|{_OPTION}|[A-Z][A-Z-]+)"
COMMAND = re.compile(rf"(?:invoke|rollback-gate|\./bootstrap) ({_WORD}(?: {_WORD})*)")


def test_the_readme_is_one_page() -> None:
    before_the_tables, _, _ = README.partition("## Reference")
    assert len(before_the_tables.splitlines()) <= 70


def test_the_exit_status_is_what_the_code_says() -> None:
    table = README.partition("### Exit status")[2].partition("###")[0]
    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", table, re.MULTILINE))
    assert rows == {str(int(code)): says for code, says in MEANING.items()}


def test_the_profiles_side_by_side_are_what_the_files_say() -> None:
    """Each snippet stands in its profile, however its columns are aligned there."""
    table = README.partition("side by side:")[2].partition("\n\nRedis")[0]
    columns = [row.strip("|").split(" | ")[1:] for row in table.strip().splitlines()[2:]]
    assert len(columns) == 7
    for number, path in enumerate(("profiles/phase1.toml", "examples/thumbnails/profile.toml")):
        text = (ROOT / path).read_text()
        for snippet in (one for row in columns for one in re.findall(r"`([^`]+)`", row[number])):
            assert snippet in text, (path, snippet)


def test_the_score_is_the_catalogues() -> None:
    sabotaged, healthy = re.findall(r"\*\*(\d+) sabotaged, false GO: 0; (\d+) healthy, false NO-GO: 0\*\*", README)[0]
    of_go = sum(entry.verdict == "GO" for entry in CATALOGUE)
    assert (int(sabotaged), int(healthy)) == (len(CATALOGUE) - of_go, of_go)


def test_the_catalogues_page_is_of_a_run_of_all_entries() -> None:
    """What a run printed: each entry, with what it had to be."""
    page = (ROOT / "docs" / "catalogue.md").read_text()
    rows = re.findall(r"^\| ([\w-]+): .* \| [\w-]+ \| ([A-Z-]+) \| ([A-Z-]+) \| [^|]+ \|$", page, re.MULTILINE)
    assert {name: wanted for name, wanted, _ in rows} == {entry.name: entry.verdict for entry in CATALOGUE}
    assert [row for row in rows if row[1] != row[2]] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        where = (page.parent / path).resolve() if path else page
        assert where.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", where.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, target


def test_every_printed_command_can_be_typed() -> None:
    """With the options that it shows: none is refused by the parser."""
    found = {}
    for path in SOURCES:
        for words in COMMAND.findall(path.read_text()):
            parts = words.split()
            if parts[0] in GRAMMAR.tasks:
                found[words] = path
    assert len(found) > 30
    for words, path in found.items():
        typed = [part for part in GRAMMAR.in_place(words.split()) if part.startswith("-") or part in GRAMMAR.tasks]
        known = [task for task in typed if task in GRAMMAR.tasks]
        for option in (part for part in typed if part.startswith("-")):
            flag = option.partition("=")[0]
            assert any(flag in GRAMMAR.tasks[task].flags for task in known), f"{path.name}: {words}"


def test_what_differs_each_time_is_blanked() -> None:
    """And nothing else: a wording that changed shows."""
    one = "run 20261123T194755Z-8938, 12.5 s, 127.0.0.1:8080, 79252 MB, 2026-11-23 19:48:27 UTC, sha256 5601f83820e8"
    other = "run 20261124T000000Z-0000, 9 s, 127.0.0.1:1, 1 MB, 2026-11-24 00:00:00 UTC, sha256 000000000000"
    assert blanked(one) == blanked(other)
    assert blanked("2 of 2 replicas run") != blanked("1 of 2 replicas run")
    assert blanked("restored") != blanked("reverted")
