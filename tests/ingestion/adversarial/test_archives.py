"""Hostile and broken archives through the whole pipeline: what is said, and that nothing else is lost."""

from __future__ import annotations

import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion import storage
from ingestion.models import IngestFile, IntakeStatus, Outcome, Stage
from tests.ingestion import hostile_zips as zips
from tests.ingestion.adversarial import building
from tests.ingestion.adversarial.conftest import SIBLINGS, Door, among_siblings, codes, siblings
from tests.ingestion.factories import upload, zipped

pytestmark = pytest.mark.django_db(transaction=True)


def _of_kind(mode: int) -> bytes:
    return among_siblings(zips.entry("odd", b"/etc/passwd", mode=mode))


def _hard_link() -> bytes:
    return among_siblings(building.hard_link("odd", "/etc/passwd"))


TEXTS = zips.text_archive(40)
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "cut in half": (lambda: TEXTS[: len(TEXTS) // 2], "truncated_archive"),
    "up and out": (lambda: among_siblings(zips.entry("../../evil.txt")), "unsafe_path"),
    "absolute": (lambda: among_siblings(zips.entry("/etc/passwd")), "unsafe_path"),
    "drive": (lambda: among_siblings(zips.entry("C:\\Windows\\evil.txt")), "unsafe_path"),
    "up with backslashes": (lambda: among_siblings(zips.entry("..\\..\\evil.txt")), "unsafe_path"),
    "symbolic link": (lambda: _of_kind(stat.S_IFLNK), "link_entry"),
    "block device": (lambda: _of_kind(stat.S_IFBLK), "link_entry"),
    "character device": (lambda: _of_kind(stat.S_IFCHR), "link_entry"),
    "hard link": (_hard_link, "link_entry"),
    "full overlap": (zips.full_overlap, "overlapping_entries"),
    "quoted overlap": (zips.quoted_overlap, "overlapping_entries"),
    "ten gigabytes of zeros": (lambda: building.zeros(10 << 30), "ratio_exceeded"),
    "a million entries": (zips.claims_million_entries, "too_many_files"),
    "ZipCrypto": (zips.encrypted, "encrypted_archive"),
    "AES": (lambda: zips.encrypted(method=zips.AES), "encrypted_archive"),
    "7z with encrypted header": (lambda: building.ENCRYPTED_7Z, "encrypted_archive"),
    "first of several volumes": (lambda: b"PK\7\x08" + TEXTS[:200], "multi_volume"),
    "last of several volumes": (building.last_volume, "multi_volume"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_hostile_archive_is_refused_at_the_door_and_nothing_of_it_is_kept(door: Door, case: str) -> None:
    build, code = REFUSED[case]
    assert door.refuses(upload(_named(case), build()))["code"] == code


def test_hostile_archives_among_the_files_of_an_upload_fail_each_with_its_code_and_alone(door: Door) -> None:
    hostile = [upload(_named(case), build()) for case, (build, _) in REFUSED.items()]
    intake = door.finish(door.accepts(siblings()[0], *hostile, *siblings()[1:]))
    found = codes(intake)
    assert {case: found.pop(_named(case)) for case in REFUSED} == {case: code for case, (_, code) in REFUSED.items()}
    assert set(found) == set(SIBLINGS), "not one of their entries was unpacked"
    assert intake.status == IntakeStatus.COMPLETED_WITH_ERRORS


def _named(case: str) -> str:
    return case + (".7z" if "7z" in case else ".zip")


def test_an_empty_archive_is_completed_and_says_that_it_is_empty(door: Door) -> None:
    intake = door.finish(door.accepts(upload("empty.zip", zips.archive())), innocents=False)
    shown = door.api.get(f"/api/v1/intakes/{intake.pk}").json()
    assert (shown["status"], shown["files_total"], shown["message"]) == ("completed", 0, "The archive is empty.")
    beside = door.finish(door.accepts(upload("empty.zip", zips.archive()), *siblings()))
    assert codes(beside)["empty.zip"] == Outcome.UNPACKED
    assert beside.files.get(source_path="empty.zip").message == "The archive is empty."
    assert beside.status == IntakeStatus.COMPLETED


def test_an_error_page_named_zip_is_a_type_mismatch(door: Door) -> None:
    intake = door.finish(door.accepts(upload("papers.zip", zips.HTML_PAGE), *siblings()))
    assert codes(intake)["papers.zip"] == "type_mismatch"
    assert door.refuses(upload("papers.zip", zips.HTML_PAGE))["code"] == "type_mismatch"


def test_a_name_that_points_outside_fails_alone_where_the_policy_says_so(door: Door, settings) -> None:
    outside = ["../../evil.txt", "/etc/passwd", "C:\\evil.txt", "C:evil.txt", "..\\evil.txt"]
    settings.INGESTION = {**settings.INGESTION, "ON_UNSAFE_PATH": "fail_file"}
    intake = door.finish(door.accepts(upload("papers.zip", among_siblings(*map(zips.entry, outside)))))
    assert [codes(intake)[name] for name in outside] == ["unsafe_path"] * 5
    assert intake.counts["completed"] == 3


def test_an_overlap_is_refused_before_any_byte_is_written(door: Door, monkeypatch) -> None:
    written: list[int] = []
    real = storage.put_stream

    def put_stream(*args, **options):
        written.append(1)
        return real(*args, **options)

    monkeypatch.setattr(storage, "put_stream", put_stream)
    for build in (zips.full_overlap, zips.quoted_overlap):
        door.refuses(upload("bomb.zip", build()))
    assert not written
    door.finish(door.accepts(upload("bomb.zip", zips.quoted_overlap()), *siblings()))
    assert len(written) == 4, "the four uploads, and nothing out of the archive"


@pytest.mark.parametrize("declared", [1_000, 1_000_000])
def test_a_bomb_that_declares_a_small_size_is_stopped_at_that_size(door: Door, monkeypatch, declared: int) -> None:
    taken = _counted(monkeypatch)
    bomb = building.zeros_entry(10 << 30)
    lying = replace(bomb, local_sizes=(len(bomb.payload), declared), central_sizes=(len(bomb.payload), declared))
    content = among_siblings(lying)
    intake = door.finish(door.accepts(upload("papers.zip", content)))
    assert codes(intake)["zeros.bin"] == "size_mismatch"
    assert sum(taken) < len(content) + declared + 1_000_000, "what was written is what was declared, not what came"


def _counted(monkeypatch) -> list[int]:
    """Count the bytes that are put into storage."""
    taken: list[int] = []
    real = storage.put_stream

    def put_stream(chunks, **options):
        def each():
            for chunk in chunks:
                taken.append(len(chunk))
                yield chunk

        return real(each(), **options)

    monkeypatch.setattr(storage, "put_stream", put_stream)
    return taken


@pytest.mark.parametrize("by", [-7, 7], ids=["smaller", "larger"])
def test_an_entry_of_another_size_than_declared_fails_alone(door: Door, by: int) -> None:
    entry = zips.entry("lies.txt", b"text of a certain size\n" * 30)
    packed, size = entry.central_sizes
    lying = replace(entry, local_sizes=(packed, size + by), central_sizes=(packed, size + by))
    intake = door.finish(door.accepts(upload("papers.zip", among_siblings(lying))))
    assert codes(intake)["lies.txt"] == "size_mismatch"
    assert intake.files.get(source_path="lies.txt").stage == Stage.UNZIP_FAILED


@pytest.mark.parametrize("claimed", [10 << 40, 2**64 - 1], ids=["more than any disk has", "more than a column holds"])
def test_an_entry_that_fails_by_itself_needs_no_room_whatever_size_it_claims(door: Door, claimed: int) -> None:
    """Nothing waits for a disk that could hold it."""
    extra = struct.pack("<HHQQ", 1, 16, claimed, 5)
    unset, wide = (0xFFFFFFFF, 0xFFFFFFFF), zips.entry("huge.txt", b"text\n", method=zips.STORED)
    huge = replace(wide, local_sizes=unset, central_sizes=unset, local_extra=extra, central_extra=extra)
    other = replace(huge, central_name=b"nul\0huge.txt", local_name=b"nul\0huge.txt")
    intake = door.finish(door.accepts(upload("papers.zip", among_siblings(huge, other))))
    assert (codes(intake)["huge.txt"], codes(intake)["nul\\x00huge.txt"]) == ("size_mismatch", "bad_name")
    assert not intake.waiting_reason


_REFUSE_IN_A_PROCESS_OF_ITS_OWN = """
import sys, django
django.setup()
from pathlib import Path
from django.core.files import File
from ingestion.errors import IngestionError
from ingestion.models import Intake
from ingestion.services import accept_upload
def peak():
    return int([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
Intake.objects.exists()
path = Path(sys.argv[2])
before = peak()
try:
    with path.open("rb") as stream:
        accept_upload(int(sys.argv[1]), [File(stream, path.name)])
    print("accepted", 0)
except IngestionError as error:
    print(error.code, peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory is read from /proc")
def test_a_million_entries_are_refused_from_the_end_record_in_little_memory(
    door: Door, root: Path, project_env, tmp_path: Path
) -> None:
    path = tmp_path / "huge.zip"
    with path.open("wb") as file:
        zips.write_huge_listing(file, 1_000_000)
    done = subprocess.run(
        [sys.executable, "-c", _REFUSE_IN_A_PROCESS_OF_ITS_OWN, str(door.owner.pk), path],
        cwd=root, env=project_env, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    code, grown_kib = done.stdout.split()
    assert code == "too_many_files"
    assert int(grown_kib) < 5 * 1024, "the listing has 54 MB"
    with path.open("rb") as stream:
        assert door.refuses(upload("huge.zip", stream.read()))["code"] == "too_many_files"


def test_archives_in_one_another_like_42_zip_are_opened_to_the_limit_and_no_further(door: Door) -> None:
    content = zipped({"zeros.bin": bytes(1_000_000)})
    for _ in range(5):
        content = zipped({f"{n}.zip": content for n in range(2)})
    intake = door.finish(door.accepts(upload("42.zip", content), *siblings()))
    failed = intake.files.filter(outcome=Outcome.FAILED)
    assert set(failed.values_list("error_code", "depth")) == {("nesting_too_deep", 3)}
    assert (intake.counts["unpacked"], failed.count()) == (1 + 2 + 4, 8)
    assert not IngestFile.objects.filter(safe_name="zeros.bin").exists()


def test_an_archive_that_holds_itself_ends_at_the_limit(door: Door, corpus: Path) -> None:
    droste = corpus / "tika" / "droste.zip"
    intake = door.finish(door.accepts(upload("droste.zip", droste.read_bytes()), *siblings()))
    deepest = intake.files.get(error_code="nesting_too_deep")
    assert deepest.source_path == "droste.zip/droste.zip/droste.zip/droste.zip"


ENCRYPTED = [
    "7z_17_4_password_data_descriptor.zip",
    "7za_17_4_aes.zip",
    "7za_17_4_aes_data_descriptor.zip",
    "infozip_3_0_password.zip",
    "infozip_3_0_password_data_descriptor.zip",
]


def test_real_encrypted_archives_are_told_so(door: Door, corpus: Path) -> None:
    contents = {name: (corpus / "zips" / name).read_bytes() for name in ENCRYPTED}
    for name, content in contents.items():
        assert door.refuses(upload(name, content))["code"] == "encrypted_archive"
    intake = door.finish(door.accepts(*(upload(name, content) for name, content in contents.items()), *siblings()))
    assert [codes(intake)[name] for name in ENCRYPTED] == ["encrypted_archive"] * len(ENCRYPTED)


def test_an_entry_of_an_unsupported_method_fails_alone_and_the_method_is_named(door: Door) -> None:
    methods = {"Deflate64": 9, "Zstandard": 93, "PPMd": 98, "Shrink": 1, "method 77": 77}
    odd = [zips.entry(name, b"packed in another way", method=method) for name, method in methods.items()]
    intake = door.finish(door.accepts(upload("papers.zip", among_siblings(*odd))))
    for name in methods:
        file = intake.files.get(source_path=name)
        assert file.error_code == "unsupported_compression"
        assert name in file.error_message


def test_a_real_deflate64_archive_names_its_method(door: Door, corpus: Path) -> None:
    content = (corpus / "zips" / "7za_17_4_deflate64.zip").read_bytes()
    intake = door.finish(door.accepts(upload("deflate64.zip", content), *siblings()))
    file = intake.files.get(source_path="deflate64.zip/content.txt")
    assert (file.error_code, "Deflate64" in file.error_message) == ("unsupported_compression", True)


def test_entries_packed_by_lzma_and_bzip2_are_read(door: Door) -> None:
    archives = [
        upload("lzma.zip", building.packed_by(zipfile.ZIP_LZMA, "odd.txt", b"a rare quokka")),
        upload("bzip2.zip", building.packed_by(zipfile.ZIP_BZIP2, "odd.txt", b"a rare numbat")),
    ]
    intake = door.finish(door.accepts(*archives, *siblings()))
    assert intake.status == IntakeStatus.COMPLETED
    assert [len(door.search(word)) for word in ("quokka", "numbat")] == [1, 1]


@pytest.mark.parametrize(
    "content",
    [zips.streamed(), zips.streamed() + b"\r\n" * 40, zips.streamed(signature=False), zips.wide_sizes()],
    ids=["prefix", "prefix and trailing junk", "descriptors without signature", "zip64"],
)
def test_a_streamed_zip64_archive_with_junk_around_it_is_accepted(door: Door, content: bytes) -> None:
    intake = door.finish(door.accepts(upload("papers.zip", content), *siblings()))
    assert intake.status == IntakeStatus.COMPLETED
    inner = intake.files.filter(parent__isnull=False)
    assert inner.exists()
    assert set(inner.values_list("outcome", flat=True)) == {Outcome.COMPLETED}
    assert door.accepts(upload("papers.zip", content))


def test_one_entry_with_a_bad_checksum_among_five_fails_alone(door: Door) -> None:
    intake = door.finish(door.accepts(upload("papers.zip", zips.one_bad_of_five(crc=1)), *siblings()))
    assert codes(intake)["papers.zip/file2.txt"] == "crc_mismatch"
    assert intake.files.filter(parent__isnull=False, outcome=Outcome.COMPLETED).count() == 4
    alone = door.finish(door.accepts(upload("papers.zip", zips.one_bad_of_five(crc=1))), innocents=False)
    assert [alone.counts[name] for name in ("completed", "duplicate", "failed")] == [0, 4, 1]
