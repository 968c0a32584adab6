"""One entry fails alone, or is read to the last byte whatever program packed it."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion.archives import ArchivePlan, PlannedEntry, plan_archive, read_entry
from ingestion.errors import EntryFailed
from ingestion.limits import Limits
from tests.ingestion import hostile_zips as zips


def plan_of(data: bytes, limits: Limits | None = None) -> ArchivePlan:
    return plan_archive(io.BytesIO(data), limits)


def outcome(data: bytes, entry: PlannedEntry) -> str | bytes:
    """The entry's content, or the code it fails with."""
    try:
        return b"".join(read_entry(io.BytesIO(data), entry))
    except EntryFailed as error:
        return error.code


def outcomes(data: bytes, limits: Limits | None = None) -> list[str | bytes]:
    return [outcome(data, entry) for entry in plan_of(data, limits).entries]


TEXTS = [f"text number {n}\n".encode() * 20 for n in range(5)]
HONEST = zips.entry("file2.txt", TEXTS[2])
PACKED, SIZE = HONEST.central_sizes


@pytest.mark.parametrize(
    ("lies", "code"),
    [
        ({"crc": 1234}, "crc_mismatch"),
        ({"payload": b"\xff" * PACKED}, "corrupt_entry"),
        ({"central_sizes": (PACKED, SIZE - 1), "local_sizes": (PACKED, SIZE - 1)}, "size_mismatch"),
        ({"central_sizes": (PACKED, SIZE + 1), "local_sizes": (PACKED, SIZE + 1)}, "size_mismatch"),
        ({"central_sizes": (PACKED - 3, SIZE), "local_sizes": (PACKED - 3, SIZE)}, "size_mismatch"),
        ({"local_sizes": (PACKED, SIZE + 1)}, "size_mismatch"),
        ({"local_sizes": (PACKED + 9, SIZE)}, "size_mismatch"),
        ({"central_sizes": (PACKED + 60, SIZE)}, "size_mismatch"),
        ({"central_sizes": (10**9, SIZE)}, "corrupt_entry"),
        ({"payload": HONEST.payload + b"hidden", "central_sizes": (PACKED + 6, SIZE)}, "size_mismatch"),
        ({"local_name": b"other.exe"}, "header_mismatch"),
        ({"method": 9}, "unsupported_compression"),
        ({"central_name": b"a\0.txt", "local_name": b"a\0.txt"}, "bad_name"),
    ],
)
def test_a_bad_entry_fails_alone(lies: dict[str, object], code: str) -> None:
    assert outcomes(zips.one_bad_of_five(**lies)) == [TEXTS[0], TEXTS[1], code, TEXTS[3], TEXTS[4]]


def test_data_hidden_behind_an_entry_make_it_fail() -> None:
    lies = {
        "payload": HONEST.payload + b"hidden",
        "central_sizes": (PACKED + 6, SIZE),
        "local_sizes": (PACKED + 6, SIZE),
    }
    assert outcomes(zips.one_bad_of_five(**lies))[2] == "size_mismatch"


def test_an_entry_whose_header_is_missing_fails_alone() -> None:
    data = zips.one_bad_of_five()
    at = data.index(b"file2.txt") - 30
    assert outcomes(data[:at] + b"XX" + data[at + 2 :])[2:] == ["corrupt_entry", TEXTS[3], TEXTS[4]]


def test_an_announced_size_is_never_exceeded_while_reading() -> None:
    lie = (len(zips.deflated(bytes(50_000_000))), 1000)
    bomb = replace(zips.entry("bomb", bytes(50_000_000)), central_sizes=lie, local_sizes=lie)
    data = zips.archive(bomb)
    seen: list[bytes] = []
    with pytest.raises(EntryFailed, match="larger than"):
        seen.extend(read_entry(io.BytesIO(data), plan_of(data).entries[0]))
    assert sum(map(len, seen)) <= 1000


def test_chunks_stay_small_however_well_the_data_are_packed() -> None:
    data = zips.archive(zips.entry("lines.txt", b"same line\n" * 300_000))
    limits = Limits(max_entry_ratio=2000)
    chunks = [len(c) for c in read_entry(io.BytesIO(data), plan_of(data, limits).entries[0], 8192)]
    assert max(chunks) <= 8192
    assert sum(chunks) == 3_000_000


@pytest.mark.parametrize(
    ("method", "name"), [(1, "Shrink"), (6, "Implode"), (9, "Deflate64"), (93, "Zstandard"), (98, "PPMd"), (77, "77")]
)
def test_an_unsupported_compression_is_named(method: int, name: str) -> None:
    data = zips.archive(replace(zips.entry("a.txt"), method=method))
    problem = plan_of(data).entries[0].problem
    assert problem is not None
    assert problem.code == "unsupported_compression"
    assert name in str(problem)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_the_standard_library_packs_is_read_back(method: int) -> None:
    content = bytes(range(256)) * 5_000
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as packed:
        packed.writestr("a.bin", content)
        packed.writestr("empty.bin", b"")
    assert outcomes(buffer.getvalue(), Limits(max_entry_ratio=10_000)) == [content, b""]


