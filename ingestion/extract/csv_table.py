"""CSV and its relatives: one line of text a row, whatever separates the cells.

The delimiter is found by trying: each candidate parses the first rows, and the one under which most rows have the
same number of cells wins. Counting characters would not do: hospital price files have " | " inside column names, and
decimal commas stand in files divided by semicolons.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ingestion.extract.clean import lines_of
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.decode import read_text

DELIMITERS = ",;\t|"
SAMPLE_LINES = 200
MIN_SHARE = 0.5  # of the rows must have as many cells as most rows have
MAX_ROW_LINES = 500  # a row that spans more has a quotation mark too many
_NUMBER = re.compile(r"\s*[-+]?[\d.,\s]*\d\s*%?\s*")


def read(path: Path, out: PageWriter) -> None:
    """Write the rows, cells divided by " | ". A file in which no table is found is written as it is."""
    text = read_text(path, out).replace("\r\n", "\n").replace("\r", "\n")
    # Process-wide in the standard library, and far too low for a cell with a document in it.
    csv.field_size_limit(max(csv.field_size_limit(), out.limits.max_text_characters))
    delimiter = find_delimiter(list(islice(lines_of(text), SAMPLE_LINES)))
    if delimiter is None:
        if "\n" in text.strip():
            out.warn("no_table_found", "no delimiter divides the lines into a table; they were taken as text")
        out.line(text)
        return
    for row in rows(text, delimiter, out):
        cells = [" ".join(cell.split()) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            out.line(" | ".join(cells).lstrip(" |"))
        if out.full:
            break


def find_delimiter(lines: list[str]) -> str | None:
    """The delimiter of a table, judged by its first lines; None where they are no table."""
    scored = [_score(lines, delimiter) for delimiter in DELIMITERS]
    best = max(scored, key=lambda score: score.worth)
    return best.delimiter if best.share >= MIN_SHARE else None


def rows(text: str, delimiter: str, out: PageWriter) -> Iterator[list[str]]:
    """The rows. A quotation mark that is never closed costs its own row the division into cells, and no other row."""
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.begin_row()
        try:
            row = next(reader)
            if lines.ended_inside_quotes():
                raise _NeverClosed
        except StopIteration:
            return
        except (_NeverClosed, csv.Error):
            number, first = lines.give_back_all_but_first()
            out.warn("csv_unclosed_quote", f"a quotation mark is never closed in line {number}")
            row = [cell.strip().strip('"') for cell in first.split(delimiter)]
            reader = csv.reader(lines, delimiter=delimiter)
        yield row


@dataclass(frozen=True, slots=True)
class _Score:
    delimiter: str
    share: float  # of the rows that have the commonest number of cells
    clean: float  # share of the cells that hold no other delimiter

    @property
    def worth(self) -> tuple[float, float]:
        return (round(self.share * (0.5 + self.clean / 2), 3), self.clean)


def _score(lines: list[str], delimiter: str) -> _Score:
    try:
        parsed = [row for row in csv.reader(lines, delimiter=delimiter) if any(cell.strip() for cell in row)]
    except csv.Error:
        parsed = []
    widths = Counter(len(row) for row in parsed if len(row) > 1)
    if not widths:
        return _Score(delimiter, 0.0, 0.0)
    width, count = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
    cells = [cell for row in parsed if len(row) == width for cell in row if cell.strip()]
    others = set(DELIMITERS) - {delimiter}
    clean = sum(1 for cell in cells if not others.intersection(cell) or _NUMBER.fullmatch(cell))
    return _Score(delimiter, count / len(parsed), clean / max(1, len(cells)))


class _NeverClosed(Exception):
    """A row has taken more lines than any row does."""


class _Lines:
    """The lines of a text for csv.reader, which can be given back when a row turns out to be none."""

    def __init__(self, text: str) -> None:
        self._source = lines_of(text)
        self._returned: deque[str] = deque()
        self._row: list[str] = []
        self._number = 0
        self._ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._row) >= MAX_ROW_LINES:
            raise _NeverClosed
        line = self._returned.popleft() if self._returned else next(self._source, "")
        if not line:
            self._ended = True
            raise StopIteration
        self._number += 1
        self._row.append(line)
        return line

    def begin_row(self) -> None:
        """What is read from here on belongs to the next row."""
        self._row.clear()
        self._ended = False

    def ended_inside_quotes(self) -> bool:
        """True when the text ended within a row of several lines: its quotation mark swallowed the rest."""
        return self._ended and len(self._row) > 1

    def give_back_all_but_first(self) -> tuple[int, str]:
        """Let the row's other lines be read again; returns the first one's number and text."""
        first, *rest = self._row
        self._returned.extendleft(reversed(rest))
        self._number -= len(rest)
        return self._number, first


EXTRACTOR = Extractor(name="csv", version=1, read=read)
