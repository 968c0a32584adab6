"""Markdown: the words without the marks, so that a bold syllable does not tear its word apart in the index."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from ingestion.extract.clean import lines_of
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.decode import read_text

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]+|$)")
_CLOSING_MARKS = re.compile(r"[ \t]+#+[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")
_TITLE = re.compile(r"title:[ \t]*(.+)", re.IGNORECASE)
# Bounded repeats: a line of nothing but brackets must not cost the square of its length.
_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\s]{0,2000}+(?:[ \t]+\"[^\"\n]{0,500}\")?\)")
_EMPHASIS = re.compile(r"(\*{1,3}|(?<!\w)_{1,3}|~~)(?=\S)([^*_~\n]{1,500}?)(?<=\S)\1")
_MARKS = re.compile(r"[\[*_~`<]")
_FRONT_MATTER_LINES = 200


def read(path: Path, out: PageWriter) -> None:
    """Write the text; the title is the front matter's, else the first heading."""
    text = read_text(path, out).replace("\r\n", "\n")
    fence = before = ""
    for raw in lines_of(text[_front_matter(text, out) :]):
        line = raw.rstrip("\n")
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and line.strip() == mark[1]:
            fence = ""
        elif fence:
            out.line(line)
        elif heading := _HEADING.match(line):
            words = plain(_CLOSING_MARKS.sub("", line[heading.end() :]))
            out.title(words)
            out.line(words)
        elif before.strip() and _UNDERLINE.match(line):
            out.title(plain(before))
        else:
            out.line(plain(line))
        before = "" if fence else line
        if out.full:
            break


def plain(line: str) -> str:
    """One line without links' targets, emphasis and comments; code between backticks stays as it is."""
    if not _MARKS.search(line):
        return line
    parts = line.split("`")
    for index in range(0, len(parts), 2):
        text = _without_comments(parts[index])
        parts[index] = _EMPHASIS.sub(r"\2", _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", text)))
    return "".join(parts)


def _without_comments(text: str) -> str:
    kept: list[str] = []
    at = 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    return "".join(kept) + text[at:]


def _front_matter(text: str, out: PageWriter) -> int:
    """The length of a block between two lines `---` at the very top, which may name the title."""
    length = 0
    title = None
    for index, line in enumerate(islice(lines_of(text), _FRONT_MATTER_LINES)):
        length += len(line)
        bare = line.rstrip()
        if index == 0 and bare != "---":
            return 0
        if index and bare in ("---", "..."):
            out.title(title)
            return length
        if found := _TITLE.match(bare):
            title = found[1].strip().strip("\"'")
    return 0


EXTRACTOR = Extractor(name="markdown", version=1, read=read)
