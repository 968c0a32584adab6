"""Which alphabet an archive's names are written in. Zip files mostly do not say.

A flag means UTF-8; without it the format means cp437, but programs write whatever their system uses. Names of
one archive come from one system, so all of them together are asked.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from typing import NamedTuple

from ingestion.archives.directory import CentralEntry, extra_fields

UTF8_FLAG = 1 << 11
UNICODE_PATH_EXTRA = 0x7075
SAMPLE_BYTES = 16 * 1024

_NEEDED_SHARE = 0.75


class _TwoByte(NamedTuple):
    """A two-byte encoding by the first bytes of its characters.

    Text in the right encoding is made of common characters; text in a wrong one strays into rare ones.
    """

    common: tuple[range, ...]
    punctuation: range  # says nothing either way


_TWO_BYTE = {
    "cp932": _TwoByte((range(0x82, 0x84), range(0x88, 0x98)), range(0x81, 0x82)),  # kana, everyday kanji
    "gb18030": _TwoByte((range(0xB0, 0xD8),), range(0xA1, 0xA4)),  # the 3,755 most frequent characters
}


def decoder(entries: list[CentralEntry]) -> str:
    """The encoding for the names that do not say theirs: cp437 unless they fit another one clearly better."""
    names = [e.raw_name for e in entries if not e.flags & UTF8_FLAG and not e.raw_name.isascii()]
    sample = b"/".join(names)[:SAMPLE_BYTES]
    if not sample:
        return "cp437"
    if all(_decodes(name, "utf-8") for name in names):
        return "utf-8"
    shares = {encoding: _common_share(names, encoding) for encoding in _TWO_BYTE}
    best = max(shares, key=lambda encoding: shares[encoding])
    return best if shares[best] >= _NEEDED_SHARE else "cp437"


def decode_name(entry: CentralEntry, encoding: str) -> str:
    """The entry's name as text. Every byte becomes something: an unreadable name is still a label."""
    if entry.flags & UTF8_FLAG and _decodes(entry.raw_name, "utf-8"):
        return unicodedata.normalize("NFC", entry.raw_name.decode("utf-8"))
    stated = _unicode_path(entry)
    if stated is not None:
        return unicodedata.normalize("NFC", stated)
    if _decodes(entry.raw_name, encoding):
        return unicodedata.normalize("NFC", entry.raw_name.decode(encoding))
    return entry.raw_name.decode("cp437")


def _unicode_path(entry: CentralEntry) -> str | None:
    """The UTF-8 name that some programs put beside the other, if it belongs to that other one."""
    extra = extra_fields(entry.extra).get(UNICODE_PATH_EXTRA, b"")
    if len(extra) <= 5 or int.from_bytes(extra[1:5], "little") != zlib.crc32(entry.raw_name):
        return None
    return extra[5:].decode("utf-8") if _decodes(extra[5:], "utf-8") else None


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _common_share(names: list[bytes], encoding: str) -> float:
    """Of the characters that are not ASCII, the share that is common in this encoding's language."""
    table = _TWO_BYTE[encoding]
    common = total = 0
    for name in names:
        if not _decodes(name, encoding):
            return 0.0
        for run in re.findall(r"[^\x00-\x7f]+", name.decode(encoding)):
            for character in run:
                pair = character.encode(encoding)
                if pair[0] in table.punctuation:
                    continue
                total += 1
                # A Western letter with its ASCII neighbour can look like one such character, hardly like two.
                convincing = len(pair) == 2 and (pair[1] >= 0x80 or len(run) > 1)
                common += convincing and any(pair[0] in firsts for firsts in table.common)
    return common / total if total else 0.0
