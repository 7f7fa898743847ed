"""The gate's pytest plugin: readings as fixtures, outcomes as claims, the record at the end.

`invoke verify` loads it with -p and a result file, and sends its request through standard input; without these it only
refuses tests/gate.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from testinfra.host import Host

from rollback_gate.checks import manifest
from rollback_gate.checks.verdict import Ran, judge
from rollback_gate.evidence.readings import DocumentReading, Readings, ReplicaReading
from rollback_gate.instant import Instant
from rollback_gate.model import EXIT_OF_VERDICT, Claim, Unmeasured
from rollback_gate.platform.connected import connect
from rollback_gate.platform.engines import Engines, now_of
from rollback_gate.platform.replica import Replica as Container
from rollback_gate.profile.schema import Profile
from rollback_gate.record import build, html, write
from rollback_gate.record.context import context
from rollback_gate.rollback.files import write_text
from rollback_gate.suite import own
from rollback_gate.suite.host import Doubts, NotAnswered, host_of, why_another
from rollback_gate.suite.own import OF_REPLICAS
from rollback_gate.suite.request import GateRequest, collect, redactor
from rollback_gate.suite.run import READINGS_NAME
from rollback_gate.suite.subjects import Consumer, Documents, Queue, Replica, Services

Keep = Callable[[Claim], None]
_CLAIM = pytest.StashKey[Claim]()
_DOUBTS = pytest.StashKey[Doubts]()  # of a team's own check only
_NAME = "rollback-gate"
_NOBODY = "nobody"  # pytest refuses an empty set of parameters; no such test is required
RESULT_OPTION, OWN_OPTION = "--gate-result", "--gate-own"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(RESULT_OPTION, metavar="FILE", help="where to leave what was judged; given by `invoke verify`")
    parser.addoption(OWN_OPTION, metavar="FILE", help="where to leave what the team's own checks came to")


def pytest_configure(config: pytest.Config) -> None:
    """Reads the request only now, with all modules loaded: the caller can prepare it meanwhile."""
    path = config.getoption(RESULT_OPTION)
    if path:
        with open(0, encoding="utf-8", closefd=False) as standard_input:
            text = standard_input.readline()
        if not text:
            pytest.exit("no request was received", returncode=0)
        threading.Thread(target=_end_with_the_caller, daemon=True).start()
        gate = Gate(GateRequest.parse(text), Path(path), _terminal, config.getoption(OWN_OPTION) or "")
        config.pluginmanager.register(gate, _NAME)


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
def replica(
    request: pytest.FixtureRequest, slot: str, readings: Readings, profile: Profile, keep: Keep
) -> Replica | Container:
    """One expected replica; for a team's own check, its container as it is now."""
    if request.node.stash.get(_DOUBTS, None) is not None:
        return request.getfixturevalue("container")  # type: ignore[no-any-return]
    return Replica(readings, profile, keep, _reading(readings, slot))


@pytest.fixture(scope="session")
def engines(profile: Profile) -> Iterator[Engines]:
    with contextlib.closing(connect(profile, os.environ)) as found:
        yield found


@pytest.fixture
def container(request: pytest.FixtureRequest, slot: str, readings: Readings, engines: Engines) -> Iterator[Container]:
    """The container of one replica, which must be the same process when the check has ended."""
    before = _reading(readings, slot).before
    found = now_of(engines, before) if isinstance(before, Container) else None
    if found is None or not found.is_running:
        raise NotAnswered(f"{slot} is not running, so nothing can be asked in it")
    yield found
    if why := why_another(engines, found):
        request.node.stash[_DOUBTS].found.append(why)


@pytest.fixture
def host(request: pytest.FixtureRequest, container: Container, engines: Engines) -> Host:
    """testinfra's host for a team's own checks, in one replica."""
    return host_of(engines.of(container), container, request.node.stash[_DOUBTS])


@pytest.fixture
def service(slot: str, readings: Readings) -> str:
    """The name of the replica's service."""
    return _reading(readings, slot).service


@pytest.fixture
def since(readings: Readings) -> datetime.datetime:
    """The boundary of documents: the latest start of the replicas that write them."""
    starts = [one.boundary for one in readings.consuming or readings.replicas if one.boundary]
    if not starts:
        raise NotAnswered("no replica has started, so there is no boundary")
    return max(starts).to_datetime()


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
def documents(
    request: pytest.FixtureRequest, readings: Readings, profile: Profile, keep: Keep
) -> Documents | tuple[DocumentReading, ...]:
    """Documents since the boundary; for a team's own check, those that were read, newest first."""
    if request.node.stash.get(_DOUBTS, None) is None:
        return Documents(readings, profile, keep)
    if isinstance(readings.documents, Unmeasured):
        raise NotAnswered(str(readings.documents))
    if readings.documents.truncated:
        request.node.stash[_DOUBTS].found.append("there are more documents than were read")
    return readings.documents.documents


