"""Of 7z archives, which are not opened here, only whether they are encrypted: the refusal should say so."""

from __future__ import annotations

import struct

from ingestion.archives.source import Source, opened, read_at

MAGIC = b"7z\xbc\xaf\x27\x1c"
START = struct.Struct("<6s2sLQQL")
HEADER_BYTES = 64 * 1024
_AES = b"\x24\x06\xf1\x07\x01"  # a coder of four bytes with properties: AES-256 with SHA-256


def is_encrypted_7z(source: Source) -> bool:
    """Whether it is a 7z whose list of files is encrypted, or whose open list says that its files are."""
    with opened(source) as file:
        raw = read_at(file, 0, START.size)
        if len(raw) < START.size or not raw.startswith(MAGIC):
            return False
        _, _, _, offset, size, _ = START.unpack(raw)
        if offset >= 1 << 62:  # no file is that long, and no system seeks there
            return False
        return _AES in read_at(file, START.size + offset, min(size, HEADER_BYTES))
