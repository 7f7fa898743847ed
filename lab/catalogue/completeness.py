"""Sabotage: what comes out is not what came out before the change."""

from __future__ import annotations

from lab.catalogue import plant
from lab.catalogue.entry import CODE, COMPLETENESS, INCONCLUSIVE, NO_GO, Entry, Start
from lab.reference import Lab

SOON = ("limits.answer_s=2", "limits.probe_s=4")


def clock_off(lab: Lab, minutes: int) -> None:
    plant.change(lab, plant.WORKER_FILE, "now = datetime.datetime.utcnow()",
                 f"now = datetime.datetime.utcnow() + datetime.timedelta(minutes={minutes})")  # fmt: skip
    plant.restart(lab)


def percentages(lab: Lab) -> None:
    plant.change(lab, plant.WORKER_FILE, '"quality_metrics": metrics,',
                 '"quality_metrics": {**metrics, "completeness_score": metrics["completeness_score"] * 100},')  # fmt: skip
    plant.restart(lab)


def mixture(lab: Lab) -> None:
    """Some documents at the old level, some at the change's."""
    lab.load(4)
    lab.mcp("partial")


def one_document(lab: Lab) -> None:
    lab.load(1)
    lab.containers("nsqd")[0].stop(timeout=1)


def no_document(lab: Lab) -> None:
    lab.containers("nsqd")[0].stop(timeout=1)


def old_documents_only(lab: Lab) -> None:
    """The runbook's ten-minute window is full of them."""
    plant.documents(lab, 12, 0.2778, age_s=300, _source="fallback")
    no_document(lab)


ENTRIES = (
    Entry("sixty-percent", "completeness", "documents score 61 %, as Phase 1 promised", NO_GO, COMPLETENESS,
          "near the changed behaviour", lambda lab: lab.mcp("partial"), ("bind", "build")),
    Entry("fifteen-percent", "completeness", "documents score 17 %", NO_GO, COMPLETENESS, "below 20%",
          lambda lab: lab.mcp("blank")),
    Entry("seventy-eight-percent", "completeness", "documents score 78 %, on proven old code", INCONCLUSIVE, COMPLETENESS,
          "outside the band, while checks on the code prove", lambda lab: lab.mcp("rich")),
    Entry("mixture", "completeness", "half of the documents score 28 %, half 61 %", NO_GO, COMPLETENESS, "a mixture",
          mixture, settings=("completeness.minimum_sample=8",)),
    Entry("normal-from-phase1", "completeness", "27.8 %, from Phase 1's code", NO_GO, CODE, "still has modules",
          lambda lab: lab.load(6), ("bind", "single"), Start.PHASE1),
    Entry("no-document", "completeness", "not one document since the boundary", INCONCLUSIVE, COMPLETENESS,
          "0 documents since the boundary are too few", no_document, settings=SOON),
    Entry("one-document", "completeness", "one document since the boundary", INCONCLUSIVE, COMPLETENESS,
          "1 documents since the boundary are too few: 3 more are needed", one_document, settings=SOON),
    Entry("old-phase1-documents", "completeness", "Phase 1's documents of the last ten minutes, and none since", INCONCLUSIVE,
          COMPLETENESS, "0 documents since the boundary are too few", old_documents_only, settings=SOON),
    Entry("percentages", "completeness", "scores as 0..100 instead of 0..1", INCONCLUSIVE, COMPLETENESS,
          "not between 0 and 1", percentages),
    Entry("null-scores", "completeness", "organic documents without a score", INCONCLUSIVE, COMPLETENESS,
          "documents have none", lambda lab: plant.documents(lab, 3, None)),
    Entry("scattered", "completeness", "28 % on average, of 0 % and 100 %", INCONCLUSIVE, COMPLETENESS, "scattered too widely",
          plant.all_of(lambda lab: plant.documents(lab, 3, 0.0), lambda lab: plant.documents(lab, 1, 1.0)),
          settings=("completeness.minimum_sample=6",)),
    Entry("clock-ahead", "completeness", "the worker's clock is 10 minutes ahead", INCONCLUSIVE, COMPLETENESS, "s apart",
          lambda lab: clock_off(lab, 10)),
    Entry("clock-behind", "completeness", "the worker's clock is 10 minutes behind", INCONCLUSIVE, COMPLETENESS, "s apart",
          lambda lab: clock_off(lab, -10)),
)  # fmt: skip
