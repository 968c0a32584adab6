"""Names in archives: labels that people can read and no system can be harmed by."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import pytest

from ingestion.archives import PlannedEntry, plan_archive, printable, safe_name
from ingestion.limits import Limits
from tests.ingestion import hostile_zips as zips


def planned(*names: str | bytes, limits: Limits | None = None) -> list[PlannedEntry]:
    return list(plan_archive(io.BytesIO(zips.named(*names)), limits).entries)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.pdf", "report.pdf"),
        ("a/b/report.pdf", "report.pdf"),
        ("a\\b\\report.pdf", "report.pdf"),
        ("CON.txt", "_CON.txt"),
        ("nul", "_nul"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("console.txt", "console.txt"),
        ("trailing dot.", "trailing dot"),
        ("trailing space ", "trailing space"),
        (" .hidden", ".hidden"),
        ("a\u202efdp.exe", "afdp.exe"),
        ("tab\there\x07.txt", "tabhere.txt"),
        ('what? "yes" <b>|*.txt', "what_ _yes_ _b___.txt"),
        ("stream.txt:hidden", "stream.txt_hidden"),
        ("Cafe\u0301.txt", "Caf\u00e9.txt"),
        ("lone\udc80.txt", "lone.txt"),
        ("...", "unnamed"),
        ("", "unnamed"),
        ("\u202e", "unnamed"),
    ],
)
def test_a_safe_name_can_be_stored_on_any_system(name: str, expected: str) -> None:
    assert safe_name(name) == expected


@pytest.mark.parametrize("name", ["x" * 300 + ".pdf", "ü" * 200 + ".docx", "日本語" * 100, "a." + "b" * 400])
def test_an_over_long_name_is_shortened_and_keeps_its_end(name: str) -> None:
    short = safe_name(name)
    assert len(short.encode()) <= 255
    assert short[0] == name[0]
    if name.endswith((".pdf", ".docx")):
        assert short.endswith(name[-4:])


def test_a_printable_name_shows_what_was_invisible() -> None:
    assert printable("a\u202efdp.exe") == "a\\u202efdp.exe"
    assert printable("a\nb\x00\u200b\ud800") == "a\\nb\\x00\\u200b\\ud800"
    assert printable("Ünïcode 日本.txt") == "Ünïcode 日本.txt"


def test_odd_names_are_kept_as_labels_beside_a_safe_name() -> None:
    odd = ["CON.txt", "dot.", "space ", "a\u202efdp.exe", "x" * 300 + ".txt", "tab\t.txt", "dir\\file.txt"]
    entries = planned(*odd)
    assert [entry.problem for entry in entries] == [None] * len(odd)
    assert entries[3].name == "a\\u202efdp.exe"
    assert entries[4].name == odd[4]
    assert all(entry.safe_name and len(entry.safe_name.encode()) <= 255 for entry in entries)
    assert entries[6].safe_name == "file.txt"


@pytest.mark.parametrize("name", ["a/./b.txt", "...hidden/a.txt", "a..b/c..txt", "Q: a question.txt", "~/notes.txt"])
def test_harmless_names_are_not_taken_for_attacks(name: str) -> None:
    (entry,) = planned(name)
    assert entry.problem is None
    assert entry.name == name


def test_a_name_too_long_or_too_deep_fails_its_file_alone() -> None:
    long, deep = "n" * 1025, "d/" * 32 + "f.txt"
    entries = planned("good.txt", long, deep, "d/" * 31 + "f.txt")
    assert [entry.problem and entry.problem.code for entry in entries] == [None, "bad_name", "bad_name", None]
    assert len(entries[1].name) <= 1024
    assert planned(deep, limits=Limits(max_path_parts=33))[0].problem is None


def test_a_nul_in_a_name_fails_the_file_alone_and_is_shown() -> None:
    good, bad = planned("good.txt", b"nul\0hid.txt")
    assert good.problem is None
    assert bad.problem is not None
    assert bad.problem.code == "bad_name"
    assert bad.name == "nul\\x00hid.txt"
    assert bad.raw_name == b"nul\0hid.txt"


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (["Übersicht.txt", "Größe/Maß.txt"], "cp437"),
        (["Köln.txt"], "cp437"),
        (["été à la plage.txt"], "cp437"),
        (["日本語の文書.txt"], "cp932"),
        (["データ.csv"], "cp932"),
        (["表示ソフト/一覧表.txt"], "cp932"),
        (["見積書（最終）.docx", "ascii.txt"], "cp932"),
        (["审计报告.docx"], "gbk"),
        (["财务/二〇二一年预算.xlsx", "说明.txt"], "gbk"),
        (["Grüße.txt", "日本語.txt", "Привет.txt"], "utf-8"),
    ],
)
def test_names_in_the_alphabets_that_programs_use_are_readable(names: list[str], encoding: str) -> None:
    raw = [name.encode(encoding) for name in names]
    entries = planned(*raw)
    assert [entry.name for entry in entries] == names
    assert [entry.raw_name for entry in entries] == raw


def test_a_flagged_name_is_utf8_and_one_that_is_not_still_gets_a_label() -> None:
    good = zips.entry("Größe.txt")
    bad = replace(zips.entry(b"bad\xff\xfe.txt"), flags=zips.UTF8_FLAG)
    entries = plan_archive(io.BytesIO(zips.archive(good, bad))).entries
    assert entries[0].name == "Größe.txt"
    assert entries[1].name.startswith("bad")
    assert entries[1].name.endswith(".txt")


def test_a_unicode_path_field_is_used_when_it_belongs_to_the_name_and_is_judged_too() -> None:
    raw = b"gr\x81n.txt"
    right = struct.pack("<BL", 1, zlib.crc32(raw)) + "grün.txt".encode()
    stale = struct.pack("<BL", 1, 99) + b"other.txt"
    evil = struct.pack("<BL", 1, zlib.crc32(raw)) + b"../../evil.txt"

    def with_field(field: bytes) -> bytes:
        extra = struct.pack("<HH", 0x7075, len(field)) + field
        return zips.archive(replace(zips.entry(raw), central_extra=extra))

    assert plan_archive(io.BytesIO(with_field(right))).entries[0].name == "grün.txt"
    assert plan_archive(io.BytesIO(with_field(stale))).entries[0].name == "grün.txt"
    with pytest.raises(Exception, match="leads outside"):
        plan_archive(io.BytesIO(with_field(evil)))