def test_damaged_bzip2_and_lzma_data_fail_as_damaged() -> None:
    broken_bzip2 = replace(zips.entry("a", b"x" * 50, method=zips.STORED), method=12)
    properties = struct.pack("<BBHBL", 9, 20, 5, 93, 1 << 16)
    broken_lzma = replace(zips.entry("b", properties + b"\xff" * 50, method=zips.STORED), method=14)
    no_lzma = replace(zips.entry("c", b"\x09\x14\xff\xff" + bytes(50), method=zips.STORED), method=14)
    assert outcomes(zips.archive(broken_bzip2, broken_lzma, no_lzma)) == ["corrupt_entry"] * 3


def test_an_lzma_dictionary_that_would_fill_the_memory_is_refused() -> None:
    huge = struct.pack("<BBHBL", 9, 20, 5, 93, 2**32 - 1) + bytes(40)
    item = replace(zips.entry("a", huge, method=zips.STORED), method=14)
    assert outcomes(zips.archive(item)) == ["unsupported_compression"]


def test_zip64_with_data_descriptors_behind_other_bytes_is_accepted() -> None:
    expected = [b"streamed text\n" * n for n in (1, 2, 3)]
    assert outcomes(zips.streamed()) == expected
    assert outcomes(zips.streamed(signature=False)) == expected


def test_sizes_in_zip64_fields_are_found() -> None:
    assert outcomes(zips.wide_sizes()) == [b"wide text\n"]


def test_bytes_behind_the_archive_and_a_comment_are_accepted() -> None:
    assert outcomes(zips.text_archive() + b"\0" * 300) == TEXTS
    assert outcomes(zips.archive(zips.entry("a", b"a"), comment=b"PK\5\6 is how it ends")) == [b"a"]


def test_an_archive_stored_inside_another_is_an_ordinary_entry() -> None:
    inner = zips.text_archive()
    assert outcomes(zips.nested(inner))[1] == inner


def test_folders_are_counted_and_not_listed() -> None:
    dos_folder = replace(zips.entry("b", b"", method=zips.STORED, mode=0), attributes=0x10)
    data = zips.archive(zips.entry("a/", b""), dos_folder, zips.entry("a/b.txt"))
    plan = plan_of(data)
    assert [entry.name for entry in plan.entries] == ["a/b.txt"]
    assert plan.directories == 2
    assert plan.entries[0].ordinal == 0


def test_a_folder_name_with_content_is_kept_as_a_file() -> None:
    data = zips.archive(zips.entry("odd/", b"content"))
    assert outcomes(data) == [b"content"]


def test_a_file_that_was_piped_into_the_archive_is_a_file() -> None:
    assert outcomes(zips.archive(zips.entry("-", b"piped", mode=stat.S_IFIFO))) == [b"piped"]


def test_junk_is_marked_and_not_counted_as_content() -> None:
    junk = ["__MACOSX/._a.txt", "docs/.DS_Store", "pictures/Thumbs.db", "docs/desktop.ini", "._b.txt"]
    plan = plan_of(zips.named("a.txt", *junk))
    assert [entry.is_junk for entry in plan.entries] == [False, *[True] * len(junk)]
    assert [entry.name for entry in plan.files] == ["a.txt"]
    assert plan.total_size == plan.entries[0].size


def test_names_that_differ_in_nothing_or_in_case_are_all_kept() -> None:
    data = zips.named("a.txt", "a.txt", "A.TXT", "a.txt/b.txt")
    plan = plan_of(data)
    assert [entry.ordinal for entry in plan.entries] == [0, 1, 2, 3]
    assert len(set(outcomes(data))) == 4


def test_a_file_over_the_limit_fails_alone() -> None:
    data = zips.archive(zips.entry("a.txt", b"a"), zips.entry("b.txt", b"b" * 100))
    assert outcomes(data, Limits(max_file_bytes=99)) == [b"a", "too_large"]


def test_a_plan_is_the_same_each_time_and_an_entry_can_be_read_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "texts.zip"
    path.write_bytes(zips.text_archive())
    first, second = plan_archive(path), plan_archive(str(path))
    assert first == second
    assert b"".join(read_entry(path, second.entries[3])) == TEXTS[3]


def test_a_lent_file_keeps_its_position() -> None:
    file = io.BytesIO(zips.text_archive())
    file.seek(7)
    plan = plan_archive(file)
    list(read_entry(file, plan.entries[0]))
    assert file.tell() == 7
