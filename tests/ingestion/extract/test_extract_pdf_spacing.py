"""Letter-spaced lines of PDFs: put together where the letters' places tell the words apart, left alone elsewhere."""

from __future__ import annotations

import pytest

from ingestion.extract.pdf_spacing import Box, without_letter_spacing

SPACED = "H e re i s so me te xt"
WORDS = "Here is some text"


def spaced(text: str, words: str, *, between: float = 3.0, spaces: float = 8.0, width: float = 6.0) -> str:
    """Join `text` as if its letters stood as those of `words` do: so far from each other, with so wide spaces."""
    places: list[Box] = []
    left = 0.0
    for letter in words:
        if letter == " ":
            left += spaces - between
        else:
            places.append((left, 0.0, left + width, 9.0))
            left += width + between
    boxes = iter(places)
    shown = [next(boxes) if not each.isspace() else (0.0, 0.0, 0.0, 0.0) for each in text]
    return without_letter_spacing(text, shown.__getitem__)


def test_a_letter_spaced_line_gets_its_words_back() -> None:
    assert spaced(SPACED, WORDS) == WORDS


def test_only_the_spaced_line_of_a_page_is_changed() -> None:
    text = f"An ordinary line, before\r\n{SPACED}\r\nand one behind it"
    assert spaced(text, f"An ordinary line, before {WORDS} and one behind it") == text.replace(SPACED, WORDS)


@pytest.mark.parametrize(
    ("text", "words", "gaps"),
    [
        ("A B C D E F G H I J", "ABCDEFGHIJ", {}),
        ("it is as if we do so to me", "it is as if we do so to me", {"between": 0.5, "spaces": 3.0}),
        ("1 2 34 5 6 78 9 0 1", "1234 567890 1", {}),
        ("K a pi te l", "Kapitel", {}),
    ],
    ids=["a list of letters", "short words", "figures", "too few to tell"],
)
def test_what_is_not_surely_letter_spaced_stays_as_it_is(text: str, words: str, gaps: dict[str, float]) -> None:
    assert spaced(text, words, **gaps) == text
