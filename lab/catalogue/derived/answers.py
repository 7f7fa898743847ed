"""What services answer, and a metric: each row changes one answer."""

from __future__ import annotations

from lab.catalogue.changes import BY_RUN, GONE, Change, Row, chain, code, documents, having
from lab.catalogue.entry import COMPLETENESS, GO, INCONCLUSIVE, NO_GO, PROCESSING
from rollback_gate.evidence.answered import Answer, Answered
from rollback_gate.evidence.readings import Readings, UpstreamState
from rollback_gate.model import Unmeasured
from rollback_gate.profile.answers import CommandMetric, CommandRequest

REQUEST = CommandRequest(kind="command", send=("true",))
METRIC = CommandMetric(
    kind="command",
    command=("echo", "{since}"),
    name="error rate",
    unit="%",
    low=0,
    high=2,
    critical_below=-1,
    critical_above=50,
    changed=5,
    changed_tolerance=1,
)
_REFUSES = UpstreamState.REFUSES


def answers(found: Answer | None, upstream: UpstreamState | None = None) -> Change:
    """What came of the request; None: it was not sent."""

    def change(readings: Readings) -> Readings:
        state = having(readings.upstream, state=upstream) if upstream else readings.upstream
        return having(readings, answers={} if found is None else {"request": found}, upstream=state)

    return change


def number(value: float | Unmeasured | None) -> Change:
    return lambda readings: having(readings, metric=value)


ANSWERS: tuple[Row, ...] = tuple(
    (f"request-{name}", verdict, PROCESSING, words, BY_RUN, answers(found, upstream))
    for name, verdict, words, found, upstream in (
        ("answered", GO, "", Answered(True, "200 OK"), None),
        ("answered-and-left", GO, "", Answered(True, "200 OK", "one row was not removed"), None),
        ("refused", NO_GO, "not as it should be: request: 500", Answered(False, "500 Internal Server Error"), None),
        ("refused-by-the-upstream", INCONCLUSIVE, "may not be its own", Answered(False, "502 Bad Gateway"), _REFUSES),
        ("unread", INCONCLUSIVE, GONE.reason, GONE, None),
        ("not-sent", INCONCLUSIVE, "it was not asked", None, None),
    )
)
_MARKED = code(still_there=("enrichment_service/errors",))
METRICS: tuple[Row, ...] = tuple(
    (f"metric-{name}", verdict, COMPLETENESS, words, BY_RUN, chain(*changes))
    for name, verdict, words, changes in (
        ("normal", GO, "", (number(1.0),)),
        ("above", NO_GO, "60%, above 50%", (number(60.0),)),
        ("below", NO_GO, "-2%, below -1%", (number(-2.0),)),
        ("of-the-change", NO_GO, "the change's level", (number(5.5), _MARKED)),
        ("of-the-change-unproven", INCONCLUSIVE, "outside the band", (number(5.5),)),
        (
            "in-the-band-unproven",
            INCONCLUSIVE,
            "error rate 1%, in the band; and",
            (number(1.0), documents(truncated=True)),
        ),
        ("unread", INCONCLUSIVE, GONE.reason, (number(GONE),)),
        ("not-asked", INCONCLUSIVE, "it was not asked", (number(None),)),
    )
)
