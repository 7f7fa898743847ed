"""Check 4, of a metric that is not the documents' score: one number in its band."""

from __future__ import annotations

from rollback_gate.checks import new_behaviour
from rollback_gate.evidence.readings import Readings
from rollback_gate.model import Claim, Evidence, Unmeasured, failed, inconclusive, passed
from rollback_gate.profile.answers import CommandMetric, HttpMetric, PrometheusMetric
from rollback_gate.profile.schema import Profile

Metric = PrometheusMetric | HttpMetric | CommandMetric


def metric_in_band(readings: Readings, profile: Profile) -> Claim:
    """The number lies in the band; a single number says nothing of its own error, so check 1 must prove the old code.

    Raises ValueError for a profile without the section.
    """
    metric, found = profile.metric, readings.metric
    if metric is None:
        raise ValueError("the metric was asked for a profile without its section")  # the scope leaves it out
    if found is None or isinstance(found, Unmeasured):
        return inconclusive(metric.name, found or Unmeasured(metric.name, "it was not asked"))
    says = f"{metric.name} {found:g}{metric.unit}"
    band = f"band {metric.low:g}{metric.unit} to {metric.high:g}{metric.unit}"
    if beyond := _beyond(metric, found):
        return failed(metric.name, f"{says}, {beyond}", Evidence.AVERAGE, band)
    shows_new = new_behaviour.shows_new(readings, profile)
    is_changed = metric.changed is not None and abs(found - metric.changed) <= metric.changed_tolerance
    if is_changed and shows_new:
        return failed(metric.name, f"{says}, the change's level, with signs of the change", Evidence.AVERAGE, band)
    if not metric.low <= found <= metric.high:
        cause = "" if readings.upstream.answers else f"; {readings.upstream.fix_first}"
        return inconclusive(metric.name, f"{says}, outside the band{cause}", band)
    if not new_behaviour.is_proven_old(readings, profile):
        return inconclusive(metric.name, f"{says}, in the band; and check 1 does not prove the old code", band)
    return passed(metric.name, f"{says}, in the band", Evidence.AVERAGE, band)


def _beyond(metric: Metric, found: float) -> str:
    if metric.critical_below is not None and found < metric.critical_below:
        return f"below {metric.critical_below:g}{metric.unit}"
    if metric.critical_above is not None and found > metric.critical_above:
        return f"above {metric.critical_above:g}{metric.unit}"
    return ""
