"""The gate's pytest plugin: readings as fixtures, outcomes as claims, the record at the end.

`invoke verify` loads it with -p and a result file, and sends its request through standard input; without these it only
refuses tests/gate.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import pytest

from rollback_gate.checks import manifest
from rollback_gate.checks.verdict import Ran, judge
from rollback_gate.evidence.readings import Readings, ReplicaReading
from rollback_gate.instant import Instant
from rollback_gate.model import EXIT_OF_VERDICT, Claim, Unmeasured
from rollback_gate.profile.schema import Profile
from rollback_gate.record import build, html, write
from rollback_gate.record.context import context
from rollback_gate.suite.request import GateRequest, collect, redactor
from rollback_gate.suite.subjects import Consumer, Documents, Queue, Replica, Services

Keep = Callable[[Claim], None]
_CLAIM = pytest.StashKey[Claim]()
_NAME = "rollback-gate"
_NOBODY = "nobody"  # pytest refuses an empty set of parameters; no such test is required
RESULT_OPTION = "--gate-result"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(RESULT_OPTION, metavar="FILE", help="where to leave what was judged; given by `invoke verify`")


def pytest_configure(config: pytest.Config) -> None:
    """Reads the request only now, with all modules loaded: the caller can prepare it meanwhile."""
    path = config.getoption(RESULT_OPTION)
    if path:
        with open(0, encoding="utf-8", closefd=False) as standard_input:
            text = standard_input.readline()
        if not text:
            pytest.exit("no request was received", returncode=0)
        threading.Thread(target=_end_with_the_caller, daemon=True).start()
        config.pluginmanager.register(Gate(GateRequest.parse(text), Path(path), _terminal), _NAME)


def _end_with_the_caller() -> None:
    """Standard input ends when the caller is killed: no one waits for a verdict, and the lock is free."""
    while os.read(0, 4096):
        pass
    os.killpg(os.getpgid(0), signal.SIGKILL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.pluginmanager.has_plugin(_NAME) and any("tests/gate" in str(i.path) for i in items):
        raise pytest.UsageError("tests/gate judges a live deployment: run `invoke verify`")


@pytest.hookimpl(optionalhook=True)
def pytest_metadata(metadata: dict[str, Any]) -> None:
    """One line each: nested lists do not read well in a screen reader."""
    for name, value in metadata.items():
        if isinstance(value, dict):
            metadata[name] = ", ".join(f"{key} {what}" for key, what in value.items())


@pytest.fixture(scope="session")
def gate(request: pytest.FixtureRequest) -> Gate:
    return cast(Gate, request.config.pluginmanager.get_plugin(_NAME))


@pytest.fixture(scope="session")
def readings(gate: Gate) -> Readings:
    """All readings, taken once for all tests."""
    return gate.readings()


@pytest.fixture(scope="session")
def profile(gate: Gate) -> Profile:
    return gate.request.profile


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Keep:
    """Keeps the test's claim for the record."""

    def kept(claim: Claim) -> None:
        request.node.stash[_CLAIM] = claim

    return kept


@pytest.fixture
def replica(slot: str, readings: Readings, profile: Profile, keep: Keep) -> Replica:
    """One expected replica."""
    return Replica(readings, profile, keep, _reading(readings, slot))


@pytest.fixture
def consumer(slot: str, readings: Readings, profile: Profile, keep: Keep) -> Consumer:
    """One expected replica that reads the queue."""
    return Consumer(readings, profile, keep, _reading(readings, slot))


def _reading(readings: Readings, slot: str) -> ReplicaReading:
    return next(reading for reading in readings.replicas if reading.slot == slot)


@pytest.fixture
def services(readings: Readings, profile: Profile, keep: Keep) -> Services:
    return Services(readings, profile, keep)


@pytest.fixture
def documents(readings: Readings, profile: Profile, keep: Keep) -> Documents:
    return Documents(readings, profile, keep)


@pytest.fixture
def queue(readings: Readings, profile: Profile, keep: Keep) -> Queue:
    return Queue(readings, profile, keep)


def _terminal(text: str) -> None:
    """Writes progress past pytest's capture, to the terminal of verify's caller."""
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"  {text}\n".encode())


