"""Sabotage: the output is not what it was before the change."""

from __future__ import annotations

from lab.catalogue import plant
from lab.catalogue.entry import CODE, COMPLETENESS, INCONCLUSIVE, NO_GO, Entry, Start
from lab.reference import Lab

SOON = ("limits.answer_s=2", "limits.probe_s=4")


def clock_off(lab: Lab, minutes: int) -> None:
    plant.change(
        lab,
        plant.WORKER_FILE,
        "now = datetime.datetime.utcnow()",
        f"now = datetime.datetime.utcnow() + datetime.timedelta(minutes={minutes})",
    )
    plant.restart(lab)


def percentages(lab: Lab) -> None:
    plant.change(
        lab,
        plant.WORKER_FILE,
        '"quality_metrics": metrics,',
        '"quality_metrics": {**metrics, "completeness_score": metrics["completeness_score"] * 100},',
    )
    plant.restart(lab)


def mixture(lab: Lab) -> None:
    """Some documents score at the old level, some at the change's."""
    plant.documents(lab, 4, 0.2778)
    plant.documents(lab, 4, 0.6111)


def sixty_with_a_sign(lab: Lab) -> None:
    plant.documents(lab, 8, 0.6111)
    plant.log(lab, f"{plant.PHASE1_LINE}\n".encode())


def one_document(lab: Lab) -> None:
    lab.load(1)
    lab.containers("nsqd")[0].stop(timeout=1)


def no_document(lab: Lab) -> None:
    lab.containers("nsqd")[0].stop(timeout=1)


def old_documents_only(lab: Lab) -> None:
    """Older documents fill the runbook's ten-minute window; none are new."""
    plant.documents(lab, 12, 0.2778, age_s=300, _source="fallback")
    no_document(lab)


ENTRIES = (
    Entry(
        "sixty-percent",
        "completeness",
        "documents score 61 %, as Phase 1 promised, on proven old code",
        INCONCLUSIVE,
        COMPLETENESS,
        "outside the band",
        lambda lab: lab.mcp("partial"),
        ("bind", "build"),
    ),
    Entry(
        "sixty-percent-with-a-sign",
        "completeness",
        "documents score 61 %, and the log shows the change",
        NO_GO,
        COMPLETENESS,
        "near the changed behaviour",
        sixty_with_a_sign,
        ("bind", "build"),
    ),
    Entry(
        "fifteen-percent",
        "completeness",
        "documents score 17 %",
        NO_GO,
        COMPLETENESS,
        "below 20%",
        lambda lab: lab.mcp("blank"),
    ),
    Entry(
        "seventy-eight-percent",
        "completeness",
        "documents score 78 %, on proven old code",
        INCONCLUSIVE,
        COMPLETENESS,
        "outside the band of 22.8% to 32.8%",
        lambda lab: lab.mcp("rich"),
    ),
    Entry(
        "mixture",
        "completeness",
        "half of the documents score 28 %, half 61 %",
        INCONCLUSIVE,
        COMPLETENESS,
        "a mixture",
        mixture,
        settings=("completeness.minimum_sample=8",),
    ),
    Entry(
        "normal-from-phase1",
        "completeness",
        "27.8 %, from Phase 1's code",
        NO_GO,
        CODE,
        "still has modules",
        lambda lab: lab.load(1),
        ("bind", "single"),
        Start.CHANGE,
    ),
    Entry(
        "no-document",
        "completeness",
        "not one document since the boundary",
        INCONCLUSIVE,
        COMPLETENESS,
        "no document was finished since the boundary",
        no_document,
        settings=SOON,
    ),
    Entry(
        "one-document",
        "completeness",
        "one document since the boundary",
        INCONCLUSIVE,
        COMPLETENESS,
        "1 document, no mean: 27.8%, each in the band; none from",
        one_document,
        settings=SOON,
    ),
    Entry(
        "old-phase1-documents",
        "completeness",
        "Phase 1's documents of the last ten minutes, and none since",
        INCONCLUSIVE,
        COMPLETENESS,
        "no document was finished since the boundary",
        old_documents_only,
        settings=SOON,
    ),
    Entry(
        "percentages",
        "completeness",
        "scores as 0..100 instead of 0..1",
        INCONCLUSIVE,
        COMPLETENESS,
        "not between 0 and 1",
        percentages,
    ),
    Entry(
        "null-scores",
        "completeness",
        "organic documents without a score",
        INCONCLUSIVE,
        COMPLETENESS,
        "documents have none",
        lambda lab: plant.documents(lab, 3, None),
    ),
    Entry(
        "scattered",
        "completeness",
        "28 % on average, of 0 % and 100 %",
        INCONCLUSIVE,
        COMPLETENESS,
        "scattered too widely",
        plant.all_of(lambda lab: plant.documents(lab, 3, 0.0), lambda lab: plant.documents(lab, 1, 1.0)),
        settings=("completeness.minimum_sample=4",),
    ),
    Entry(
        "clock-ahead",
        "completeness",
        "the worker's clock is 10 minutes ahead",
        INCONCLUSIVE,
        COMPLETENESS,
        "s apart",
        lambda lab: clock_off(lab, 10),
    ),
    Entry(
        "clock-behind",
        "completeness",
        "the worker's clock is 10 minutes behind",
        INCONCLUSIVE,
        COMPLETENESS,
        "s apart",
        lambda lab: clock_off(lab, -10),
    ),
)
