"""HTML, XML and SVG: told apart by their first element, behind declarations and comments."""

from __future__ import annotations

import re

_SKIPPED = re.compile(
    r"\s+|<!--.*?-->|<\?.*?\?>|<!DOCTYPE\s+(?P<doctype>[\w:.-]+)[^>\[]*(?:\[.*?\]\s*)?>", re.DOTALL | re.IGNORECASE
)
_ELEMENT = re.compile(r"<(?P<name>[A-Za-z_][\w:.-]*)(?:\s[^<>]*)?/?>")
_ANY_TAG = re.compile(r"</?[A-Za-z][\w:.-]*(?:\s[^<>]*)?>")
_HTML_NAMES = """
    html head body title meta link base script style noscript div span p a b i u em strong small
    font center br hr h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table thead tbody tr td th caption form
    input button select textarea label img picture video audio iframe figure section article main
    nav header footer aside blockquote pre code
"""
_HTML_ELEMENTS = frozenset(_HTML_NAMES.split())


def by_markup(text: str, claimed: frozenset[str]) -> str | None:
    """`html`, `xml` or `svg`, None for text that is not markup."""
    declared = text.lstrip().startswith("<?xml")
    at = 0
    while match := _SKIPPED.match(text, at):
        doctype = (match.group("doctype") or "").lower()
        if doctype in ("html", "svg"):
            return doctype
        at = match.end()
    element = _ELEMENT.match(text, at)
    if element is None:
        return _without_first_element(text, at, declared, claimed)
    name = element.group("name").lower().rpartition(":")[2]
    if name == "svg":
        return "svg"
    if name == "html" or (not declared and "xml" not in claimed and (name in _HTML_ELEMENTS or "html" in claimed)):
        # Markdown may begin with a bit of HTML and go on as Markdown.
        return None if "markdown" in claimed and name != "html" else "html"
    if declared or "xml" in claimed or f"</{element.group('name')}" in text or len(_ANY_TAG.findall(text)) >= 3:
        return "xml"
    return None


def _without_first_element(text: str, at: int, declared: bool, claimed: frozenset[str]) -> str | None:
    """What begins with other text, or with a comment that is longer than what was read."""
    if declared:
        return "xml"
    if "html" in claimed and _ANY_TAG.search(text):
        return "html"
    return "xml" if "xml" in claimed and text.startswith("<", at) else None
