"""JSON as an outline of names and values; also JSON Lines, and several values one after the other.

Numbers stay as they are written: nothing is lost to floating point, and a number of a million digits is a text like
any other. Names that occur twice in an object are both kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from ingestion.errors import ContentTooLarge, InvalidJson, JsonTooDeep
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.decode import read_text

MIN_GOOD_VALUES = 2  # before a broken one counts as a broken line of JSON Lines
NAMED_LINES = 10  # of the broken ones


_BLANKS = re.compile(r"[ \t\n\r]*")


class Members(list[tuple[str, Any]]):
    """An object's names and values in order, names that occur twice included."""


def read(path: Path, out: PageWriter) -> None:
    """Write every value of the file."""
    if path.stat().st_size > min(out.limits.max_json_bytes, out.limits.max_text_characters):
        _read_large(path, out)
        return
    text = read_text(path, out).removeprefix("\ufeff")
    for value in values(text, out):
        write_outline(value, out)
        if out.full:
            return


def values(text: str, out: PageWriter) -> Iterator[Any]:
    """The values of a text: one, or several that each begin on a new line.

    Raises InvalidJson; but after two good values a broken line is left out with a warning, as in a log whose last
    line was cut.
    """
    decoder = json.JSONDecoder(
        object_pairs_hook=Members, parse_int=str, parse_float=str, parse_constant=_refuse_constant
    )
    at, good, broken = _after_blanks(text, 0), 0, 0
    if at == len(text):
        raise InvalidJson("The file holds no JSON value.")
    while at < len(text):
        try:
            value, end = decoder.raw_decode(text, at)
            following = _after_blanks(text, end)
            if following < len(text) and "\n" not in text[end:following]:
                raise json.JSONDecodeError("Extra data", text, following)
        except RecursionError as error:
            raise JsonTooDeep from error
        except ValueError as error:
            if good < MIN_GOOD_VALUES:
                raise InvalidJson(_where(text, at, error)) from error
            broken += 1
            if broken <= NAMED_LINES:
                begins = text.count("\n", 0, at) + 1
                out.warn("json_line_invalid", f"line {begins} was left out. {_where(text, at, error)}")
            line_end = text.find("\n", at)
            at = len(text) if line_end < 0 else _after_blanks(text, line_end)
            continue
        good += 1
        yield value
        at = following
    if broken > NAMED_LINES:
        out.warn("json_line_invalid", f"lines that were left out in all: {broken:,}")


def write_outline(value: Any, out: PageWriter, depth: int = 0, label: str = "") -> None:
    """Write a value: "name: value", or "- value" in a list; what is inside of it is indented below."""
    if depth > out.limits.max_json_depth:
        limit = out.limits.max_json_depth
        raise JsonTooDeep(f"The JSON is nested more than {limit} levels deep (limit max_json_depth).")
    line = " " * (depth - 1) + label
    if not isinstance(value, list):
        text = "null" if value is None else str(value).lower() if isinstance(value, bool) else value
        out.line(f"{line} {text}" if label else text)
        return
    if label:
        out.line(line)
    if isinstance(value, Members):
        for name, item in value:
            write_outline(item, out, depth + 1, f"{name}:")
    else:
        for item in value:
            write_outline(item, out, depth + 1, "-")


def _read_large(path: Path, out: PageWriter) -> None:
    """JSON Lines of any size, line by line; a single value above the limit is refused."""
    limit = out.limits.max_json_bytes
    good = broken = 0
    with path.open("rb") as stream:
        while (line := stream.readline(limit + 1)) and not out.full:
            if len(line) > limit:
                raise ContentTooLarge(f"A JSON value is larger than {limit:,} bytes (limit max_json_bytes).")
            text = line.decode("utf-8", "replace").lstrip("\ufeff")
            if not text.strip():
                continue
            try:
                for value in values(text, out):
                    write_outline(value, out)
                good += 1
            except InvalidJson as error:
                if good < MIN_GOOD_VALUES:
                    raise ContentTooLarge(
                        "The file is not JSON Lines, and as one JSON value it is larger than the limits "
                        "max_json_bytes and max_text_characters allow."
                    ) from error
                broken += 1
    if broken:
        out.warn("json_line_invalid", f"lines that are not valid JSON and were left out: {broken:,}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _after_blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return match.end() if match else at


def _where(text: str, at: int, error: ValueError) -> str:
    position = error.pos if isinstance(error, json.JSONDecodeError) else at
    line, column = text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
    told = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return f"Not valid JSON at line {line}, column {column}: {told}."


EXTRACTOR = Extractor(name="json", version=1, read=read)
