"""Completeness over time as a static picture: SVG without scripts, the same for the same data."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rollback_gate.evidence.readings import Bucket, Series
from rollback_gate.instant import Instant

_POINTS = 3  # fewer are read faster in the table
# In an `img` it is the picture's own business to follow the reader's colours.
_IN_THE_DARK = """@media (prefers-color-scheme: dark) {
  .background, .plot .background { fill: #0d1117 !important }
  text, .title { fill: #e6edf3 !important }
  .axis .line, .guide.line, .axis .guide.line { stroke: #6e7681 !important }
  .color-0, .color-0 .reactive { stroke: #58a6ff !important; fill: #58a6ff !important }
  .color-1, .color-1 .reactive { stroke: #56d364 !important; fill: #56d364 !important }
  .color-2, .color-2 .reactive { stroke: #ff9492 !important; fill: #ff9492 !important }
  .line { fill: none !important }
}"""
_LOOK = {
    "background": "white",
    "plot_background": "white",
    "foreground": "#222",
    "foreground_strong": "#000",
    "foreground_subtle": "#555",
    "colors": ("#0b5cad", "#2e7d32", "#b3261e"),
    "font_family": "sans-serif",
    "label_font_size": 12,
    "major_label_font_size": 12,
    "legend_font_size": 13,
    "title_font_size": 14,
}


def completeness_over_time(series: Series, deployed_at: Instant, target: float | None, critical: float) -> str:
    """SVG; "" where there are fewer than three points. `target`, if there is one, and `critical`: shares, as lines."""
    rows = [bucket for bucket in series.buckets if bucket.scored]
    if len(rows) < _POINTS:
        return ""

    def minutes(bucket: Bucket) -> float:
        return round((bucket.start.seconds_since(deployed_at) + series.bucket_s / 2) / 60, 2)

    end = minutes(rows[-1]) + series.bucket_s / 120
    chart = _xy("Mean completeness of each interval", "minutes since the deployment", (0, end))
    chart.add("completeness", [(minutes(bucket), round(bucket.mean * 100, 1)) for bucket in rows])
    if target is not None:
        chart.add(f"from {target:.0%} on: keep", [(0, target * 100), (end, target * 100)], show_dots=False)
    chart.add(f"below {critical:.0%}: roll back", [(0, critical * 100), (end, critical * 100)], show_dots=False)
    return str(chart.render(is_unicode=True))


def around_the_boundary(series: Series, since: Instant, low: float, high: float) -> str:
    """SVG; "" for fewer than three points. In minutes from the boundary; `low`, `high`: the band, as shares."""
    rows = [bucket for bucket in series.buckets if bucket.scored]
    if len(rows) < _POINTS:
        return ""
    points = [
        (round((b.start.seconds_since(since) + series.bucket_s / 2) / 60, 2), round(b.mean * 100, 1)) for b in rows
    ]
    first, last = min(points[0][0], 0.0) - 1, max(points[-1][0], 0.0) + 1
    chart = _xy("Mean completeness before and after the boundary", "minutes from the boundary", (first, last))
    chart.add("completeness", points, stroke=False)
    chart.add(
        f"band {low:.1%} to {high:.1%}",
        [(first, low * 100), (last, low * 100), (last, high * 100), (first, high * 100), (first, low * 100)],
        show_dots=False,
    )
    chart.add("boundary", [(0, 0), (0, 100)], show_dots=False)
    return str(chart.render(is_unicode=True))


def distribution(scores: Sequence[float], low: float, high: float) -> str:
    """SVG; "" for fewer than three. How many documents by completeness, in steps of 5 %, with the band behind."""
    if len(scores) < _POINTS:
        return ""
    steps = Counter(min(int(score * 20), 19) for score in scores)
    import pygal
    from pygal.style import Style

    most = max(steps.values())
    chart = pygal.Histogram(
        js=(),
        no_prefix=True,
        disable_xml_declaration=True,
        width=800,
        height=260,
        style=Style(**(_LOOK | {"colors": ("#9cc5a1", "#0b5cad")})),
        range=(0, most),
        xrange=(0, 100),
        title="Documents since the boundary, by completeness",
        x_title="%",
        y_title="documents",
        truncate_legend=-1,
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        show_y_guides=True,
    )
    chart.add_xml_filter(_as_a_picture)
    chart.add(f"band {low:.1%} to {high:.1%}", [(0, 0, 100), (most, low * 100, high * 100)])
    chart.add("documents", [(count, step * 5, step * 5 + 5) for step, count in sorted(steps.items())])
    return str(chart.render(is_unicode=True))


def _xy(title: str, x_title: str, span: tuple[float, float]) -> Any:
    import pygal  # only where a picture is drawn: it puts a finder of its own among Python's importers
    from pygal.style import Style

    chart = pygal.XY(
        js=(),
        no_prefix=True,
        disable_xml_declaration=True,
        width=800,
        height=300,
        style=Style(**_LOOK),
        range=(0, 100),
        xrange=span,
        title=title,
        x_title=x_title,
        y_title="%",
        truncate_legend=-1,
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
        dots_size=3,
        show_x_guides=False,
    )
    chart.add_xml_filter(_as_a_picture)
    return chart


def _as_a_picture(root: Any) -> Any:
    """Without the script that pygal always writes, for tooltips; with the colours of a dark page."""
    for parent in root.iter():
        for script in [child for child in parent if str(child.tag).endswith("script")]:
            parent.remove(script)
    style = root.makeelement("style", {"type": "text/css"})
    style.text = _IN_THE_DARK
    root.append(style)
    return root


def as_source(svg: str) -> str:
    """For an `img`: in it no script runs and nothing is fetched, whatever the picture holds."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