class Gate:
    """One verify. Keeps the result of every test, and writes the record for its caller when the session ends."""

    def __init__(self, request: GateRequest, result: Path, tell: Callable[[str], None]) -> None:
        self.request = request
        self.redactor = redactor(request.profile, os.environ)
        self._result = result
        self._tell = tell
        self._readings: Readings | Unmeasured = Unmeasured("the deployment", "no test asked for the readings")
        self._ran: dict[str, Ran] = {}
        self._report: Any = None

    def readings(self) -> Readings:
        """All readings. Raises if the engine cannot be reached at all."""
        try:
            self._readings = collect(self.request, lambda text: self._tell(self.redactor.text(text)))
        except Exception as error:
            self._readings = Unmeasured("the deployment", self.redactor.text(str(error)))
            raise
        return self._readings

    # --- hooks

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        slots = self.request.slots
        if "consumer" in metafunc.fixturenames:
            metafunc.parametrize("slot", [slot for slot, consumes in slots.items() if consumes] or [_NOBODY])
        elif "replica" in metafunc.fixturenames:
            metafunc.parametrize("slot", slots)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leaves out what the profile does not ask. What is required and does not run makes its check inconclusive."""
        required = self.request.heading.scope.ids(self.request.slots)
        asked = [item for item in items if manifest.gate_id(item.nodeid) in required]
        config.hook.pytest_deselected(items=[item for item in items if item not in asked])
        items[:] = asked

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        claim = item.stash.get(_CLAIM, None)
        test = manifest.gate_id(item.nodeid)
        self._ran[test] = _after_phase(self._ran.get(test), report, claim, self._trouble(call))
        if report.when == "call" and claim is not None:
            report.user_properties.append(("claim", _in_words(claim)))
            if report.failed:
                report.longrepr = _in_words(claim)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Redacts everything that pytest keeps of a test, before any other plugin sees it."""
        if isinstance(report.longrepr, tuple):
            report.longrepr = cast(tuple[str, int, str], self.redactor.value(report.longrepr))
        elif report.longrepr is not None:
            report.longrepr = self.redactor.text(report.longreprtext)
        report.sections = [(name, self.redactor.text(text)) for name, text in report.sections]
        report.user_properties = [(name, self.redactor.value(value)) for name, value in report.user_properties]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Sets the exit status from the record, before and after every other plugin."""
        self._record = self._judged()
        code = EXIT_OF_VERDICT[judge(self._slots(), self._ran, self.request.heading.scope).verdict]
        if self._report is not None:
            self._report.title = html.title(self._record)
        session.exitstatus = code
        yield
        session.exitstatus = code

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:
        self._report = report

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        prefix.append(html.PLACE)

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_html(self, report: Any, data: list[str]) -> None:
        claims = [value for name, value in getattr(report, "user_properties", ()) if name == "claim"]
        if claims and not report.failed:
            data[:] = [html.escape(str(claims[-1]))]

    # --- the record

    def _slots(self) -> dict[str, bool]:
        """Requested and found slots: a replica that appeared later has run no test, and shows as such."""
        found = self._readings.replicas if isinstance(self._readings, Readings) else ()
        return {**self.request.slots, **{replica.slot: replica.consumes for replica in found}}

    def _judged(self) -> dict[str, Any]:
        slots = self._slots()
        ended = Instant.from_epoch_s(time.time())
        heading = self.request.heading
        judgement = judge(slots, self._ran, heading.scope)
        explained = context(self._readings, self.request.profile, heading.assessment, heading.before)
        record = build.judged(heading, judgement, slots, self._ran, self._readings, ended, explained)
        return write.write_json(self._result, record, self.redactor, None)

    def _trouble(self, call: pytest.CallInfo[None]) -> str:
        return self.redactor.text(str(call.excinfo.value))[:500] if call.excinfo else ""


def _after_phase(before: Ran | None, report: pytest.TestReport, claim: Claim | None, trouble: str) -> Ran:
    """The result of a test after one more of its phases. Only a plain pass counts: xpass and xfail do not."""
    ran = before or Ran("", True, None)
    outcome = f"{report.outcome} (xfail)" if hasattr(report, "wasxfail") else report.outcome
    if report.when == "call":
        return Ran(outcome, ran.clean, claim, ran.trouble or ("" if claim else trouble))
    return Ran(ran.call, ran.clean and report.passed, ran.claim, ran.trouble or trouble)


def _in_words(claim: Claim) -> str:
    lines = [f"{claim.outcome.upper()} {claim.subject}: {claim.says}", f"stands on {claim.stands_on}"]
    return "\n".join([*lines, *(f"  {detail}" for detail in claim.details)])
