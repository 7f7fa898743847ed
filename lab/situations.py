"""Situations after a deployment, and what `invoke assess` must decide in each: every rule fires, and does not fire.

One table. `prepare` works on a lab that runs Phase 1, with an MCP server that answers well and no documents. Hours are
seconds here: each situation sets the profile's windows as it needs them (`EARLY`, `LATE`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.catalogue import plant
from lab.reference import WORKER, Lab
from rollback_gate.instant import Instant
from rollback_gate.model import Decision

EARLY = ("triggers.after_s=1800", "triggers.wait_s=7200")  # just deployed
MIDDLE = ("triggers.after_s=0", "triggers.wait_s=7200")  # half an hour has passed, the wait is not over
LATE = ("triggers.after_s=0", "triggers.wait_s=0")  # the wait is over
SAMPLE = ("completeness.minimum_sample=4",)
SOON = ("triggers.documents=3",)  # this many failures in a row count as all


@dataclass(frozen=True)
class Situation:
    """`age_s`: seconds since the change was deployed; 0: just before `prepare`. `words`: in the reason."""

    name: str
    says: str
    decision: Decision
    rule: str
    prepare: Callable[[Lab], object] = lambda _: None
    settings: tuple[str, ...] = MIDDLE
    arguments: tuple[str, ...] = ()
    age_s: float = 0
    words: str = ""


def well(lab: Lab) -> None:
    lab.load(6)


def with_mcp(mode: str, count: int = 6) -> Callable[[Lab], None]:
    def prepare(lab: Lab) -> None:
        lab.mcp(mode)
        lab.load(count)

    return prepare


def crash(lab: Lab) -> None:
    plant.before(lab, plant.CONFIG, "import os; os._exit(3)")
    plant.restart(lab, wait=False)
    plant.wait_until(lab, "the crash loop", lambda found: all(c.attrs["RestartCount"] > 1 for c in found))


def broken(lab: Lab) -> None:
    lab.deploy("phase1-broken")


def broken_then_mended(lab: Lab) -> None:
    """A fixed version was deployed after the broken one: the import errors are history."""
    lab.deploy("phase1-broken")
    lab.put_files("before")
    lab.put_files("phase1")
    plant.restart(lab)
    lab.load(6)


def failing(lab: Lab, which: str = "True") -> None:
    """Documents fail in the worker itself, after pick-up."""
    plant.change(
        lab,
        plant.WORKER_FILE,
        "        metrics = self.validator",
        f"        if {which}:\n            raise ValueError('planted: no metrics for this document')\n"
        "        metrics = self.validator",
    )
    plant.restart(lab)


def all_failing(lab: Lab) -> None:
    failing(lab)
    lab.publish(*(f"letter-{number}.jpg" for number in range(4)))
    plant.wait_until(
        lab,
        "the failures",
        lambda found: sum(c.logs().count(b"Starting enrichment for document letter-") for c in found) >= 12,
    )


def all_failing_without_mcp(lab: Lab) -> None:
    all_failing(lab)
    lab.wait(lambda: not plant.messages(lab), "all are given up: one that is in work would fail otherwise now")
    lab.mcp("refused")
    lab.wait(lambda: not _takes_connections(lab), "the MCP server's end")


def some_failing(lab: Lab) -> None:
    failing(lab, "'bad' in document_id")
    lab.load(6)
    lab.publish("bad.jpg")
    plant.wait_until(lab, "the failure", lambda found: any(b"planted" in c.logs(tail=50) for c in found))


def slow_by_itself(lab: Lab) -> None:
    plant.change(
        lab,
        plant.WORKER_FILE,
        "        metrics = self.validator",
        "        import time; time.sleep(1.5)\n        metrics = self.validator",
    )
    plant.restart(lab)
    lab.load(6)


def faster(lab: Lab) -> None:
    """Run faster than the lab's pace: waits and retries end before the queue delivers the document again."""
    plant.change(lab, plant.CONFIG, '"LAB_TIME_SCALE", "0.05"', '"LAB_TIME_SCALE_IN_LIFE", "0.001"')
    plant.restart(lab)


def slow_by_mcp(lab: Lab) -> None:
    """The MCP server accepts connections and never answers a call: each tool waits out its own time limit."""
    faster(lab)
    with_mcp("slow", 4)(lab)


def overloaded(lab: Lab) -> None:
    """The MCP server was overloaded and has recovered."""
    faster(lab)
    with_mcp("overload", 4)(lab)
    lab.mcp("rich")


def unexpected(lab: Lab, lines: int) -> None:
    well(lab)
    plant.log(lab, b"ERROR:enrichment_service.workers:something of which nobody has heard\n", times=lines)


def silent_mcp(lab: Lab) -> None:
    """The MCP server accepts connections and answers no call; no document has been sent yet."""
    lab.mcp("slow")


