"""Triggers on completeness since the deployment: its level and its trend."""

from __future__ import annotations

from rollback_gate.evidence.symptoms import Symptoms
from rollback_gate.model import Decision, Unmeasured
from rollback_gate.profile.schema import Profile
from rollback_gate.triggers import trend as trends
from rollback_gate.triggers.rule import Answer, duration, fires, quiet, unmeasured, until, waits
from rollback_gate.triggers.trend import Level, Trend

_NO_TARGET = "the profile names neither a target (triggers.target) nor what is normal ([completeness])"


def too_low(symptoms: Symptoms, profile: Profile) -> Answer:
    """Completeness drops below 20 % after 30 minutes (Immediate Rollback 3), measured over the last 30."""
    level = level_of(symptoms, profile)
    if isinstance(level, Unmeasured):
        return unmeasured(level)
    rules, wanted = profile.triggers, profile.completeness
    critical = wanted.critical if wanted else 0.0
    if level.mean >= critical:
        return quiet(f"{level}, not below {critical:.0%}")
    if symptoms.elapsed_s < rules.after_s:
        judged = f"judged {duration(rules.after_s)} after the deployment, from {until(symptoms, rules.after_s)} on"
        return fires(Decision.WAIT, f"{level}, below {critical:.0%}; that is {judged}")
    elapsed = duration(symptoms.elapsed_s)
    return fires(Decision.ROLL_BACK, f"{level}, below {critical:.0%}, {elapsed} after the deployment")


def below_target(symptoms: Symptoms, profile: Profile) -> Answer:
    """Below 50 % but increasing: wait 1-2 hours, then the trend decides (Wait 1; tree)."""
    rules, target = profile.triggers, profile.target
    if target is None:
        return quiet(_NO_TARGET)
    level = level_of(symptoms, profile)
    if isinstance(level, Unmeasured):
        return unmeasured(level)
    if level.mean >= target:
        return quiet(f"{level}, not below {target:.0%}")
    trend = trend_of(symptoms, profile)
    says = f"{level}, below {target:.0%}, {trend}"
    if isinstance(trend, Trend) and trend.rises:
        return _rising(symptoms, profile, trend, target, says)
    if symptoms.elapsed_s < rules.after_s:
        return fires(Decision.WAIT, f"{says}; too early to tell before {until(symptoms, rules.after_s)}")
    return fires(Decision.INVESTIGATE, f"{says}: may be rolled back if one of the trends is met")


def _rising(symptoms: Symptoms, profile: Profile, trend: Trend, target: float, says: str) -> Answer:
    rules, left = profile.triggers, trend.seconds_to(target)
    estimate = f"at this pace {target:.0%} in {duration(left)}" if left else f"the line is at {target:.0%} now"
    if waits(symptoms, profile):
        return fires(Decision.WAIT, f"{says}; {estimate}; the wait ends at {until(symptoms, rules.wait_s)}")
    if left <= rules.wait_s:
        return fires(Decision.KEEP, f"{says}; {estimate}: do not roll back, keep monitoring")
    return fires(Decision.INVESTIGATE, f"{says}; {estimate}: the wait of {duration(rules.wait_s)} is over")


def reaches_target(symptoms: Symptoms, profile: Profile) -> Answer:
    """Completeness increasing to 50 % or more: do not roll back, keep monitoring (tree)."""
    target = profile.target
    if target is None:
        return quiet(_NO_TARGET)
    level = level_of(symptoms, profile)
    if isinstance(level, Unmeasured):
        return unmeasured(level)
    if level.mean < target:
        return quiet(f"{level}, below {target:.0%}")
    return fires(Decision.KEEP, f"{level}, {target:.0%} and more: do not roll back, keep monitoring")


def level_of(symptoms: Symptoms, profile: Profile) -> Level | Unmeasured:
    """The level of the last 30 minutes, or since the deployment if that is shorter; needs the minimum sample."""
    series, rules, what = symptoms.completeness, profile.completeness, "completeness"
    if rules is None:
        return Unmeasured(what, "the profile has no such section")
    if isinstance(series, Unmeasured):
        return series
    if series.outside:
        return Unmeasured(what, f"{series.outside} scores are not between 0 and 1, so no mean can be trusted")
    since = max(symptoms.deployed_at, symptoms.now.plus(-profile.triggers.after_s))
    level = trends.level(series, since, rules.confidence)
    if isinstance(level, Unmeasured) or level.scored < rules.minimum_sample:
        have = sum(bucket.scored for bucket in series.buckets if bucket.start > since.plus(-series.bucket_s))
        unscored = f", {series.unscored} documents have no score" if series.unscored else ""
        window = duration(symptoms.now.seconds_since(since))
        says = f"{have} documents with a score in the last {window}, {rules.minimum_sample} are needed{unscored}"
        return Unmeasured(what, f"{says}: wait for more")
    return level


def trend_of(symptoms: Symptoms, profile: Profile) -> Trend | Unmeasured:
    if isinstance(symptoms.completeness, Unmeasured):
        return symptoms.completeness
    if profile.completeness is None:
        return Unmeasured("the trend", "the profile has no section [completeness]")
    return trends.trend(symptoms.completeness, symptoms.now, profile.completeness.confidence)
