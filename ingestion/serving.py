"""How a document's bytes are handed to a browser so that they can do no harm: always a download, never a page of ours.

Pure functions: the headers, the type that is named, the part of a file that a request asks for.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

from ingestion.sniffing.kinds import KINDS

UNKNOWN = "application/octet-stream"
ACTIVE = frozenset({"html", "svg", "xml", "eml", "mbox", "postscript", "exe", "elf", "macho", "java_class", "unknown"})
"""Types that can hold a program or a page; they are served as bytes of no known type."""
TYPES = {kind: found.mime for kind, found in KINDS.items() if kind not in ACTIVE and kind != "empty"} | {
    "text": "text/plain; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "markdown": "text/plain; charset=utf-8",
}
"""What each detected type is served as. The closed table: whatever is not in it is `UNKNOWN`."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private",
}
LONGEST_NAME = 200
"""Characters of a name that are passed on; most file systems take 255 bytes."""
_RANGE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?"[^"]*"')


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What of a file is asked for: the bytes from `start` to before `stop`. `whole`: all of it, without a range."""

    start: int
    stop: int
    whole: bool


class CanNotSatisfy(Exception):
    """The range lies outside of the file."""


def type_for(detected: str) -> str:
    """The media type that a document of this detected type is served as."""
    return TYPES.get(detected, UNKNOWN)


def disposition(name: str) -> str:
    """Content-Disposition (RFC 6266, RFC 8187): an attachment with the name, in ASCII and, where it differs, in UTF-8.

    Control characters and those that turn the direction of writing are left out, as are quotes, paths and line ends:
    a name can not end the header, nor look as if it ended otherwise than it does.
    """
    clean = _clean(name)
    letters = (each for each in unicodedata.normalize("NFKD", clean) if not unicodedata.combining(each))
    ascii_only = "".join(each if each.isascii() and each not in '%"\\' else "_" for each in letters)
    said = f'attachment; filename="{ascii_only}"'
    return said if ascii_only == clean else f"{said}; filename*=UTF-8''{quote(clean, safe='')}"


def _clean(name: str) -> str:
    kept = "".join(
        " " if unicodedata.category(each) in ("Zl", "Zp", "Zs") else each
        for each in unicodedata.normalize("NFC", name)
        if unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    kept = re.sub(r'[/\\:*?"<>|]', "_", kept).strip(" .") or "download"
    if len(kept) <= LONGEST_NAME:
        return kept
    stem, dot, ending = kept.rpartition(".")
    short = len(ending) <= 10 and bool(dot)
    return f"{stem[: LONGEST_NAME - len(ending) - 1]}.{ending}" if short else kept[:LONGEST_NAME]


def etag(sha256: str) -> str:
    """The validator of a content: its hash."""
    return f'"{sha256}"'


def is_known(if_none_match: str, sha256: str) -> bool:
    """Whether the asker has the content already (If-None-Match)."""
    wanted = [tag.removeprefix("W/") for tag in _TAG.findall(if_none_match)]
    return if_none_match.strip() == "*" or etag(sha256) in wanted


def part_of(asked: str, if_range: str, size: int, sha256: str) -> Part:
    """What the headers Range and If-Range ask for. Raises CanNotSatisfy for a range that begins behind the end.

    Several ranges, other units, and ranges of another content (an If-Range that is not our ETag) mean the whole.
    """
    whole = Part(start=0, stop=size, whole=True)
    found = _RANGE.fullmatch(asked)
    if found is None or (if_range and if_range != etag(sha256)):
        return whole
    first, last = found.groups()
    if not first and not last:
        return whole
    if not first:
        if not int(last) or not size:
            raise CanNotSatisfy
        return Part(start=max(0, size - int(last)), stop=size, whole=False)
    if last and int(last) < int(first):
        return whole  # no range at all, as RFC 9110 has it
    if int(first) >= size:
        raise CanNotSatisfy
    return Part(start=int(first), stop=min(size, int(last) + 1) if last else size, whole=False)
