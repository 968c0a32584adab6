"""Is it text, and in which encoding? Asked of a file's first bytes only; extraction decodes the whole."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from charset_normalizer import from_bytes

SAMPLE_BYTES = 8 * 1024

# UTF-32 before UTF-16: its little-endian mark begins with the other's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Those in real use; among all that it knows, the detector's answers to short texts are a lottery.
_CODE_PAGES = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2", "koi8_r"),
    *("cp866", "cp932", "euc_jp", "gb18030", "big5", "cp949", "mac_roman", "cp850", "cp037", "cp500"),
]
# Tab, line ends, form feed, the old end-of-file mark and the escape of ISO-2022 do occur in text.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x19\x1c-\x1f\x7f\ufffd-\uffff]")
# In Unicode they are odd but meant; in a guessed code page they say that the guess is wrong.
_UPPER_CONTROLS = re.compile("[\x80-\x9f]")
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
ODD_CONTROLS_PER_MILLE = 10


class Head(NamedTuple):
    """The first characters of a text file."""

    text: str
    encoding: str
    complete: bool  # is this the whole file?


def decode_head(data: bytes, complete: bool) -> Head | None:
    """The beginning of a file as text, None when it is not text."""
    encoding = _marked(data) or _zeros(data)
    if encoding is None:
        encoding = "utf-8" if _fits(data, "utf-8", complete) else _detected(data)
    guessed = encoding in _CODE_PAGES
    if encoding is None:
        return None
    text = codecs.getincrementaldecoder(encoding)("replace").decode(data, final=complete)
    odd = len(_CONTROLS.findall(text)) + (len(_UPPER_CONTROLS.findall(text)) if guessed else 0)
    if odd * 1000 > len(text) * ODD_CONTROLS_PER_MILLE and odd > 1:
        return None
    return Head(text.removeprefix("\ufeff"), encoding, complete)


def _marked(data: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)


def _zeros(data: bytes) -> str | None:
    """UTF-16 without a mark: in Western text every second byte is zero."""
    half = len(data) // 2
    if half < 2 or b"\x00" not in data:
        return None
    even, odd = data[0::2].count(0) / half, data[1::2].count(0) / half
    if odd > 0.3 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.3 and odd < 0.05 else None


def _fits(data: bytes, encoding: str, complete: bool) -> bool:
    """A character cut in two at the end of what was read is no fault."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(data, final=complete)
    except UnicodeDecodeError:
        return False
    return True


def _detected(data: bytes) -> str | None:
    """What the detector takes the bytes for; text that is UTF-8 but for a few bytes stays UTF-8."""
    repaired = data.decode("utf-8", "replace")
    replaced = repaired.count("\ufffd")
    if replaced * 20 <= sum(not character.isascii() for character in repaired) - replaced:
        return "utf-8"
    if b"\x00" in data:
        return None
    first = _HIGH_BYTE.search(data)
    start = max(0, first.start() - 512) if first else 0
    matches = list(from_bytes(data[start : start + SAMPLE_BYTES], cp_isolation=_CODE_PAGES))
    if not matches:
        return None
    equals = (m for m in matches if m.chaos <= matches[0].chaos and m.coherence >= matches[0].coherence)
    # Short Western texts fit several code pages alike; then it is the one that Windows writes.
    western = any("cp1252" in (match.encoding, *match.could_be_from_charset) for match in equals)
    return "cp1252" if western else matches[0].encoding
