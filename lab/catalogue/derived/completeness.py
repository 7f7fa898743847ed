"""Check completeness: each row has the verdict that the gate must reach when one thing in the readings is changed."""

from __future__ import annotations

from lab.catalogue.changes import (
    BY_RUN,
    GONE,
    Row,
    chain,
    code,
    documents,
    idle,
    logged_over,
    measured,
    saved_again,
    scores,
)
from lab.catalogue.entry import COMPLETENESS, INCONCLUSIVE, NO_GO
from rollback_gate.change.reading import Baseline

ROWS: tuple[Row, ...] = (
    (
        "as-low-as-before",
        INCONCLUSIVE,
        COMPLETENESS,
        "as low as before the change",
        BY_RUN,
        chain(scores(*[0.15] * 10), measured(baseline=Baseline("s", "t", 0.15, 0.01, 40))),
    ),
    (
        "scattered-as-before",
        INCONCLUSIVE,
        COMPLETENESS,
        "scattered around it",
        BY_RUN,
        chain(scores(*[0.2] * 5, *[1.0] * 5), measured(baseline=Baseline("s", "t", 0.6, 0.01, 40))),
    ),
    (
        "as-before-unproven",
        INCONCLUSIVE,
        COMPLETENESS,
        "check 1 does not prove the old code",
        BY_RUN,
        chain(scores(*[0.6] * 10), measured(baseline=Baseline("s", "t", 0.6, 0.01, 40)), documents(truncated=True)),
    ),
    (
        "critical-mean",
        NO_GO,
        COMPLETENESS,
        "of 10 documents (15.0% to 15.0%): below 20%",
        BY_RUN,
        scores(*[0.15] * 10),
    ),
    (
        "few-unproven",
        INCONCLUSIVE,
        COMPLETENESS,
        "does not tell old from new code; and",
        BY_RUN,
        documents(truncated=True),
    ),
    ("few-logged-otherwise", INCONCLUSIVE, COMPLETENESS, "with 61.1%", BY_RUN, logged_over(0.6111)),
    ("few-none-from-one", INCONCLUSIVE, COMPLETENESS, "none from replica-1", BY_RUN, idle()),
    (
        "few-as-low-as-before",
        INCONCLUSIVE,
        COMPLETENESS,
        "as low as before the change",
        BY_RUN,
        chain(scores(0.15, 0.15), measured(baseline=Baseline("s", "t", 0.15, 0.01, 40))),
    ),
    ("few-critical", NO_GO, COMPLETENESS, "no mean: 15.0%, below 20%", BY_RUN, scores(0.15, 0.15)),
    (
        "few-changed-with-signs",
        NO_GO,
        COMPLETENESS,
        "the changed behaviour's level",
        BY_RUN,
        chain(scores(0.61, 0.61), code(still_there=("enrichment_service/errors",))),
    ),
    ("saved-again", INCONCLUSIVE, COMPLETENESS, "cannot be compared", BY_RUN, saved_again),
    ("clock-unread", INCONCLUSIVE, COMPLETENESS, f"clock: {GONE}", BY_RUN, measured(stored=GONE)),
    (
        "scores-outside",
        INCONCLUSIVE,
        COMPLETENESS,
        "1 of 10 are not between 0 and 1",
        BY_RUN,
        scores(*[0.2778] * 9, 27.8),
    ),
    (
        "scores-outside-no-mean",
        INCONCLUSIVE,
        COMPLETENESS,
        "no mean can be trusted",
        BY_RUN,
        scores(*[0.2778] * 9, 27.8),
    ),
    ("no-scores", INCONCLUSIVE, COMPLETENESS, "scores: no document was finished", BY_RUN, documents(documents=())),
    (
        "high-with-signs",
        NO_GO,
        COMPLETENESS,
        "there are signs of the new code",
        BY_RUN,
        chain(scores(*[0.45] * 10), code(still_there=("enrichment_service/errors",))),
    ),
)
