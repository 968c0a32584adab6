"""PDFs made object by object: with passwords, with pictures in place of text, with text that is no text."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Sequence

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
IDENTIFIER = b"0123456789abcdef"
Change = Callable[[int, bytes], bytes]


def one_page(content: bytes) -> bytes:
    """A PDF of one page with these drawing instructions."""
    return _file(content, FONT, [])


def written(text: bytes) -> bytes:
    """Drawing instructions that write these character codes."""
    return b"BT /F 12 Tf 72 700 Td <%s> Tj ET" % text.hex().encode()


def bomb(mebibytes: int) -> bytes:
    """A page whose instructions are blanks, packed twice: a million times larger than the file."""
    packer = zlib.compressobj(1)
    blanks = b"".join([*(packer.compress(b" " * 1024 * 1024) for _ in range(mebibytes)), packer.flush()])
    packed = zlib.compress(blanks, 9)
    filters = b"<< /Length %d /Filter [/FlateDecode /FlateDecode] >>" % len(packed)
    return one_page(packed).replace(b"<< /Length %d >>" % len(packed), filters)


def scan() -> bytes:
    """A page that is one picture."""
    return one_page(b"q 400 0 0 600 72 100 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q")


def with_characters(text: bytes, mapped: dict[int, str], title: str) -> bytes:
    """A text whose font says what some codes mean, in hexadecimal UTF-16 that need not be a character; so the title."""
    lines = b"\n".join(b"<%02x> <%s>" % (code, hexadecimal.encode()) for code, hexadecimal in mapped.items())
    table = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /T def /CMapType 2 def\n"
        b"1 begincodespacerange <00> <ff> endcodespacerange\n"
        b"%d beginbfchar\n%s\nendbfchar\nendcmap end end" % (len(mapped), lines)
    )
    font = FONT.replace(b" >>", b" /ToUnicode 6 0 R >>")
    info = b"<< /Title <FEFF%s> >>" % title.encode()
    return _file(written(text), font, [_stream(table), info], trailer=b" /Info 7 0 R")


def locked(content: bytes, *, user: bytes, owner: bytes) -> bytes:
    """The page encrypted (RC4, 40 bits). Without a user's password everybody may open it."""
    owner_key = hashlib.md5(_padded(owner)).digest()[:5]
    owner_entry = _rc4(owner_key, _padded(user))
    permissions = -64  # nothing is allowed
    key = hashlib.md5(_padded(user) + owner_entry + struct.pack("<i", permissions) + IDENTIFIER).digest()[:5]
    encrypt = b"<< /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P %d >>" % (
        owner_entry.hex().encode(), _rc4(key, _padded(b"")).hex().encode(), permissions,
    )  # fmt: skip

    def change(number: int, stream: bytes) -> bytes:
        mine = hashlib.md5(key + struct.pack("<L", number)[:3] + b"\0\0").digest()[:10]
        return _rc4(mine, stream)

    identifier = IDENTIFIER.hex().encode()
    trailer = b" /Encrypt 6 0 R /ID [<%s> <%s>]" % (identifier, identifier)
    return _file(content, FONT, [encrypt], change=change, trailer=trailer)


def _file(
    content: bytes, font: bytes, more: Sequence[bytes], *, change: Change | None = None, trailer: bytes = b""
) -> bytes:
    page = b"/MediaBox [0 0 595 842] /Resources << /Font << /F 5 0 R >> >> /Contents 4 0 R"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R %s >>" % page,
        _stream(change(4, content) if change else content),
        font,
        *more,
    ]
    data, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    data += b"trailer\n<< /Size %d /Root 1 0 R%s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, start)
    return bytes(data)


def _stream(data: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(data), data)


_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")


def _padded(password: bytes) -> bytes:
    return (password + _PADDING)[:32]


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)
