"""Zip files that are documents: told apart by what they list and by the part that names their type."""

from __future__ import annotations

import codecs
import re

from ingestion.archives.peek import Peek
from ingestion.archives.source import SeekableFile
from ingestion.errors import ArchiveRefused
from ingestion.limits import Limits

MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"PK00PK")

# The main part's media type, as the list of parts gives it.
_MAIN_PARTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), detected)
    for pattern, detected in (
        (r"wordprocessingml\.(?:document|template)\.main\+xml|ms-word\.\w+\.macroEnabled\w*\.main\+xml", "docx"),
        (r"ms-excel\.sheet\.binary\.macroEnabled\.main", "xlsb"),
        (r"spreadsheetml\.(?:sheet|template)\.main\+xml|ms-excel\.\w+\.macroEnabled\.main\+xml", "xlsx"),
        (r"presentationml\.\w+\.main\+xml|ms-powerpoint\.\w+\.macroEnabled\.main\+xml", "pptx"),
        (r"ms-visio\.\w+\.main\+xml|visio\.drawing\.main\+xml", "vsdx"),
    )
)
_FOLDERS = {"word/": "docx", "xl/": "xlsx", "ppt/": "pptx", "visio/": "vsdx"}
_MEDIA_TYPES = {
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.graphics": "odg",
    "application/epub+zip": "epub",
}
_FIRST_ENTRY = re.compile(rb"PK\x03\x04.{22}\x08\x00\x00\x00mimetype([a-z0-9.+/-]{1,200})", re.DOTALL)
_LOCAL_NAME = re.compile(rb"PK\x03\x04.{22}(..)..", re.DOTALL)


def by_parts(file: SeekableFile, head: bytes, limits: Limits) -> str:
    """The type of a zip file: a document format that is one inside, or plain `zip`."""
    try:
        peek = Peek(file, limits)
    except ArchiveRefused:
        # Cut short or damaged: what it was meant to be can still be seen, and its reader will say what is wrong.
        return _by_folders(_names_in(head)) or _by_first_entry(head) or "zip"
    names = peek.names
    lower = {name.lower(): name for name in names}
    if "mimetype" in lower:
        detected = _by_media_type(peek.start_of(lower["mimetype"], 200))
        if detected is not None:
            return detected
    if "[content_types].xml" in lower:
        listed = _xml_text(peek.start_of(lower["[content_types].xml"], limits.sniff_part_bytes))
        hits = [(m.start(), detected) for pattern, detected in _MAIN_PARTS if (m := pattern.search(listed))]
        detected = min(hits)[1] if hits else _by_folders(names)
        if detected is not None:
            return detected
    if "meta-inf/manifest.xml" in lower and "content.xml" in lower:
        manifest = _xml_text(peek.start_of(lower["meta-inf/manifest.xml"], limits.sniff_part_bytes))
        for media_type, detected in _MEDIA_TYPES.items():
            if f'"{media_type}"' in manifest:
                return detected
    if "meta-inf/container.xml" in lower and any(name.endswith(".opf") for name in lower):
        return "epub"
    if "index/document.iwa" in lower or {"index.zip", "metadata/properties.plist"} <= set(lower):
        return "iwork"
    return "zip"


def is_archive_behind_something(file: SeekableFile, limits: Limits) -> bool:
    """Is it a zip with a script or other bytes in front, as zips may have them? Only the end of a file tells."""
    try:
        return bool(Peek(file, limits).names)
    except ArchiveRefused:
        return False


def _by_media_type(stated: bytes) -> str | None:
    text = stated.decode("ascii", "replace").strip("\ufeff\x00 \r\n")
    return _MEDIA_TYPES.get(text.removesuffix("-template"))


def _by_first_entry(head: bytes) -> str | None:
    """What states its type does so first of all, and unpacked, so that it can be read without knowing zip files."""
    match = _FIRST_ENTRY.match(head)
    return _by_media_type(match[1]) if match else None


def _by_folders(names: list[str]) -> str | None:
    for folder, detected in _FOLDERS.items():
        if "[Content_Types].xml" in names and any(name.startswith(folder) for name in names):
            return detected
    return None


def _names_in(head: bytes) -> list[str]:
    """Names of the entries whose own headers lie in the first bytes."""
    names: list[str] = []
    for match in _LOCAL_NAME.finditer(head):
        length = int.from_bytes(match.group(1), "little")
        names.append(head[match.end() : match.end() + length].decode("utf-8", "replace"))
    return names


def _xml_text(raw: bytes) -> str:
    marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return raw.decode("utf-16" if marked else "utf-8", "replace")
