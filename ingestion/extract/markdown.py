"""Markdown: the words without the marks, so that a bold syllable does not tear its word apart in the index."""

from __future__ import annotations

import re
from pathlib import Path

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
    lines = read_text(path, out).replace("\r\n", "\n").split("\n")
    body = _after_front_matter(lines, out)
    fence = ""
    for index in range(body, len(lines)):
        line = lines[index]
        if mark := _FENCE.match(line):
            if not fence:
                fence = mark[1]
                continue
            if mark[1].startswith(fence) and line.strip() == mark[1]:
                fence = ""
                continue
        if fence:
            out.line(line)
            continue
        heading = _HEADING.match(line)
        if heading:
            line = _CLOSING_MARKS.sub("", line[heading.end() :])
        elif _UNDERLINE.match(line) and index > body and lines[index - 1].strip():
            out.title(plain(lines[index - 1]))
            continue
        text = plain(line)
        if heading:
            out.title(text)
        out.line(text)
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


def _after_front_matter(lines: list[str], out: PageWriter) -> int:
    """Where the text begins: after a block between two lines `---` at the very top, which may name the title."""
    if lines[0].rstrip() != "---":
        return 0
    for index, line in enumerate(lines[1:_FRONT_MATTER_LINES], start=1):
        if line.rstrip() in ("---", "..."):
            return index + 1
        if title := _TITLE.match(line):
            out.title(title[1].strip().strip("\"'"))
    return 0


EXTRACTOR = Extractor(name="markdown", version=1, read=read)
