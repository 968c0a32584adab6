"""Hostile archives beyond those of `tests.ingestion.hostile_zips`: large bombs, hard links, real packers' output."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import replace

from tests.ingestion import hostile_zips as zips

MIB = 1024 * 1024


def zeros_entry(size: int) -> zips.Entry:
    """An entry of `size` zeros in a thousandth of that: one packed piece, repeated. Its checksum is not right."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)  # after it nothing before is referred to
    data = piece * (size // MIB) + zips.deflated(b"")
    sizes = (0xFFFFFFFF, 0xFFFFFFFF)
    extra = struct.pack("<HHQQ", 1, 16, size, len(data))
    honest = zips.entry("zeros.bin", b"")
    return replace(
        honest, payload=data, local_sizes=sizes, central_sizes=sizes, local_extra=extra, central_extra=extra, crc=1
    )


def zeros(size: int) -> bytes:
    """An archive of such an entry and an honest one."""
    return zips.archive(zips.entry("notes.txt"), zeros_entry(size), zip64=True)


def hard_link(name: str, target: str) -> zips.Entry:
    """A file that is said to be another name of `target`, as programs on Unix note it: no mode tells a hard link."""
    data = struct.pack("<LLHH", 0, 0, 0, 0) + target.encode()
    extra = struct.pack("<HH", 0x000D, len(data)) + data
    return replace(zips.entry(name, b""), local_extra=extra, central_extra=extra)


def packed_by(method: int, name: str, content: bytes) -> bytes:
    """A zip written by the standard library with this method."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def last_volume() -> bytes:
    """The .zip of a spanned archive: its end record counts the .z01 and .z02 that are not there."""
    return zips.archive(zips.entry("a.txt"))[:-22] + zips.end_record(1, 52, 40, disk=2)


# One small text, packed by py7zr with a password and an encrypted header.
ENCRYPTED_7Z = bytes.fromhex(
    "377abcaf271c00044108035f80000000000000002800000000000000060fd59445c607245ebf8741739b0a8031914e76a1a0fef355cd15e58"
    "50f73fa56bc781531634faba44bcbde06e190fd46613334a0d033e9f29f046c0026008550361ce9b1a3611a0b1c5fc4e0be0edb9e7bacfdad"
    "2899b9e55139553d2f3c1af4c3995e038fa8fc7c556f8bb87de4b47a8034eb4451cb7d1341689db5be7aec5387577017061001097000070b0"
    "100012406f1070112530f0a63da0c4039180254017acf2d3e58710c650000"
)
