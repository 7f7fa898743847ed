"""Completeness over time as a static picture: SVG without scripts, the same for the same data."""

from __future__ import annotations

import base64

from rollback_gate.triggers.symptoms import Series

_LOOK = {
    "background": "white", "plot_background": "white", "foreground": "#222", "foreground_strong": "#000",
    "foreground_subtle": "#555", "colors": ("#0b5cad", "#2e7d32", "#b3261e"), "font_family": "sans-serif",
    "label_font_size": 12, "major_label_font_size": 12, "legend_font_size": 13, "title_font_size": 14,
}  # fmt: skip


def completeness_over_time(series: Series, target: float, critical: float) -> str:
    """SVG; "" where there is no document to show. `target`, `critical`: shares, drawn as lines."""
    rows = [bucket for bucket in series.buckets if bucket.scored]
    if not rows:
        return ""
    import pygal  # only where a picture is drawn: it puts a finder of its own among Python's importers
    from pygal.style import Style

    chart = pygal.Line(
        js=(), no_prefix=True, disable_xml_declaration=True, pretty_print=False, width=800, height=300,
        style=Style(**_LOOK), range=(0, 100), title="Completeness since the deployment (mean of each interval, %)",
        x_label_rotation=30, show_minor_x_labels=False, x_labels_major_every=max(1, len(rows) // 8),
        truncate_legend=-1, legend_at_bottom=True, dots_size=3,
    )  # fmt: skip
    chart.x_labels = [bucket.start.to_datetime().strftime("%m-%d %H:%M:%S") for bucket in rows]
    chart.add("completeness", [round(bucket.mean * 100, 1) for bucket in rows])
    chart.add(f"{target:.0%}: do not roll back", [target * 100] * len(rows), show_dots=False)
    chart.add(f"{critical:.0%}: roll back below", [critical * 100] * len(rows), show_dots=False)
    return str(chart.render().decode())


def as_source(svg: str) -> str:
    """For an `img`: in it no script runs and nothing is fetched, whatever the picture holds."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
