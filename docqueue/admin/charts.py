"""Small charts made on the server: plain SVG without style or script, each with the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

BAR, GAP, HEIGHT = 4, 1, 20


def sparkline(values: Sequence[int], meaning: Any) -> SafeString:
    """One bar a value, the highest as high as the chart. `meaning` says what the values are; they follow it as text."""
    most = max(values, default=0)
    heights = [0 if not value else max(1, round(HEIGHT * value / most)) for value in values]
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
