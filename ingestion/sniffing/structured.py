"""JSON and tables: text with a structure that holds from the first line on."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter

_TOKEN = re.compile(
    r'\s*(?:[{}\[\]:,]|"(?:[^"\\\x00-\x1f]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|NaN|-?Infinity)'
)
_PARTIAL_TOKEN = re.compile(r'\s*(?:"(?:[^"\\\x00-\x1f]|\\.?)*|-?\d*\.?\d*(?:[eE][+-]?)?|[a-zA-Z]{0,7})\Z')
TOKEN_CHARACTERS = 16 * 1024

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_ROWS = 200
SURE_SHARE, CLAIMED_SHARE = 0.9, 0.5
LONG_LINE = 200
_MARKDOWN_RULE = re.compile(r"^[ \t|]*:?--[-:| \t]*$", re.MULTILINE)


def is_json(text: str, complete: bool, claimed: bool) -> bool:
    """Is it JSON, or JSON values one after another? Where the name claims JSON, damaged JSON is JSON too."""
    text = text.lstrip()
    if not text.startswith(("{", "[")):
        return claimed and complete and _is_single_value(text)
    return claimed or _is_all_tokens(text, complete)


def is_json_lines(text: str) -> bool:
    """Are there several JSON values in a row?"""
    text = text.lstrip()
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return text[end:].lstrip().startswith(("{", "["))


def _is_single_value(text: str) -> bool:
    """A bare string, number or word, or something that starts as a string and is broken."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text.startswith('"')
    return True


def _is_all_tokens(text: str, complete: bool) -> bool:
    at, count = 0, 0
    stop = min(len(text), TOKEN_CHARACTERS)
    while at < stop:
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at:]
            return count > 1 and (not rest.strip() or (not complete and _PARTIAL_TOKEN.match(rest) is not None))
        at = match.end()
        count += 1
    return count > 1


def is_table(text: str, complete: bool, claimed: bool) -> bool:
    """Is it delimited text: rows with the same number of columns? A name that claims so needs less proof."""
    if not complete:
        text = text[: text.rfind("\n") + 1] or text
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return False
    for delimiter in DELIMITERS:
        if delimiter == "|" and _MARKDOWN_RULE.search(text):
            continue
        if delimiter in text and _is_consistent(_rows(lines, delimiter), claimed):
            return True
    # A list of one column: nothing speaks against it but prose.
    return claimed and max(len(line) for line in lines) <= LONG_LINE


def _rows(lines: list[str], delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader((line + "\n" for line in lines), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) == SAMPLE_ROWS:
                break
    except csv.Error:
        return []
    return rows


def _is_consistent(rows: list[list[str]], claimed: bool) -> bool:
    if not rows:
        return False
    columns, count = Counter(len(row) for row in rows).most_common(1)[0]
    same = [row for row in rows if len(row) == columns]
    filled = sum(any(row[index].strip() for row in same) for index in range(columns))
    if columns < 2 or filled < 2:
        return False
    if claimed:
        return count / len(rows) >= CLAIMED_SHARE
    # Prose has commas too, but with a space behind, and hardly several on line after line.
    if columns == 2 and sum(row[1].startswith(" ") for row in same) * 2 > len(same):
        return False
    enough = len(rows) >= (5 if columns == 2 else 3)
    return enough and count / len(rows) >= SURE_SHARE
