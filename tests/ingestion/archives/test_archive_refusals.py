"""Archives that are refused as a whole, before a byte of them is unpacked."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.archives import plan_archive, read_entry
from ingestion.errors import (
    ArchiveRefused,
    ArchiveTooLarge,
    EntryFailed,
    ExtractedTooLarge,
    NestingTooDeep,
    RatioExceeded,
    TooManyEntries,
)
from ingestion.limits import Limits
from tests.ingestion import hostile_zips as zips


@pytest.mark.parametrize("case", zips.REFUSED)
def test_a_hostile_or_broken_archive_is_refused_whole_with_its_code(case: str) -> None:
    build, code = zips.REFUSED[case]
    with pytest.raises(ArchiveRefused) as refusal:
        plan_archive(io.BytesIO(build()))
    assert refusal.value.code == code
    assert refusal.value.hint
    assert not refusal.value.retryable


def test_a_refusal_names_the_entry_without_its_invisible_characters() -> None:
    with pytest.raises(ArchiveRefused) as refusal:
        plan_archive(io.BytesIO(zips.named("../a\u202etxt.exe")))
    assert "\\u202e" in str(refusal.value)
    assert "\u202e" not in str(refusal.value)


def test_a_web_page_is_called_one() -> None:
    with pytest.raises(ArchiveRefused, match="web page"):
        plan_archive(io.BytesIO(zips.HTML_PAGE))


def test_an_archive_with_exactly_the_allowed_entries_is_accepted_and_one_more_is_not() -> None:
    limits = Limits(max_entries=5)
    assert len(plan_archive(io.BytesIO(zips.text_archive(5)), limits).entries) == 5
    with pytest.raises(TooManyEntries, match="MAX_ENTRIES"):
        plan_archive(io.BytesIO(zips.text_archive(6)), limits)


def test_more_entries_than_the_end_record_counts_are_not_listed_beyond_the_limit() -> None:
    honest = zips.text_archive(6)
    lying = honest.replace(b"\6\0\6\0", b"\2\0\2\0")
    with pytest.raises(TooManyEntries):
        plan_archive(io.BytesIO(lying), Limits(max_entries=5))


def test_a_table_of_contents_over_its_limit_is_not_read() -> None:
    with pytest.raises(TooManyEntries, match="MAX_DIRECTORY_BYTES"):
        plan_archive(io.BytesIO(zips.text_archive(6)), Limits(max_directory_bytes=100))


def test_the_archive_itself_and_its_files_together_have_limits() -> None:
    data = zips.text_archive(5)
    with pytest.raises(ArchiveTooLarge, match="MAX_UPLOAD_BYTES"):
        plan_archive(io.BytesIO(data), Limits(max_upload_bytes=len(data) - 1))
    total = plan_archive(io.BytesIO(data), Limits(max_upload_bytes=len(data))).total_size
    with pytest.raises(ExtractedTooLarge, match="MAX_EXTRACTED_BYTES"):
        plan_archive(io.BytesIO(data), Limits(max_extracted_bytes=total - 1))
    assert plan_archive(io.BytesIO(data), Limits(max_extracted_bytes=total))


def test_a_bomb_larger_than_any_file_may_be_is_still_called_a_bomb() -> None:
    with pytest.raises(RatioExceeded, match="MAX_ENTRY_RATIO"):
        plan_archive(io.BytesIO(zips.ratio_bomb()), Limits(max_file_bytes=1_000_000))


def test_small_files_may_grow_by_any_ratio() -> None:
    blank = zips.archive(zips.entry("blank.bmp", bytes(1_000_000)))
    assert plan_archive(io.BytesIO(blank)).entries[0].problem is None
    with pytest.raises(RatioExceeded, match="MAX_ENTRY_RATIO"):
        plan_archive(io.BytesIO(blank), Limits(entry_ratio_floor_bytes=999_999))
    with pytest.raises(RatioExceeded, match="MAX_TOTAL_RATIO"):
        plan_archive(io.BytesIO(blank), Limits(total_ratio_floor_bytes=999_999))


def test_text_that_packs_well_is_no_bomb() -> None:
    lines = b"".join(b"%06d;ordinary;repeating;line\n" % n for n in range(100_000))
    plan = plan_archive(io.BytesIO(zips.archive(zips.entry("prices.csv", lines))))
    assert plan.total_size == len(lines)


def test_an_archive_inside_others_is_refused_below_the_configured_depth() -> None:
    data = io.BytesIO(zips.text_archive())
    with pytest.raises(NestingTooDeep):
        plan_archive(data, Limits(max_archive_depth=1), depth=2)
    assert plan_archive(data, Limits(max_archive_depth=2), depth=2)


_MEASURE = """
import sys
from ingestion.archives import plan_archive
from ingestion.errors import IngestionError
try:
    plan_archive(sys.argv[1])
    print("accepted")
except IngestionError as error:
    print(error.code)
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory is read from /proc")
@pytest.mark.parametrize("kind", ["claimed", "real"])
def test_a_huge_listing_is_refused_from_the_end_record_in_little_memory(kind: str, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "huge.zip"
    with path.open("wb") as file:
        if kind == "claimed":
            file.write(zips.claims_million_entries())
        else:
            zips.write_huge_listing(file, 1_000_000)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, path], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    code, peak_kib = done.stdout.split()
    assert code == "too_many_files"
    assert int(peak_kib) < 50 * 1024


def test_damage_anywhere_gives_an_answer_and_never_another_exception() -> None:
    seed = random.Random(20)
    originals = [zips.text_archive(3), zips.streamed(), zips.wide_sizes(), zips.nested(zips.text_archive(2))]
    for _ in range(1_500):
        data = bytearray(seed.choice(originals))
        for _ in range(seed.randint(1, 6)):
            data[seed.randrange(len(data))] = seed.choice((0, 1, 0x50, 0x7F, 0xFF, seed.randrange(256)))
        if seed.random() < 0.2:
            del data[seed.randrange(len(data)) :]
        try:
            plan = plan_archive(io.BytesIO(data))
        except ArchiveRefused:
            continue
        for entry in plan.entries:
            try:
                assert sum(map(len, read_entry(io.BytesIO(data), entry))) == entry.size
            except EntryFailed:
                continue
