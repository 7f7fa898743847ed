"""Assessments as data: what is stored, what machines get, and which one is the reason for a rollback."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rollback_gate.evidence.symptoms import Symptoms
from rollback_gate.instant import Instant
from rollback_gate.model import Decision, Unmeasured
from rollback_gate.profile.schema import Profile
from rollback_gate.record import picture
from rollback_gate.record.build import plain
from rollback_gate.redaction import Redactor
from rollback_gate.regular import text_of
from rollback_gate.rollback.files import write_text
from rollback_gate.rollback.store import Store
from rollback_gate.triggers.completeness import level_of, trend_of
from rollback_gate.triggers.decide import RULES, Assessment
from rollback_gate.triggers.rule import named

FORMAT = 2
NAME = "assessment.json"
_MOST_ATTEMPTS = 20


def as_data(assessment: Assessment, symptoms: Symptoms, profile: Profile, heading: Mapping[str, str]) -> dict[str, Any]:
    """Plain data, ready for JSON. `heading`: deployment, operator and id."""
    upstream = profile.upstream_name
    by_name = {rule.name: rule for rule in RULES}
    answers = [
        {
            "rule": name,
            "section": by_name[name].section,
            "asks": named(by_name[name].asks, profile),
            "leads_to": named(by_name[name].leads_to, profile),
            **plain(answer),
            "in_words": answer.concludes.in_words(upstream),
        }
        for name, answer in assessment.answers
    ]
    series = symptoms.completeness
    levels = profile.target, profile.completeness.critical if profile.completeness else 0.0
    drawn = ""
    if not isinstance(series, Unmeasured):
        drawn = picture.completeness_over_time(series, symptoms.deployed_at, *levels)
    return {
        "format": FORMAT,
        **heading,
        "at": str(assessment.at),
        "decision": assessment.decision.value,
        "in_words": assessment.decision.in_words(upstream),
        "reason": assessment.reason,
        "rule": assessment.rule,
        "section": assessment.section,
        "fix": assessment.fix,
        "answers": answers,
        "numbers": _numbers(symptoms, profile),
        "picture": drawn,
    }


def _numbers(symptoms: Symptoms, profile: Profile) -> dict[str, Any]:
    attempts = symptoms.attempts
    return {
        "deployed_at": str(symptoms.deployed_at),
        "deployed_by": symptoms.deployed_by,
        "elapsed_s": symptoms.elapsed_s,
        "workers": []
        if isinstance(symptoms.workers, Unmeasured)
        else [
            {"name": w.replica.place, "condition": w.replica.condition, "restarts": w.replica.restarts}
            for w in symptoms.workers
        ],
        "completeness": {
            "now": plain(level_of(symptoms, profile)),
            "trend": plain(trend_of(symptoms, profile)),
            "series": plain(symptoms.completeness),
        },
        "errors": plain(symptoms.errors),
        "documents": {
            "finished": sum(a.finished for a in attempts),
            "failed": sum(a.failed for a in attempts),
            "last": plain(attempts[-_MOST_ATTEMPTS:]),
        },
        "queue": plain(symptoms.queue),
        "upstream": plain(symptoms.upstream),
        "probe": plain(symptoms.probe),
    }


def keep(folder: Path, table: Mapping[str, Any], redactor: Redactor) -> None:
    """Replaces the previous one: the last of a deployment, or the reason of a run. Raises OSError."""
    write_text(folder / NAME, redactor.text(json.dumps(redactor.value(dict(table)), indent=1)))


def last(stores: Iterable[Store], now: Instant, valid_s: float) -> dict[str, Any] | None:
    """The newest assessment if it is at most `valid_s` seconds old; None otherwise."""
    found = [table for store in stores if (table := read(store.folder))]
    newest = max(found, key=lambda table: Instant.parse(table["at"]), default=None)
    if newest is None or not 0 <= now.seconds_since(Instant.parse(newest["at"])) <= valid_s:
        return None
    return newest


def read(folder: Path) -> dict[str, Any] | None:
    """The assessment kept in this folder; None if none is readable."""
    try:
        table = json.loads(text_of(folder / NAME))
        Instant.parse(table["at"])
        Decision(table["decision"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(table) if table.get("format") == FORMAT else None
