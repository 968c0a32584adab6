"""Archives that nobody here packed: what becomes of each, known from looking at its bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.archives import plan_archive, read_entry
from ingestion.errors import ArchiveRefused, EntryFailed

EXPECTED: dict[str, object] = {
    "zips/7z_17_4_password_data_descriptor.zip": "encrypted_archive",
    "zips/7za_17_4_aes.zip": "encrypted_archive",
    "zips/7za_17_4_aes_data_descriptor.zip": "encrypted_archive",
    "zips/7za_17_4_deflate64.zip": {"content.txt": "unsupported_compression"},
    "zips/infozip_3_0_password.zip": "encrypted_archive",
    "zips/infozip_3_0_password_data_descriptor.zip": "encrypted_archive",
    "zips/infozip_3_0_stored_zero_length_with_data_descriptor.zip": {"empty": 0},
    "zips/macos_10_14_5_multiple_files.zip": {"first.txt": 26, "second.txt": 27},
    "zips/macos_10_14_5_single_file.zip": {"contents.txt": 19},
    "tika/droste.zip": {"droste.jpg": 13760, "droste.zip": 28809},
    "tika/gbk.zip": {"审计压缩包文件检索测试/集团邮件审计系统2021年自动巡检需求文档_V4.0.doc": 0},
    "tika/testIWorksNPEDetector.zip": {"index.xml": 57},
    "tika/testTika4424.zip": {"LO455-26eb80d3.kml": 577611, "LO455_26eb80d3.csv": 26505},
    # Its one entry claims four gigabytes.
    "tika/testZIP_corrupted_oom.zip": {"hello.txt": "corrupt_entry"},
    "tika/testZipEncrypted.zip": "encrypted_archive",
    "tika/testZipEntryNameCharsetShiftSJIS.zip": {"文章1.txt": 24, "文章2.txt": 24},
    # Its table of contents counts the entries' places without their data descriptors: only the first two are right.
    "tika/testZip_with_DataDescriptor.zip": {
        "en0": 4, "en1": 4, "en2": "corrupt_entry", "en3": "corrupt_entry", "en4": "corrupt_entry"
    },
}  # fmt: skip


def outcome(path: Path) -> str | dict[str, int | str]:
    """The code the archive is refused with, or for each file its size or the code it fails with."""
    try:
        plan = plan_archive(path)
    except ArchiveRefused as refusal:
        return refusal.code
    found: dict[str, int | str] = {}
    for entry in plan.files:
        try:
            found[entry.name] = sum(map(len, read_entry(path, entry)))
        except EntryFailed as error:
            found[entry.name] = error.code
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_archive_gives_its_files_or_the_reason_why_not(name: str, corpus: Path) -> None:
    assert outcome(corpus / name) == EXPECTED[name]


def test_every_archive_of_the_corpus_stands_in_the_table(corpus: Path) -> None:
    found = {str(p.relative_to(corpus)) for folder in ("zips", "tika") for p in (corpus / folder).glob("*.zip")}
    assert found == set(EXPECTED)
