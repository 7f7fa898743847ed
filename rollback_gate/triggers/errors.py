"""Triggers on error lines, without the known noise of the old code."""

from __future__ import annotations

from rollback_gate.evidence.symptoms import ErrorCount, Symptoms
from rollback_gate.model import Decision
from rollback_gate.profile.schema import Profile
from rollback_gate.triggers.rule import Answer, fires, quiet, unmeasured, waits


def error_spike(symptoms: Symptoms, profile: Profile) -> Answer:
    """Error spike, 50+ errors per hour: investigate error types (Decision Tree)."""
    total, unexpected = _last_hour(symptoms)
    rules = profile.triggers
    if total >= rules.spike:
        says = f"{total} error lines in the last hour (limit {rules.spike}), {unexpected} of unexpected types"
        if unexpected >= rules.unexpected and not symptoms.upstream.answers:
            says += f", and {symptoms.upstream.name} is in trouble: {symptoms.upstream.says}"
            return fires(Decision.FIX_UPSTREAM, says, *_types(symptoms, unexpected_first=True))
        if unexpected >= rules.unexpected:
            return fires(Decision.ROLL_BACK, says, *_types(symptoms, unexpected_first=True))
        if waits(symptoms, profile):
            return fires(Decision.WAIT, f"{says}: expected errors, monitor", *_types(symptoms))
        return fires(Decision.INVESTIGATE, f"{says}: expected errors that go on", *_types(symptoms))
    if says := _unread(symptoms):
        return unmeasured(says)
    return quiet(f"{total} error lines in the last hour (limit {rules.spike})", *_types(symptoms))


def some_errors(symptoms: Symptoms, profile: Profile) -> Answer:
    """Some errors appearing: monitor error types, check if expected (Wait 2)."""
    total, unexpected = _last_hour(symptoms)
    says = f"{total} error lines in the last hour, {unexpected} of unexpected types"
    if total and waits(symptoms, profile):
        return fires(Decision.WAIT, f"{says}: monitor them", *_types(symptoms))
    if unexpected:
        return fires(Decision.INVESTIGATE, f"{says}, and the wait is over", *_types(symptoms, unexpected_first=True))
    if unread := _unread(symptoms):
        return unmeasured(unread)
    return quiet(says, *_types(symptoms))


def _last_hour(symptoms: Symptoms) -> tuple[int, int]:
    errors = symptoms.errors
    return sum(e.last_hour for e in errors), sum(e.last_hour for e in errors if not e.expected)


def _unread(symptoms: Symptoms) -> str:
    if symptoms.unread:
        return str(symptoms.unread)
    hidden = sum(log.without_level for log in symptoms.logs)
    return f"{hidden} log lines have no level, so errors among them do not show" if hidden else ""


def _types(symptoms: Symptoms, unexpected_first: bool = False) -> tuple[str, ...]:
    rows = sorted(symptoms.errors, key=lambda e: e.expected) if unexpected_first else list(symptoms.errors)
    return tuple(_in_words(error) for error in rows[:5])


def _in_words(error: ErrorCount) -> str:
    kind = "expected" if error.expected else "unexpected"
    return f"{error.name} ({kind}): {error.last_hour} in the last hour, {error.total} in all; {error.sample}"