@pytest.fixture
def queue(readings: Readings, profile: Profile, keep: Keep) -> Queue:
    return Queue(readings, profile, keep)


def _terminal(text: str) -> None:
    """Writes progress past pytest's capture, to the terminal of verify's caller."""
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"  {text}\n".encode())


class Gate:
    """One verify. Keeps the result of every test, and writes the record for its caller when the session ends."""

    def __init__(self, request: GateRequest, result: Path, tell: Callable[[str], None], own_result: str = "") -> None:
        """`own_result`: where to leave what the team's own checks came to; "" where the four are asked."""
        self.request = request
        self._own_result = Path(own_result) if own_result else None
        self.redactor = redactor(request.profile, os.environ)
        self._result = result
        self._tell = tell
        self._readings: Readings | Unmeasured = Unmeasured("the deployment", "no test asked for the readings")
        self._ran: dict[str, Ran] = {}
        self._report: Any = None

    def readings(self) -> Readings:
        """All readings. Raises if the engine cannot be reached at all."""
        kept = self._result.with_name(READINGS_NAME)
        if self._own_result:
            self._readings = pickle.loads(kept.read_bytes())
            return cast(Readings, self._readings)
        try:
            self._readings = collect(self.request, lambda text: self._tell(self.redactor.text(text)))
        except Exception as error:
            self._readings = Unmeasured("the deployment", self.redactor.text(str(error)))
            raise
        if self.request.heading.scope.own:
            with contextlib.suppress(OSError):  # the team's own checks do not run then; the four do
                kept.write_bytes(pickle.dumps(self._readings))
        return self._readings

    # --- hooks

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        slots = self.request.slots
        if self._is_own(metafunc.definition.path):
            if OF_REPLICAS & set(metafunc.fixturenames):
                metafunc.parametrize("slot", slots)
        elif "consumer" in metafunc.fixturenames:
            metafunc.parametrize("slot", [slot for slot, consumes in slots.items() if consumes] or [_NOBODY])
        elif "replica" in metafunc.fixturenames:
            metafunc.parametrize("slot", slots)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leaves out what the profile does not ask. What is required and does not run makes its check inconclusive."""
        required = self.request.heading.scope.ids(self.request.slots)
        asked = [item for item in items if self._id(item) in required]
        config.hook.pytest_deselected(items=[item for item in items if item not in asked])
        items[:] = asked
        for item in items:
            if self._is_own(item.path):
                item.stash[_DOUBTS] = Doubts()

    def _is_own(self, path: Path) -> bool:
        folder = self.request.own
        return folder is not None and path.is_relative_to(folder)

    def _id(self, item: pytest.Item) -> str:
        if self.request.own is not None and self._is_own(item.path):
            return own.gate_id(item.path, self.request.own, item.nodeid.partition("::")[2])
        return manifest.gate_id(item.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if _DOUBTS in item.stash and report.when in ("call", "teardown"):
            self._conclude(item, call)
        claim = item.stash.get(_CLAIM, None)
        test = self._id(item)
        self._ran[test] = _after_phase(self._ran.get(test), report, claim, self._trouble(call))
        if report.when == "call" and claim is not None:
            report.user_properties.append(("claim", _in_words(claim)))
            if report.failed:
                report.longrepr = _in_words(claim)
        return report

    def _conclude(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """What one of the team's own checks comes to; once more after its end, when its container was looked at again.

        A skipped one concludes nothing.
        """
        known, doubts = item.stash.get(_CLAIM, None), item.stash[_DOUBTS].found
        error = call.excinfo
        if known is not None:
            if doubts:
                item.stash[_CLAIM] = own.claim_of(known.subject, known.says, None, False, doubts)
        elif call.when == "call" and not (error and error.errisinstance(pytest.skip.Exception)):
            says = next(
                one.says for one in self.request.heading.scope.own if one.id == self._id(item).partition("[")[0]
            )
            subject = item.callspec.params.get("slot", "once") if hasattr(item, "callspec") else "once"
            is_its_own = bool(error and error.errisinstance(AssertionError) and error.traceback[-1].path == item.path)
            raised = error.value if error else None
            item.stash[_CLAIM] = own.claim_of(str(subject), says, raised, is_its_own, doubts)

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
        if self._own_result:
            write_text(self._own_result, json.dumps(self.redactor.value(build.plain(self._ran))))
            yield
            return
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
    latest = claim if ran.claim is not None else None  # of a team's own check, the end may cast doubt on it
    return Ran(ran.call, ran.clean and report.passed, latest, ran.trouble or trouble)


def _in_words(claim: Claim) -> str:
    lines = [f"{claim.outcome.upper()} {claim.subject}: {claim.says}", f"stands on {claim.stands_on}"]
    return "\n".join([*lines, *(f"  {detail}" for detail in claim.details)])