def slow_without_mcp(lab: Lab) -> None:
    slow_by_itself(lab)
    lab.mcp("refused")
    lab.wait(lambda: not _takes_connections(lab), "the MCP server's end")


def old_noise(lab: Lab) -> None:
    well(lab)
    for name in ("before-mcp-timeout.log", "before-real-mcp-server.log", "before-mcp-refused.log"):
        plant.log(lab, plant.capture(name))


def rising(lab: Lab) -> None:
    """Four documents every 10 s; each group scores higher than the one before."""
    for number, score in enumerate((0.22, 0.30, 0.38, 0.46)):
        plant.documents(lab, 4, score, age_s=35 - number * 10)
    with_mcp("partial", 4)(lab)


def flat(lab: Lab) -> None:
    for age_s in (35, 25, 15, 5):
        plant.documents(lab, 4, 0.30, age_s=age_s)
    with_mcp("envelope", 4)(lab)


def rolled_back_by_hand(lab: Lab) -> None:
    plant.old_files(lab)
    plant.restart(lab)
    lab.load(6)


def one_stopped(lab: Lab) -> None:
    lab.load(6)
    lab.containers(WORKER)[0].stop(timeout=1)


def _takes_connections(lab: Lab) -> bool:
    from rollback_gate.evidence import upstream
    from rollback_gate.profile.load import load

    return upstream.of(load(lab.profile, {}, ()).profile, {})().answers


_TEN = ("triggers.bucket_s=10", *SAMPLE)
_SPIKE = ("triggers.spike=20",)

