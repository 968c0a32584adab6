"""Types that show in a file's first bytes."""

from __future__ import annotations

import re

_AT_START: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"8BPS\x00\x01", "photoshop"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"MSCF\x00\x00\x00\x00", "cab"),
    (b"\x7fELF", "elf"),
    (b"\xfe\xed\xfa\xce", "macho"),
    (b"\xfe\xed\xfa\xcf", "macho"),
    (b"\xce\xfa\xed\xfe", "macho"),
    (b"\xcf\xfa\xed\xfe", "macho"),
    (b"\xca\xfe\xba\xbe\x00", "java_class"),
    (b"SQLite format 3\x00", "sqlite"),
    (b"ID3\x02", "mp3"),
    (b"ID3\x03", "mp3"),
    (b"ID3\x04", "mp3"),
    (b"fLaC\x00", "flac"),
    (b"OggS\x00", "ogg"),
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"AT&TFORM", "djvu"),
    (b"\xffWPC", "wordperfect"),
    (b"\x78\x9f\x3e\x22", "tnef"),
    (b"{\\rtf", "rtf"),
    (b"%!PS", "postscript"),
    (b"\xc5\xd0\xd3\xc6", "postscript"),
    # Excel 2, 3 and 4 had no container around their records.
    (b"\x09\x00\x04\x00", "xls"),
    (b"\x09\x02\x06\x00", "xls"),
    (b"\x09\x04\x06\x00", "xls"),
)
_AT_START_PATTERNS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), "bzip2"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "webp"),
    (re.compile(rb"RIFF....WAVE", re.DOTALL), "wav"),
    (re.compile(rb"RIFF....AVI ", re.DOTALL), "avi"),
    (re.compile(rb"BM....\x00\x00\x00\x00..\x00\x00", re.DOTALL), "bmp"),
    (re.compile(rb".{4}ftyp(?:heic|heix|mif1|msf1)", re.DOTALL), "heic"),
    (re.compile(rb".{4}ftyp", re.DOTALL), "mp4"),
    (re.compile(rb".{257}ustar", re.DOTALL), "tar"),
    (re.compile(rb"\s*%PDF-"), "pdf"),
)
# Readers accept a PDF whose first line stands within the first kilobyte, behind what a mail program or an old Mac
# put there. Text that only talks about PDF has no objects after it.
_PDF_LATER = re.compile(rb"(?:[\r\n]|[\x00-\x08\x80-\xff])%PDF-\d")
_PDF_OBJECT = re.compile(rb"\d{1,10} \d{1,5} obj\b")


def by_signature(head: bytes) -> str | None:
    """The type that the first bytes give away, None for text and for all that needs a closer look."""
    for magic, detected in _AT_START:
        if head.startswith(magic):
            return detected
    for pattern, detected in _AT_START_PATTERNS:
        if pattern.match(head):
            return detected
    if _PDF_LATER.search(head[:1100]) and _PDF_OBJECT.search(head):
        return "pdf"
    return "exe" if _is_dos_program(head) else None


def has_pdf_objects(head: bytes) -> bool:
    """Are there objects as in a PDF, whose first line is damaged then?"""
    return _PDF_OBJECT.search(head) is not None and b"endobj" in head


def _is_dos_program(head: bytes) -> bool:
    """MZ alone is two letters; a program's header is not text and mostly points to another one."""
    if not head.startswith(b"MZ") or len(head) < 64:
        return False
    new_header = int.from_bytes(head[60:64], "little")
    return head[new_header : new_header + 2] in (b"PE", b"NE", b"LE", b"LX") or b"\x00" in head[:64]
