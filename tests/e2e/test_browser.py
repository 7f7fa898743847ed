"""The records of a real rollback in a real browser: GO, NO-GO, and a rollback that failed; and one full of hostile text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser

from lab.browser import shown, started
from rollback_gate.checks.verdict import Ran
from rollback_gate.model import Evidence, passed
from rollback_gate.record import write
from rollback_gate.redaction import Redactor
from tests.e2e.conftest import Nature, running_lab
from tests.e2e.test_failed_rollback import break_worker
from tests.unit.record.test_record import record

pytestmark = pytest.mark.thorough  # three more deployments for its pages; what a page says is asked without a browser
KINDS = {"GO": "GO", "NO-GO": "NO-GO", "failed": "ROLLBACK FAILED"}
HOSTILE = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "</article></main>",
    "\x1b[31mred",
    "\u202etxt.exe",
    "{{ 7*7 }}",
    "'\"><svg onload=alert(1)>",
    "<!--",
    "]]>",
    "&lt;b&gt;",
    "\x00",
]


@pytest.fixture(scope="module")
def pages(labs_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Of one deployment: rolled back; deployed again behind its back; and rolled back in vain."""
    found = {}
    folder = tmp_path_factory.mktemp("browser")
    with running_lab("bind", "phase1", "e2e-browser", folder, nature=Nature(manner="tame")) as operator:
        operator.lab.load(12)
        assert operator.invoke("assess").status >= 0
        assert operator.rollback("--reason", "too many <b>errors</b>", "--despite-assessment").status == 0
        operator.lab.load(4)
        assert operator.verify().status == 0
        found["GO"] = operator.newest_record()["folder"] / "report.html"
        operator.lab.deploy("phase1")
        assert operator.verify().status == 10
        found["NO-GO"] = operator.newest_record()["folder"] / "report.html"
        break_worker(operator)
        assert operator.invoke("rollback", "--despite-assessment", "--set", "limits.start_s=8").status == 30
        found["failed"] = operator.newest_record()["folder"] / "report.html"
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as running:
        yield running


@pytest.mark.parametrize("kind", KINDS)
def test_without_javascript_it_says_what_counts(kind: str, pages: dict[str, Path], browser: Browser) -> None:
    """On the first screen: did it work, why not, what now, how long away."""
    with shown(browser, pages[kind], java_script_enabled=False) as seen:
        assert seen.page.locator("h1 .rg-word").inner_text() == KINDS[kind]
        assert len(seen.page.locator("h1 .rg-lead").inner_text()) > 20
        first = ("h1", ".rg-next", ".rg-pills", *([".rg-figures"] if kind != "failed" else []))
        for place in first:
            box = seen.page.locator(place).bounding_box()
            assert box, place
            assert box["y"] + box["height"] < 900, place
        assert seen.page.locator(".rg-next code").count() >= (1 if kind != "GO" else 0)
        assert seen.page.locator(".rg-pill").count() == 4
        assert "interruption" in seen.page.locator("article").inner_text().lower()
        for number in range(1, 5):
            assert f"{number}. " in seen.page.locator("article").inner_text()


def test_sizes(pages: dict[str, Path], browser: Browser, tmp_path: Path) -> None:
    """A GO is four phone screens and a half, three of a desktop's, two sheets of paper."""
    for width, most in ((390, 4000), (1280, 3000)):
        with shown(browser, pages["GO"], width=width) as seen:
            assert seen.page.evaluate("() => document.documentElement.scrollHeight") <= most, width
    with shown(browser, pages["GO"]) as seen:
        paper = tmp_path / "record.pdf"
        seen.page.pdf(path=paper, format="A4", print_background=True)
        assert len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes())) <= 2


def test_what_pytest_reported_is_shown_on_demand(pages: dict[str, Path], browser: Browser) -> None:
    with shown(browser, pages["GO"]) as seen:
        table = seen.page.locator("#results-table")
        assert not table.is_visible()
        seen.page.locator("#rg-suite summary").click()
        assert table.is_visible()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_fetched_nothing_fails_and_axe_finds_nothing(
    kind: str, scheme: str, width: int, pages: dict[str, Path], browser: Browser
) -> None:
    with shown(browser, pages[kind], width=width, color_scheme=scheme) as seen:
        assert seen.page.locator("h1").count() == 1
        seen.page.evaluate("() => document.querySelectorAll('details').forEach(one => one.open = true)")
        assert seen.violations() == []
        assert seen.errors == []
        assert seen.outside == set()
        assert seen.background == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_and_paper(kind: str, pages: dict[str, Path], browser: Browser, tmp_path: Path) -> None:
    with shown(browser, pages[kind], width=360) as seen:
        assert seen.width <= 360
        paper = tmp_path / "record.pdf"
        seen.page.pdf(path=paper, format="A4", print_background=True)
        assert paper.stat().st_size > 10_000
        assert seen.outside == set()
    assert pages[kind].stat().st_size < 1 << 20


def test_before_and_after_are_pictures_with_words_beside_them(pages: dict[str, Path], browser: Browser) -> None:
    with shown(browser, pages["GO"]) as seen:
        table = seen.page.get_by_role("region", name="Before and after").inner_text()
        assert "of 12 documents" in table.partition("mean")[2].partition("mean")[0]
        assert table.count("mean") == 2
        seen.page.get_by_text("Completeness in pictures").click()
        pictures = seen.page.locator("img.rg-picture")
        assert pictures.count() >= 1
        for number in range(pictures.count()):
            assert pictures.nth(number).evaluate("one => one.complete && one.naturalWidth") > 0
            assert pictures.nth(number).get_attribute("alt")


texts = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(HOSTILE)), min_size=1, max_size=4).map("".join)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts)
def test_hostile_text_is_text(browser: Browser, tmp_path: Path, says: str) -> None:
    """In logs, names and documents: no element of it comes to be, no script of it runs."""
    claim = Ran("passed", True, passed("x", says, Evidence.LOG, says))
    made = record(**{"test_processing::test_traces_of_test_documents_are_named": claim}) | {
        "reason": says,
        "operator": says,
    }
    write.write_page(tmp_path, made, Redactor([]), None)
    with shown(browser, tmp_path / "report.html") as seen:
        assert "owned" not in seen.page.title()
        assert seen.page.locator("article script, article svg, article img:not(.rg-picture)").count() == 0
        assert seen.page.locator("main > article").count() == 1
        assert "\u202e" not in seen.page.content()
        assert (seen.errors, seen.outside) == ([], set())


def test_a_line_of_ten_megabytes_stays_within_the_page(browser: Browser, tmp_path: Path) -> None:
    """Readings cut such a line; one that came through all the same does not make the page wider."""
    claim = Ran("passed", True, passed("x", "y" * 200_000, Evidence.LOG))
    write.write_page(
        tmp_path, record(**{"test_processing::test_traces_of_test_documents_are_named": claim}), Redactor([]), None
    )
    with shown(browser, tmp_path / "report.html", width=360) as seen:
        assert seen.width <= 360
