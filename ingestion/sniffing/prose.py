"""Markdown among plain text: marks of several kinds, of which one alone proves nothing."""

from __future__ import annotations

import re

_MARKS = {
    # Stands alone between empty lines, unlike a program's comments.
    "heading": re.compile(r"(?:\A|\n[ \t]*\n)#{1,6} +\S[^\n]*(?:\n(?!#)|\Z)"),
    "fence": re.compile(r"^(?:```|~~~)", re.MULTILINE),
    "link": re.compile(r"\[[^\]\n]{1,200}\]\([^)\s]{1,500}\)"),
    "bold": re.compile(r"\*\*[^*\s][^*\n]*\*\*"),
    "list": re.compile(r"^[*-] +\S", re.MULTILINE),
    "table": re.compile(r"^\|?(?: *:?-{3,}:? *\|)+", re.MULTILINE),
    "code": re.compile(r"`[^`\n]+`"),
}
NEEDED_MARKS = 3


def is_markdown(text: str, claimed: bool) -> bool:
    """Is it Markdown? A name that claims so is believed, as any text is valid Markdown."""
    if claimed:
        return True
    marks = {kind for kind, pattern in _MARKS.items() if pattern.search(text)}
    return len(marks) >= NEEDED_MARKS and bool(marks & {"heading", "fence"})
