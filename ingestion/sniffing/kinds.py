"""The types that sniffing knows, and those that a project adds: their media type and the endings of their names."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

logger = logging.getLogger(__name__)


class Kind(NamedTuple):
    """One type of file.

    An added one is told by `matches`, which is asked for the first bytes: with `first` before all signatures.
    """

    mime: str
    extensions: tuple[str, ...] = ()
    matches: Callable[[bytes], bool] | None = None
    first: bool = False


OOXML = "application/vnd.openxmlformats-officedocument."
ODF = "application/vnd.oasis.opendocument."

KINDS: dict[str, Kind] = {
    # Documents whose text can be taken.
    "pdf": Kind("application/pdf", ("pdf",)),
    "docx": Kind(OOXML + "wordprocessingml.document", ("docx", "docm", "dotx", "dotm")),
    "xlsx": Kind(OOXML + "spreadsheetml.sheet", ("xlsx", "xlsm", "xltx", "xltm")),
    "pptx": Kind(OOXML + "presentationml.presentation", ("pptx", "pptm", "ppsx", "ppsm", "potx", "potm")),
    "odt": Kind(ODF + "text", ("odt", "ott")),
    "ods": Kind(ODF + "spreadsheet", ("ods", "ots")),
    "odp": Kind(ODF + "presentation", ("odp", "otp")),
    "epub": Kind("application/epub+zip", ("epub",)),
    "csv": Kind("text/csv", ("csv", "tsv", "tab")),
    "html": Kind("text/html", ("html", "htm", "xhtml")),
    "markdown": Kind("text/markdown", ("md", "markdown", "mdown")),
    "text": Kind("text/plain", ("txt", "text", "log")),
    "json": Kind("application/json", ("json", "jsonl", "ndjson", "geojson")),
    "eml": Kind("message/rfc822", ("eml", "mht", "mhtml")),
    "rtf": Kind("application/rtf", ("rtf", "doc")),
    "xml": Kind("application/xml", ("xml", "xsl", "xslt", "xsd", "rss", "atom", "kml")),
    "xls": Kind("application/vnd.ms-excel", ("xls", "xlt", "xlw")),
    "doc": Kind("application/msword", ("doc", "dot")),
    # Documents that are recognised, so that a refusal can name them.
    "ppt": Kind("application/vnd.ms-powerpoint", ("ppt", "pps", "pot")),
    "xlsb": Kind("application/vnd.ms-excel.sheet.binary.macroenabled.12", ("xlsb",)),
    "vsd": Kind("application/vnd.visio", ("vsd",)),
    "vsdx": Kind("application/vnd.ms-visio.drawing", ("vsdx",)),
    "msg": Kind("application/vnd.ms-outlook", ("msg",)),
    "tnef": Kind("application/vnd.ms-tnef"),
    # An office file with a password: an OLE file that holds the encrypted package.
    "encrypted_office": Kind("application/x-ole-storage", ("docx", "docm", "xlsx", "xlsm", "pptx", "pptm")),
    "ole": Kind("application/x-ole-storage"),
    "odg": Kind(ODF + "graphics", ("odg",)),
    "iwork": Kind("application/vnd.apple.iwork", ("pages", "numbers", "key")),
    "mbox": Kind("application/mbox", ("mbox", "mbx")),
    "svg": Kind("image/svg+xml", ("svg",)),
    "postscript": Kind("application/postscript", ("ps", "eps", "ai")),
    "djvu": Kind("image/vnd.djvu", ("djvu", "djv")),
    "wordperfect": Kind("application/vnd.wordperfect", ("wpd", "wp")),
    # Pictures, sound, video.
    "png": Kind("image/png", ("png",)),
    "jpeg": Kind("image/jpeg", ("jpg", "jpeg", "jpe")),
    "gif": Kind("image/gif", ("gif",)),
    "bmp": Kind("image/bmp", ("bmp",)),
    "tiff": Kind("image/tiff", ("tif", "tiff")),
    "webp": Kind("image/webp", ("webp",)),
    "heic": Kind("image/heic", ("heic", "heif")),
    "photoshop": Kind("image/vnd.adobe.photoshop", ("psd",)),
    "wav": Kind("audio/wav", ("wav",)),
    "mp3": Kind("audio/mpeg", ("mp3",)),
    "flac": Kind("audio/flac", ("flac",)),
    "ogg": Kind("application/ogg", ("ogg", "oga", "ogv", "opus")),
    "mp4": Kind("video/mp4", ("mp4", "m4v", "m4a", "mov", "3gp")),
    "avi": Kind("video/x-msvideo", ("avi",)),
    "matroska": Kind("video/x-matroska", ("mkv", "webm")),
    # Archives, programs, data.
    "zip": Kind("application/zip", ("zip",)),
    "7z": Kind("application/x-7z-compressed", ("7z",)),
    "rar": Kind("application/vnd.rar", ("rar",)),
    "tar": Kind("application/x-tar", ("tar",)),
    "gzip": Kind("application/gzip", ("gz", "tgz")),
    "bzip2": Kind("application/x-bzip2", ("bz2", "tbz2")),
    "xz": Kind("application/x-xz", ("xz", "txz")),
    "zstd": Kind("application/zstd", ("zst",)),
    "cab": Kind("application/vnd.ms-cab-compressed", ("cab",)),
    "exe": Kind("application/vnd.microsoft.portable-executable", ("exe", "dll", "sys", "scr")),
    "elf": Kind("application/x-elf", ("so", "elf")),
    "macho": Kind("application/x-mach-binary", ("dylib",)),
    "java_class": Kind("application/java-vm", ("class",)),
    "sqlite": Kind("application/vnd.sqlite3", ("sqlite", "db", "sqlite3")),
    "empty": Kind("application/x-empty"),
    "unknown": Kind("application/octet-stream"),
}

# Types that are themselves readable text: 'txt' is a true name for any of them.
TEXTUAL = frozenset({"text", "csv", "markdown", "json", "html", "eml", "mbox", "xml", "svg", "rtf", "postscript"})

_BY_EXTENSION: dict[str, set[str]] = {}
for _type, _kind in KINDS.items():
    for _extension in _kind.extensions:
        _BY_EXTENSION.setdefault(_extension, set()).add(_type)

_added: dict[str, Kind] = {}


def set_added(kinds: Mapping[str, Kind]) -> None:
    """Make these, and no others, the types that are known beside `KINDS`."""
    _added.clear()
    _added.update(kinds)


def kind_of(detected: str) -> Kind:
    """What is known of a type."""
    return _added.get(detected) or KINDS[detected]


def by_added(head: bytes, *, first: bool) -> str | None:
    """The added type that the first bytes are of. One whose function fails is logged and counts as "no"."""
    for added, kind in _added.items():
        if kind.matches is None or kind.first != first:
            continue
        try:
            if kind.matches(head):
                return added
        except Exception:
            logger.exception("the function that tells files of the type %r failed", added)
    return None


def extension_of(name: str) -> str:
    """The ending of a name in lower case, without its dot; empty when it has none."""
    return name.rpartition(".")[2].lower().strip() if "." in name else ""


def claimed_by(name: str) -> frozenset[str]:
    """The types that a name claims; none when its ending means nothing here."""
    extension = extension_of(name)
    added = {each for each, kind in _added.items() if extension in kind.extensions}
    return frozenset(added.union(_BY_EXTENSION.get(extension, ())))


def contradicts(name: str, detected: str) -> bool:
    """Does the name claim another type than the content has?"""
    claimed = claimed_by(name)
    if not claimed or detected in claimed or detected == "empty":
        return False
    return not ("text" in claimed and detected in TEXTUAL)
