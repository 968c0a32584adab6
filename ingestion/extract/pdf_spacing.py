"""Letter-spaced lines of a PDF: set wide, each letter by itself, they come as "l e t te r s" from the reader.

The words are put together again where the places of the letters tell words apart: gaps between letters are even there,
and those between words much wider. A line without such a difference stays as it is: it may be a list of letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from statistics import median

LEAST_LETTERS = 0.8  # of what is on the line; the rest may be punctuation
WIDE = 0.15  # a usual gap of this part of the letters' height is letter-spacing
WORD_GAP = 2.0  # times the usual gap
_SUSPECT = re.compile(r"^(?:[^\s]{1,3} ){7,}[^\s]{1,3}(?=\s*$)", re.MULTILINE)

Box = tuple[float, float, float, float]
"""Left, bottom, right and top of a character."""


def without_letter_spacing(text: str, box_of: Callable[[int], Box]) -> str:
    """The text with its letter-spaced lines put together; `box_of` tells where its n-th character stands."""
    return _SUSPECT.sub(lambda line: _joined(line[0], line.start(), box_of), text)


def _joined(line: str, start: int, box_of: Callable[[int], Box]) -> str:
    letters = [(each, box_of(start + at)) for at, each in enumerate(line) if not each.isspace()]
    if sum(each.isalpha() for each, _ in letters) < LEAST_LETTERS * len(letters):
        return line
    gaps = [right[0] - left[2] for (_, left), (_, right) in pairwise(letters)]
    usual = median(gaps)
    tallest = max(top - bottom for _, (_, bottom, _, top) in letters)
    ends_word = [gap > WORD_GAP * usual for gap in gaps]
    if usual < WIDE * tallest or not any(ends_word):
        return line
    first = letters[0][0]
    return first + "".join(" " * ends + each for (each, _), ends in zip(letters[1:], ends_word, strict=True))
