"""The compression methods of zip: which can be undone here, and how, with bounded memory."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from typing import Protocol

from ingestion.errors import CorruptEntry, UnsupportedCompression

METHOD_STORED, METHOD_DEFLATE, METHOD_BZIP2, METHOD_LZMA, METHOD_AES = 0, 8, 12, 14, 99
SUPPORTED = {METHOD_STORED, METHOD_DEFLATE, METHOD_BZIP2, METHOD_LZMA}
NAMES = {
    0: "Stored",
    1: "Shrink",
    2: "Reduce",
    3: "Reduce",
    4: "Reduce",
    5: "Reduce",
    6: "Implode",
    8: "Deflate",
    9: "Deflate64",
    10: "PKWARE Implode",
    12: "bzip2",
    14: "LZMA",
    16: "IBM CMPSC",
    18: "IBM TERSE",
    19: "IBM LZ77",
    20: "Zstandard",
    93: "Zstandard",
    94: "MP3",
    95: "XZ",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
    99: "AES",
}
# The decoder takes the whole dictionary as memory, and the archive says how large it is: up to 4 GiB.
LZMA_DICTIONARY_LIMIT = 64 * 1024**2


class Decompressor(Protocol):
    """Undoes a compression piece by piece; never returns more than `max_length` bytes at once."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...  # what came after the end of the compressed data
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


# What the standard library's decompressors raise on damaged data; bz2 says OSError.
DECOMPRESSION_ERRORS = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


def unsupported_reason(method: int) -> str:
    """Why entries of this method can not be read, naming it; empty when they can."""
    if method in SUPPORTED:
        return ""
    return f"The file is compressed with {NAMES.get(method, f'method {method}')}, which is not supported."


def decompressor_for(method: int) -> Decompressor:
    """A fresh decompressor; UnsupportedCompression names the method when there is none."""
    if method == METHOD_STORED:
        return _Stored()
    if method == METHOD_DEFLATE:
        return _Deflate()
    if method == METHOD_BZIP2:
        return bz2.BZ2Decompressor()
    if method == METHOD_LZMA:
        return _Lzma()
    raise UnsupportedCompression(unsupported_reason(method))


class _Stored:
    eof = False  # stored data end where the archive says, nowhere else
    needs_input = True
    unused_data = b""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return data


class _Deflate:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
        self._more = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._more

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # A full answer may have more behind it even when all input is taken.
        self._more = bool(self._inner.unconsumed_tail) or len(out) == max_length
        return out


class _Lzma:
    """LZMA as zip stores it: two bytes of version, the length of the properties, the properties, the data."""

    def __init__(self) -> None:
        self._head = b""
        self._inner: lzma.LZMADecompressor | None = None

    @property
    def eof(self) -> bool:
        return self._inner is not None and self._inner.eof

    @property
    def needs_input(self) -> bool:
        return self._inner is None or self._inner.needs_input

    @property
    def unused_data(self) -> bytes:
        return b"" if self._inner is None else self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        if self._inner is not None:
            return self._inner.decompress(data, max_length)
        self._head += data
        if len(self._head) < 9:
            return b""
        (length,) = struct.unpack_from("<H", self._head, 2)
        if length != 5:
            raise CorruptEntry
        packed, dictionary = struct.unpack_from("<BL", self._head, 4)
        if dictionary > LZMA_DICTIONARY_LIMIT:
            raise UnsupportedCompression(
                f"The file is compressed with LZMA and a dictionary of {dictionary:,} bytes; at most "
                f"{LZMA_DICTIONARY_LIMIT:,} are accepted."
            )
        if packed >= 9 * 5 * 5:
            raise CorruptEntry
        rest, lc = divmod(packed, 9)
        pb, lp = divmod(rest, 5)
        chain = {"id": lzma.FILTER_LZMA1, "dict_size": max(dictionary, 4096), "lc": lc, "lp": lp, "pb": pb}
        self._inner = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[chain])
        return self._inner.decompress(self._head[9:], max_length)
