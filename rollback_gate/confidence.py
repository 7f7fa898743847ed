"""Confidence intervals by Student's t, in a dozen lines of statistics."""

from __future__ import annotations

import math
import statistics


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t, by Hill's expansion around the normal quantile; closed form for 1 and 2 degrees."""
    if degrees == 1:
        return math.tan(math.pi * (probability - 0.5))
    if degrees == 2:
        return (2 * probability - 1) * math.sqrt(2 / (4 * probability * (1 - probability)))
    z = statistics.NormalDist().inv_cdf(probability)
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + g1 / degrees + g2 / degrees**2 + g3 / degrees**3


def half_width(deviation: float, count: int, confidence: float) -> float:
    """Half the width of the interval around a mean. `deviation`: of the sample; `count`: at least two."""
    return t_quantile(0.5 + confidence / 2, count - 1) * deviation / math.sqrt(count)
