"""What is read of and written to OLE files beside their streams: the title, and a new container for one stream."""

from __future__ import annotations

import struct

from ingestion.errors import ContentTooLarge
from ingestion.extract.decode import named_encoding
from ingestion.sniffing.compound import ENTRY_BYTES, MAGIC, SMALL_STREAM, OleFile

_PROPERTIES = "\x05summaryinformation"
_MAX_PROPERTIES = 1 << 20
_CODE_PAGE, _TITLE = 1, 2
_SECTOR = 4096
_TABLES = 109  # as many as the header lists
_FREE, _END, _TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def document_title(ole: OleFile) -> str | None:
    """The title in the document's properties, if it has one that can be read."""
    stream = ole.streams.get(_PROPERTIES)
    if stream is None or stream.size > _MAX_PROPERTIES:
        return None
    try:
        data = ole.read(_PROPERTIES)
        (section,) = struct.unpack_from("<L", data, 44)
        (count,) = struct.unpack_from("<L", data, section + 4)
        pairs = struct.iter_unpack("<LL", data[section + 8 : section + 8 + 8 * min(count, 100)])
        places = {number: section + place for number, place in pairs}
        code_page = struct.unpack_from("<H", data, places[_CODE_PAGE] + 4)[0] if _CODE_PAGE in places else 1252
        (length,) = struct.unpack_from("<L", data, places[_TITLE] + 4)
        title = data[places[_TITLE] + 8 : places[_TITLE] + 8 + length]
    except (KeyError, ValueError, struct.error):
        return None  # a title is no reason to refuse a workbook
    codec = {1200: "utf-16-le", 65001: "utf-8"}.get(code_page) or named_encoding(f"cp{code_page}") or "cp1252"
    return title.decode(codec, "replace").rstrip("\x00")


def new_container(name: str, stream: bytes | bytearray) -> bytes:
    """An OLE file that holds one stream and nothing else."""
    size = max(len(stream), SMALL_STREAM)
    sectors = -(-size // _SECTOR)
    tables = -(-(sectors + 1) // (_SECTOR // 4 - 1))
    if tables > _TABLES:
        raise ContentTooLarge("The file is larger than any of its format can be read.")
    chain = [_END, *range(2, sectors + 1), _END, *[_TABLE] * tables]
    chain += [_FREE] * (tables * _SECTOR // 4 - len(chain))
    lists = [*range(sectors + 1, sectors + 1 + tables), *[_FREE] * (_TABLES - tables)]
    header = struct.pack("<8s16x5H6x9L", MAGIC, 0x3E, 4, 0xFFFE, 12, 6, 1, tables, 0, 0, SMALL_STREAM, _END, 0, _END, 0)
    directory = _entry("Root Entry", 5, child=1, start=0, size=0) + _entry(name, 2, child=_FREE, start=1, size=size)
    return b"".join(
        (
            (header + _packed(lists)).ljust(_SECTOR, b"\x00"),
            directory.ljust(_SECTOR, b"\x00"),
            bytes(stream).ljust(sectors * _SECTOR, b"\x00"),
            _packed(chain),
        )
    )


def _packed(numbers: list[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}L", *numbers)


def _entry(name: str, kind: int, *, child: int, start: int, size: int) -> bytes:
    encoded = name.encode("utf-16-le")
    entry = struct.pack("<64sHBB3L16xL16xLQ", encoded, len(encoded) + 2, kind, 1, _FREE, _FREE, child, 0, start, size)
    assert len(entry) == ENTRY_BYTES
    return entry
