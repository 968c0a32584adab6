"""Bytes to text, in the order that is right most often: byte order mark, strict UTF-8, then a detector.

Strict UTF-8 is hardly ever right by accident, so it comes before anything that guesses. A file that is UTF-8 but
for a few bytes stays UTF-8, with a warning that counts them. Only then charset-normalizer is asked, about the
code pages that are in real use: among all it knows, its answers to short texts are a lottery.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from charset_normalizer import from_bytes

from ingestion.errors import EncodingUnreadable
from ingestion.extract.contract import PageWriter

BLOCK = 1 << 20
SAMPLE = 256 << 10
# Up to one undecodable byte in this many other non-ASCII characters, a text is damaged UTF-8, not something else.
DAMAGE = 20
# At most one control character in this many characters, or it is no text.
MAX_CONTROLS = 30

Blocks = Callable[[], Iterator[bytes]]  # gives the bytes from the start again on every call

# UTF-32-LE before UTF-16-LE: its mark begins with the other's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CODE_PAGES = [
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2", "koi8_r"),
    *("cp866", "cp932", "euc_jp", "gb18030", "big5", "cp949", "mac_roman", "cp850", "cp037", "cp500"),
]
# What a document may name as its encoding: text encodings only, none whose cost grows with the square.
_NAMEABLE = re.compile(
    r"(?:us-)?ascii|utf-?(?:8|16|32)(?:-?[lb]e)?|iso-?8859-?\d+|latin-?\d+|iso-?2022-(?:jp|kr)[\w-]*|hz|hz-gb-2312"
    r"|(?:windows-?|cp|ibm-?)\d+|koi8-[rtu]|mac-?[a-z]+|x-sjis|s(?:hift-?)?jis[\w-]*|euc-?(?:jp|kr)|gb2312|gbk"
    r"|gb18030|big5(?:-?hkscs)?|ks-c-5601-1987|johab|tis-?620"
)
# Browsers read these two as Windows-1252, because the programs that write the names mean it.
_REALLY_CP1252 = frozenset({"iso8859-1", "ascii"})
# Encodings that write everything in ASCII bytes, so that UTF-8 would seem to fit.
_SEVEN_BIT = ("iso2022", "hz")
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_ODD_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f\ufffd]")


def read_text(path: Path, out: PageWriter, *, named: str | None = None) -> str:
    """The text of the file, up to just above the character limit; never its bytes as a whole in memory.

    `named` is the encoding that the document itself names, if any. Raises EncodingUnreadable when the bytes are
    text in no encoding tried; warns through `out` when some had to be replaced.
    """

    def blocks() -> Iterator[bytes]:
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                yield block

    return text_of(blocks, out, named=named)


def text_of(blocks: Blocks, out: PageWriter, *, named: str | None = None) -> str:
    """`read_text` for what is no file of its own, such as a chapter of a book."""
    text = _decode(blocks, out, named)
    if len(text) > out.limits.max_text_characters:
        out.warn_of_cut_text()
    return text


def decode_bytes(data: bytes, out: PageWriter, *, named: str | None = None) -> str:
    """`read_text` for bytes in memory, such as the body of an e-mail."""
    return _decode(lambda: iter((data,)), out, named)


def named_encoding(name: str | None) -> str | None:
    """The Python codec for an encoding's name found in a document; None where it is unknown or not allowed."""
    wanted = (name or "").strip().strip("\"'").lower().replace("_", "-")
    if not _NAMEABLE.fullmatch(wanted):
        return None
    try:
        codec = codecs.lookup(wanted.removeprefix("x-"))
    except LookupError:
        return None
    return "cp1252" if codec.name in _REALLY_CP1252 else codec.name


def _decode(blocks: Blocks, out: PageWriter, named: str | None) -> str:
    limit = out.limits.max_text_characters + 1
    codec = named_encoding(named)
    certain = _marked(blocks)
    first = (codec,) if codec and codec.startswith(_SEVEN_BIT) else ()
    for encoding in (certain,) if certain else (*first, "utf-8", codec):
        if encoding and (text := _strict(blocks, encoding, limit)) is not None:
            return text
    if certain is None:
        damaged_utf8 = _text(blocks, "utf-8", limit, "replace")
        replaced = damaged_utf8.count("\ufffd")
        others = len(damaged_utf8) - len(damaged_utf8.encode("ascii", "ignore")) - replaced
        if replaced * DAMAGE <= others:
            return _warned(damaged_utf8, "UTF-8", out)
    encoding = certain or _guess(_telling_sample(blocks))
    if encoding is None:
        raise EncodingUnreadable
    return _warned(_text(blocks, encoding, limit, "replace"), encoding, out)


def _text(blocks: Blocks, encoding: str, limit: int, errors: str) -> str:
    """The whole text, `limit` characters at most."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    parts: list[str] = []
    for block in blocks():
        parts.append(decoder.decode(block)[:limit])
        limit -= len(parts[-1])
        if limit <= 0:
            break
    else:
        parts.append(decoder.decode(b"", final=True)[:limit])
    return "".join(parts)


def _strict(blocks: Blocks, encoding: str, limit: int) -> str | None:
    try:
        return _text(blocks, encoding, limit, "strict")
    except UnicodeError:
        return None


def _marked(blocks: Blocks) -> str | None:
    """The encoding that the first bytes give away: a byte order mark, or the zeros of UTF-16 without one."""
    head = next(blocks(), b"")[:SAMPLE]
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    zeros, half = head.count(0), max(1, len(head) // 2)
    if not zeros:
        return None
    even, odd = head[0::2].count(0) / half, head[1::2].count(0) / half
    if odd > 0.3 and even < 0.05:
        return "utf-16-le"
    if even > 0.3 and odd < 0.05:
        return "utf-16-be"
    if zeros > len(head) / 10:
        raise EncodingUnreadable("This is not text: it is full of zero bytes.")
    return None


def _telling_sample(blocks: Blocks) -> bytes:
    """The part of the text around its first bytes that are not ASCII; only they tell encodings apart."""
    for block in blocks():
        if found := _HIGH_BYTE.search(block):
            return block[max(0, found.start() - 1024) :][:SAMPLE]
    return next(blocks(), b"")[:SAMPLE]


def _guess(sample: bytes) -> str | None:
    """The likeliest code page; Windows-1252 among equals, None when the best one yields control characters."""
    matches = list(from_bytes(sample, cp_isolation=_CODE_PAGES))
    encoding = matches[0].encoding if matches else "cp1252"
    for match in matches:
        equal = match.chaos <= matches[0].chaos and match.coherence >= matches[0].coherence
        if equal and "cp1252" in (match.encoding, *match.could_be_from_charset):
            encoding = "cp1252"
    text = sample.decode(encoding, "replace")
    return encoding if len(_ODD_CONTROLS.findall(text)) * MAX_CONTROLS <= len(text) else None


def _warned(text: str, encoding: str, out: PageWriter) -> str:
    if count := text.count("\ufffd"):
        out.warn("encoding_damaged", f"{count:,} characters could not be read as {encoding} and became \ufffd")
    return text