SITUATIONS = (
    Situation(
        "well",
        "documents come out at 78 %",
        Decision.KEEP,
        "reaches_target",
        well,
        (*MIDDLE, *SAMPLE),
        words="keep monitoring",
    ),
    Situation(
        "well-probed",
        "the same, with a test document",
        Decision.KEEP,
        "reaches_target",
        well,
        (*MIDDLE, *SAMPLE),
        ("--probe",),
    ),
    Situation(
        "well-later", "the same, when every wait is over", Decision.KEEP, "reaches_target", well, (*LATE, *SAMPLE)
    ),
    Situation(
        "another-name",
        "no such Compose project",
        Decision.CANNOT_TELL,
        "import_error",
        well,
        (*MIDDLE, *SAMPLE, "deployment.project=nobody"),
        words="no container",
    ),
    Situation("nothing-yet", "no document since the deployment", Decision.CANNOT_TELL, "same_error", words="--probe"),
    Situation(
        "no-database",
        "the database is not asked",
        Decision.CANNOT_TELL,
        "too_low",
        well,
        (*MIDDLE, *SAMPLE),
        ("--without-database",),
    ),
    Situation(
        "import-error",
        "the Phase 1 that cannot start",
        Decision.ROLL_BACK,
        "import_error",
        broken,
        words="is not a package",
    ),
    Situation(
        "import-error-mended",
        "it could not start, and was mended",
        Decision.WAIT,
        "some_errors",
        broken_then_mended,
        (*MIDDLE, *SAMPLE),
    ),
    Situation("crash", "it ends at once, without a word", Decision.ROLL_BACK, "crash_on_start", crash),
    Situation(
        "stopped", "somebody has stopped a replica", Decision.INVESTIGATE, "stopped", one_stopped, (*MIDDLE, *SAMPLE)
    ),
    Situation(
        "old-code",
        "somebody has rolled back by hand",
        Decision.INVESTIGATE,
        "nothing_to_roll_back",
        rolled_back_by_hand,
        (*MIDDLE, *SAMPLE),
    ),
    Situation(
        "all-failing",
        "every document fails with the same error",
        Decision.ROLL_BACK,
        "same_error",
        all_failing,
        (*MIDDLE, *SAMPLE, *SOON),
        words="same error",
    ),
    Situation(
        "all-failing-without-mcp",
        "the same, and the MCP server is away",
        Decision.FIX_UPSTREAM,
        "same_error",
        all_failing_without_mcp,
        (*MIDDLE, *SAMPLE, *SOON),
    ),
    Situation(
        "probe-fails",
        "the test document never comes out",
        Decision.ROLL_BACK,
        "no_test_document",
        failing,
        (*MIDDLE, *SAMPLE, "limits.probe_s=3"),
        ("--probe",),
        words="test document",
    ),
    Situation(
        "some-failing", "one document of seven fails", Decision.WAIT, "some_errors", some_failing, (*MIDDLE, *SAMPLE)
    ),
    Situation(
        "some-failing-later",
        "the same, when the wait is over",
        Decision.INVESTIGATE,
        "some_errors",
        some_failing,
        (*LATE, *SAMPLE),
        words="mixed",
    ),
    Situation(
        "too-low", "16.7 %, after half an hour", Decision.ROLL_BACK, "too_low", with_mcp("blank"), (*MIDDLE, *SAMPLE)
    ),
    Situation(
        "too-low-early",
        "16.7 %, just deployed",
        Decision.WAIT,
        "too_low",
        with_mcp("blank"),
        (*EARLY, *SAMPLE),
        words="judged 30 minutes after the deployment",
    ),
    Situation(
        "too-slow",
        "documents take too long, the MCP server is well",
        Decision.ROLL_BACK,
        "too_slow",
        slow_by_itself,
        (*MIDDLE, *SAMPLE, "triggers.slow_s=1"),
        words="the MCP server answers",
    ),
    Situation(
        "too-slow-by-mcp",
        "the MCP server takes calls and does not answer",
        Decision.FIX_UPSTREAM,
        "too_slow",
        slow_by_mcp,
        (*MIDDLE, *SAMPLE, "triggers.slow_s=0.05"),
        words="does not answer",
    ),
    Situation(
        "too-slow-without-mcp",
        "documents take too long, the MCP server is away",
        Decision.FIX_UPSTREAM,
        "too_slow",
        slow_without_mcp,
        (*MIDDLE, *SAMPLE, "triggers.slow_s=1"),
        words="does not answer",
    ),
    Situation(
        "slower",
        "half as fast as normal",
        Decision.WAIT,
        "slower",
        slow_by_itself,
        (*MIDDLE, *SAMPLE, "triggers.slower_s=1"),
    ),
    Situation(
        "slower-later",
        "the same, when the wait is over",
        Decision.INVESTIGATE,
        "slower",
        slow_by_itself,
        (*LATE, *SAMPLE, "triggers.slower_s=1"),
    ),
    Situation(
        "spike",
        "sixty error lines of a type that nobody expects",
        Decision.ROLL_BACK,
        "error_spike",
        lambda lab: unexpected(lab, 60),
        (*MIDDLE, *SAMPLE),
        words="unexpected",
    ),
    Situation(
        "mcp-refuses-the-token",
        "calls are refused for want of authentication",
        Decision.FIX_UPSTREAM,
        "upstream",
        with_mcp("auth", 2),
        (*MIDDLE, *SAMPLE),
        words="401",
    ),
    Situation(
        "mcp-silent",
        "the MCP server answers no call, and there is no document yet",
        Decision.FIX_UPSTREAM,
        "upstream",
        silent_mcp,
        (*MIDDLE, *SAMPLE),
        words="does not answer a call",
    ),
    Situation(
        "spike-expected",
        "many calls end in overload",
        Decision.WAIT,
        "error_spike",
        overloaded,
        (*MIDDLE, *_SPIKE, "completeness.minimum_sample=2", "triggers.target=0.36"),
    ),
    Situation(
        "spike-expected-later",
        "the same, when the wait is over",
        Decision.INVESTIGATE,
        "error_spike",
        overloaded,
        (*LATE, *_SPIKE, "completeness.minimum_sample=2", "triggers.target=0.36"),
    ),
    Situation(
        "some-errors",
        "a few error lines",
        Decision.WAIT,
        "some_errors",
        lambda lab: unexpected(lab, 3),
        (*MIDDLE, *SAMPLE),
    ),
    Situation(
        "old-noise", "only what the old code logs too", Decision.KEEP, "reaches_target", old_noise, (*MIDDLE, *SAMPLE)
    ),
    Situation(
        "rising",
        "below 50 %, and rising",
        Decision.WAIT,
        "below_target",
        rising,
        (*_TEN, "triggers.after_s=60", "triggers.wait_s=7200"),
        (),
        40,
        "rising",
    ),
    Situation(
        "rising-later",
        "the same, when the wait is over: 50 % is near",
        Decision.KEEP,
        "below_target",
        rising,
        (*_TEN, "triggers.after_s=30", "triggers.wait_s=39"),
        (),
        40,
        "do not roll back",
    ),
    Situation(
        "flat",
        "below 50 %, and not rising",
        Decision.INVESTIGATE,
        "below_target",
        flat,
        (*_TEN, "triggers.after_s=30", "triggers.wait_s=7200"),
        (),
        40,
        "may be rolled back",
    ),
    Situation(
        "flat-early",
        "below 50 %, just deployed",
        Decision.WAIT,
        "below_target",
        flat,
        (*_TEN, *EARLY),
        (),
        40,
        "too early",
    ),
)


def prepare(lab: Lab, situation: Situation) -> list[str]:
    """Put the lab into the situation; returns the arguments for `invoke assess`."""
    began = Instant.from_epoch_s(time.time())
    lab.heal("phase1")
    lab.mcp("rich")
    situation.prepare(lab)
    if situation.age_s:
        began = Instant.from_epoch_s(time.time() - situation.age_s)
    given = [part for value in situation.settings for part in ("--set", value)]
    return ["--since", str(began), *given, *situation.arguments]
