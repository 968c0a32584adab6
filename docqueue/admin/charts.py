"""Small charts made on the server: plain SVG without style or script, each with the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

BAR, GAP, HEIGHT = 4, 1, 20
TALL = 64


def sparkline(values: Sequence[int], meaning: Any) -> SafeString:
    """One bar a value, the highest as high as the chart. `meaning` says what the values are; they follow it as text."""
    most = max(values, default=0)
    heights = [_height(value, most, HEIGHT) for value in values]
    bars = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"></rect>',
        ((n * (BAR + GAP), HEIGHT - height, BAR, height) for n, height in enumerate(heights) if height),
    )
    width = len(values) * (BAR + GAP)
    text = f"{meaning}: {', '.join(map(str, values))}"
    chart = (
        '<svg class="docqueue-sparkline" role="img" aria-label="{0}" width="{1}" height="{2}" viewBox="0 0 {1} {2}">'
        "<title>{0}</title>{3}</svg>"
    )
    return format_html(chart, text, width, HEIGHT, bars)


def stacked(bars: Sequence[tuple[int, int]], label: Any) -> SafeString:
    """One bar for each pair (finished, failed), the failures on top. `label` says what it shows.

    It is as wide as its place. Few failures beside many finished items are still seen.
    """
    most = max((good + bad for good, bad in bars), default=0)
    rects = []
    for n, (good, bad) in enumerate(bars):
        low, high = _height(good, most, TALL), _height(bad, most, TALL)
        low = min(low, TALL - high)
        x = n * (BAR + GAP)
        if low:
            rects.append(("docqueue-bar", x, TALL - low, BAR, low))
        if high:
            rects.append(("docqueue-bar docqueue-bar-bad", x, TALL - low - high, BAR, high))
    drawn = format_html_join("", '<rect class="{}" x="{}" y="{}" width="{}" height="{}"></rect>', rects)
    chart = (
        '<svg class="docqueue-chart" role="img" aria-label="{0}" viewBox="0 0 {1} {4}" preserveAspectRatio="none">'
        '<title>{0}</title><rect class="docqueue-floor" x="0" y="{2}" width="{1}" height="1"></rect>{3}</svg>'
    )
    return format_html(chart, label, len(bars) * (BAR + GAP), TALL, drawn, TALL + 1)


def _height(value: int, most: int, height: int) -> int:
    """How high a bar is: what is not nothing can be seen."""
    return 0 if not value else max(1, round(height * value / most))
