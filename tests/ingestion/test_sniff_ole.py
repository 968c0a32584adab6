"""OLE files: streams are found wherever their sectors lie, and a chain that leads astray ends nowhere."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping

import pytest

from ingestion.sniff import sniff
from ingestion.sniffing.compound import MAGIC, BrokenOleError, OleFile

FREE, END = 0xFFFFFFFF, 0xFFFFFFFE
SECTOR = 512
PER_TABLE = SECTOR // 4


def entry(name: str, *, child: int = FREE, right: int = FREE, start: int = 0, size: int = 0) -> bytes:
    encoded = name.encode("utf-16-le")
    return struct.pack("<64sHBB3L16xL16xLQ", encoded, len(encoded) + 2, 2, 1, FREE, right, child, 0, start, size)


def table(chain: Mapping[int, int]) -> bytes:
    return struct.pack(f"<{PER_TABLE}L", *(chain.get(place, FREE) for place in range(PER_TABLE)))


def ole(
    sectors: Mapping[int, bytes], *, directory: int, tables: list[int], more_tables: int = END, small: int = END
) -> bytes:
    """A file with these sectors, and nothing in those between them."""
    header = struct.pack(
        "<8s16x5H6x9L", MAGIC, 0x3E, 3, 0xFFFE, 9, 6, 0, len(tables), directory, 0, 4096, small, 1, more_tables, 1
    )
    header += struct.pack("<109L", *tables, *[FREE] * (109 - len(tables)))
    file = bytearray((max(sectors) + 2) * SECTOR)
    file[:SECTOR] = header
    for number, data in sectors.items():
        file[(number + 1) * SECTOR : (number + 1) * SECTOR + len(data)] = data
    return bytes(file)


def test_a_directory_beyond_the_tables_that_the_header_lists_is_followed() -> None:
    first = 109 * PER_TABLE  # the first sector that only the list of more tables leads to
    names = entry("Root Entry", child=4) + entry("a") + entry("b") + entry("c")
    data = ole(
        {
            0: struct.pack(f"<{PER_TABLE}L", 1, *[FREE] * (PER_TABLE - 2), END),
            1: table({0: first + 5, 5: END}),
            first: names,
            first + 5: entry("Workbook"),
        },
        directory=first,
        tables=[],
        more_tables=0,
    )
    assert sniff(io.BytesIO(data)).type == "xls"


def test_a_small_stream_is_read_out_of_the_one_where_all_of_them_lie() -> None:
    data = ole(
        {
            0: table({1: END, 2: END, 3: END}),
            1: entry("Root Entry", child=1, start=3, size=256) + entry("Book", start=2, size=100),
            2: table({2: 1, 1: END}),
            3: b"0" * 64 + b"second" * 11 + b"  " + b"first!" * 11,
        },
        directory=1,
        tables=[0],
        small=2,
    )
    stored = data[4 * SECTOR : 5 * SECTOR]
    assert OleFile(io.BytesIO(data)).read("book") == stored[128:192] + stored[64:100]


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_chain_in_a_circle_ends(size: int) -> None:
    circle = table(dict.fromkeys(range(PER_TABLE), 1))
    names = entry("Root Entry", child=1, start=1, size=1 << 30) + entry("Book", start=1, size=size)
    file = OleFile(io.BytesIO(ole({0: circle, 1: names}, directory=1, tables=[0], small=1)))
    assert set(file.streams) == {"book"}
    with pytest.raises(BrokenOleError):
        file.read("book")


@pytest.mark.parametrize("data", [b"", MAGIC, MAGIC + bytes(600), ole({0: b"", 1: b""}, directory=END, tables=[])])
def test_what_is_no_whole_file_says_so(data: bytes) -> None:
    with pytest.raises(BrokenOleError):
        OleFile(io.BytesIO(data))
