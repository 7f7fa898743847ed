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
from lab.catalogue.entry import COMPLETENESS, GO, INCONCLUSIVE, NO_GO
from rollback_gate.change.reading import Baseline
from rollback_gate.profile.live import Completeness

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

_BAND = {"expected": 0.278, "low": 0.22, "high": 0.34, "critical": 0.05}
LOWERED = Completeness(**_BAND, changed=0.12)  # the change lowers the score
_MARKED = code(still_there=("enrichment_service/errors",))
LOWER: tuple[Row, ...] = tuple(
    (name, verdict, COMPLETENESS, words, BY_RUN, chain(*changes))
    for name, verdict, words, changes in (
        ("lowering-normal", GO, "", (scores(*[0.278] * 10),)),
        ("lowering-changed", NO_GO, "near the changed behaviour's 12%", (scores(*[0.12] * 10), _MARKED)),
        ("lowering-towards", NO_GO, "below the band, and there are signs", (scores(*[0.2] * 10), _MARKED)),
        ("lowering-changed-unproven", INCONCLUSIVE, "outside the band", (scores(*[0.12] * 10),)),
        ("lowering-mixed", INCONCLUSIVE, "a mixture of the normal", (scores(*[0.12] * 5, *[0.278] * 5),)),
        ("lowering-reaching", INCONCLUSIVE, "scattered too widely", (scores(*[0.02, 0.5] * 5),)),
        ("lowering-few", NO_GO, "the changed behaviour's level", (scores(0.12, 0.12), _MARKED)),
        ("lowering-critical", NO_GO, "below 5%", (scores(*[0.01] * 10),)),
    )
)
UNALTERED = Completeness(**_BAND)  # the change leaves the score as it is
NO_LEVEL: tuple[Row, ...] = tuple(
    (name, verdict, COMPLETENESS, words, BY_RUN, chain(*changes))
    for name, verdict, words, changes in (
        ("unaltered-normal", GO, "", (scores(*[0.278] * 10),)),
        ("unaltered-outside", INCONCLUSIVE, "outside the band", (scores(*[0.6] * 10),)),
        ("unaltered-critical", NO_GO, "below 5%", (scores(*[0.01] * 10),)),
    )
)
