"""What a file is, by its content: a name tips the balance between kinds of text and nothing else."""

from __future__ import annotations

import io
import struct
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion.extract import supported_types
from ingestion.limits import Limits
from ingestion.sniff import Detected, sniff
from ingestion.sniffing.kinds import KINDS, TEXTUAL
from samples.pdf import Line, pdf
from tests.ingestion import hostile_zips as zips


def of(data: bytes | str, name: str = "") -> Detected:
    return sniff(io.BytesIO(data.encode() if isinstance(data, str) else data), name)


def ooxml(main: str, folder: str) -> bytes:
    listed = (
        '<?xml version="1.0"?><Types><Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{folder}main.xml" ContentType="application/vnd.{main}+xml"/></Types>'
    )
    return zips.archive(
        zips.entry("_rels/.rels", b"<x/>"),
        zips.entry("[Content_Types].xml", listed.encode()),
        zips.entry(f"{folder}main.xml", b"<x/>"),
    )


WORD = "openxmlformats-officedocument.wordprocessingml.document.main"
EXCEL = "openxmlformats-officedocument.spreadsheetml.sheet.main"
SLIDES = "openxmlformats-officedocument.presentationml.presentation.main"


def odf(media_type: str) -> bytes:
    return zips.archive(
        zips.entry("mimetype", media_type.encode(), method=zips.STORED), zips.entry("content.xml", b"<x/>")
    )


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "pdf"),
        (b"\n  %PDF-1.7\n", "pdf"),
        (b"junk\x00\x01\n%PDF-1.4\n1 0 obj\n<<>>\n", "pdf"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "png"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "jpeg"),
        (b"GIF89a" + bytes(20), "gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "webp"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(20), "heic"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(20), "mp4"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(20), "7z"),
        (b"Rar!\x1a\x07\x01\x00", "rar"),
        (b"\x1f\x8b\x08\x00" + bytes(20), "gzip"),
        (b"BZh91AY&SY" + bytes(20), "bzip2"),
        (b"\xfd7zXZ\x00" + bytes(20), "xz"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "zstd"),
        (b"a.txt".ljust(257, b"\x00") + b"ustar\x0000", "tar"),
        (b"MZ" + bytes(58) + struct.pack("<L", 64) + b"PE\x00\x00", "exe"),
        (b"\x7fELF" + bytes(60), "elf"),
        (b"{\\rtf1\\ansi Hello}", "rtf"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "ole"),
        (bytes(range(256)) * 8, "unknown"),
        (bytes(5000), "unknown"),
        (zips.text_archive(), "zip"),
        (zips.archive(), "zip"),
        (ooxml(WORD, "word/"), "docx"),
        (ooxml("ms-word.document.macroEnabled.main", "word/"), "docx"),
        (ooxml(EXCEL, "xl/"), "xlsx"),
        (ooxml(SLIDES, "ppt/"), "pptx"),
        (ooxml(WORD, "odd/"), "docx"),
        (ooxml("something.else", "xl/"), "xlsx"),
        (odf("application/vnd.oasis.opendocument.text"), "odt"),
        (odf("application/vnd.oasis.opendocument.spreadsheet-template"), "ods"),
        (odf("application/epub+zip"), "epub"),
        (odf("application/x-something-else"), "zip"),
    ],
)
def test_a_binary_file_is_known_by_its_content(data: bytes, kind: str) -> None:
    detected = of(data)
    assert detected.type == kind
    assert detected.mime == KINDS[kind].mime


MAIL = "From: a@example.org\r\nTo: b@example.org\r\nMessage-ID: <1@x>\r\nSubject: Hi\r\n there\r\n\r\nText.\r\n"
MARKDOWN = "# Title\n\nSome **bold** text with a [link](https://example.org).\n\n- one\n- two\n"


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("Just a sentence, with a comma.\n", "", "text"),
        ("a", "", "text"),
        ("Dear Sir,\nthank you, and goodbye.\nYours, me\n", "", "text"),
        ("\n\n", "", "text"),
        ("<!DOCTYPE html><title>x</title>", "", "html"),
        ("<!-- a comment -->\n<HTML><body>", "", "html"),
        ('<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD" "x"><html/>', "", "html"),
        ("<p>A paragraph</p><p>another</p>", "", "html"),
        ("hello <b>world</b>", "a.html", "html"),
        ('<?xml version="1.0"?><a:feed xmlns:a="x"><entry/></a:feed>', "", "xml"),
        ("<feed><entry>x</entry></feed>", "", "xml"),
        ('<svg xmlns="http://www.w3.org/2000/svg"/>', "", "svg"),
        ("<someone@example.org> wrote:\n> hello\n", "", "text"),
        ("a < b and c > d\n", "", "text"),
        ('{"a": [1, 2, {"b": null}]}', "", "json"),
        ("[]", "", "json"),
        ('[{"a": 1}, oops', "", "text"),
        ('[{"a": 1},', "", "json"),
        ('{"a": 1,}', "data.json", "json"),
        ("[[[[[" * 20_000, "deep.json", "json"),
        ("[[[[[" * 20_000, "", "json"),
        ('"a word"', "word.json", "json"),
        ("[section]\nkey = value\n", "settings.ini", "text"),
        ("{this is not json}\n", "", "text"),
        ("[1] A footnote, explained.\n", "", "text"),
        ('{"a": 1}\n{"a": 2}\n', "lines.jsonl", "json"),
        (MAIL, "", "eml"),
        (MAIL.replace("Message-ID", "X-Id"), "", "text"),
        (MAIL.replace("Message-ID", "X-Id"), "a.eml", "eml"),
        ("From a@example.org Mon Jan  1 00:00:00 2024\n" + MAIL, "", "eml"),
        (("From a@example.org Mon Jan  1 00:00:00 2024\n" + MAIL) * 2, "", "mbox"),
        ("From: me\nTo: you\nSubject: lunch\n\nA memo.\n", "memo.txt", "text"),
        ("name,age,city\nann,1,x\nbob,2,y\n", "", "csv"),
        ("name;age\nann;1,5\nbob;2,5\neve;3\nzoe;4\n", "", "csv"),
        ("a\tb\tc\n1\t2\t3\n4\t5\t6\n", "", "csv"),
        ('"quoted, with\na line",x,y\n1,2,3\n4,5,6\n', "", "csv"),
        ("name,age\nann,1\n", "", "text"),
        ("name,age\nann,1\n", "people.csv", "csv"),
        ("Report of May\n\nname,age\nann,1\nbob,2\neve,3\n", "people.csv", "csv"),
        ("ann\nbob\neve\n", "names.csv", "csv"),
        ("Prose that is not a table at all. " * 10 + "\n", "prose.csv", "text"),
        ("int a;\nint b;\nint c;\nint d;\nint e;\nint f;\n", "", "text"),
        ("\tindented\n\ttext\n\tonly\n\tof\n\ttabs\n", "", "text"),
        (MARKDOWN, "", "markdown"),
        (MARKDOWN, "readme.md", "markdown"),
        ("Nothing but words.\n", "notes.md", "markdown"),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n", "table.md", "markdown"),
        ("<h1 align=center>Title</h1>\n\n# Next\n", "readme.md", "markdown"),
        ("# a comment\n# another\nkey: value\n- item\n", "", "text"),
    ],
)
def test_text_is_told_apart_by_its_content_with_the_name_as_a_hint(text: str, name: str, kind: str) -> None:
    assert of(text, name).type == kind


@pytest.mark.parametrize(
    ("data", "name", "mismatch"),
    [
        (b"MZ" + bytes(62), "report.pdf", True),
        (b"%PDF-1.4\n", "notes.txt", True),
        (b"%PDF-1.4\n", "notes.pdf", False),
        (b"%PDF-1.4\n", "NOTES.PDF", False),
        (b"%PDF-1.4\n", "notes", False),
        (b"%PDF-1.4\n", "version 1.2 final", False),
        (b"<!DOCTYPE html><html>", "archive.zip", True),
        (b"<!DOCTYPE html><html>", "page.txt", False),
        (b"a,b,c\n1,2,3\n4,5,6\n", "table.txt", False),
        (b'{"a": 1}', "page.html", True),
        (b"plain words", "page.json", True),
        (b"{\\rtf1 x}", "letter.doc", False),
        (b"", "report.pdf", False),
        (bytes(100), "report.pdf", True),
        (ooxml(WORD, "word/"), "letter.docm", False),
        (ooxml(WORD, "word/"), "letter.xlsx", True),
        (zips.text_archive(), "letter.docx", True),
    ],
)
def test_a_name_that_claims_another_type_is_flagged(data: bytes, name: str, mismatch: bool) -> None:
    assert of(data, name).mismatch is mismatch


SENTENCE = "Grüße aus Köln: schöne Straßen, süße Äpfel und viele Bäume überall.\n" * 8


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"\xef\xbb\xbf" + SENTENCE.encode(), "utf-8-sig"),
        (SENTENCE.encode(), "utf-8"),
        (SENTENCE.encode("utf-16"), "utf-16"),
        (SENTENCE.encode("utf-16-le"), "utf-16-le"),
        (SENTENCE.encode("utf-16-be"), "utf-16-be"),
        (SENTENCE.encode("utf-32"), "utf-32"),
        (SENTENCE.encode() + b"\xff", "utf-8"),
        (SENTENCE.encode("cp1252"), "cp1252"),
        (("これは日本語の文書です。検索できるはずです。" * 10).encode("cp932"), "cp932"),
    ],
)
def test_text_is_text_in_any_common_encoding(data: bytes, encoding: str) -> None:
    detected = of(data)
    assert detected.type == "text"
    assert detected.encoding == encoding


def test_json_and_html_are_found_in_utf16_too() -> None:
    assert of('{"a": 1}'.encode("utf-16")).type == "json"
    assert of("<!DOCTYPE html><p>x".encode("utf-16-le")).type == "html"


def test_a_character_cut_at_the_end_of_what_was_read_is_no_damage() -> None:
    data = ("x" * 1023 + "ü" * 5000).encode()
    assert sniff(io.BytesIO(data), "", Limits(sniff_bytes=1024)).encoding == "utf-8"


def test_a_damaged_office_file_is_still_one() -> None:
    data = ooxml(WORD, "word/")
    assert of(data[:-40], "letter.docx") == of(data, "letter.docx")
    assert of(data[:-40]).mismatch is False


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("application/vnd.oasis.opendocument.text", "odt"),
        ("application/vnd.oasis.opendocument.presentation-template", "odp"),
        ("application/epub+zip", "epub"),
        ("application/x-something-else", "zip"),
    ],
)
def test_a_document_that_states_its_type_first_is_known_when_it_was_cut_short(media_type: str, kind: str) -> None:
    data = odf(media_type)
    for length in (len(data) - 10, 38 + len(media_type)):
        assert of(data[:length]).type == kind


def test_a_pdf_whose_first_line_is_damaged_is_one_where_its_name_says_so() -> None:
    damaged = pdf("", [[Line("words")]]).replace(b"%PDF-1.4", b"%P\0F-1.4")
    assert of(damaged, "report.pdf").type == "pdf"
    assert of(damaged, "report.bin").type == "unknown"
    assert of(b"A letter: 1 0 obj is how an object begins.", "letter.pdf").type == "text"


def test_an_archive_behind_a_script_is_one_where_its_name_says_so() -> None:
    assert of(zips.streamed(), "run.zip").type == "zip"
    assert of(zips.streamed(), "run.bin").type == "unknown"
    assert of(b"#!/bin/sh\nexit 0\n" * 100, "run.zip").type == "text"


def test_a_hostile_office_file_is_told_apart_without_being_unpacked() -> None:
    bomb = zips.archive(
        zips.entry(
            "[Content_Types].xml", f'<Types ContentType="application/vnd.{WORD}+xml"/>'.encode().ljust(5_000_000)
        ),
        zips.entry("word/document.xml", bytes(5_000_000)),
    )
    assert of(bomb).type == "docx"
    lying = replace(zips.entry("mimetype", b"x" * 100), central_sizes=(10**9, 10**9))
    assert of(zips.archive(lying)).type == "zip"


@pytest.mark.parametrize(
    "unit",
    [" ", "\n", "[", "<a ", "<!--", "-", "|", "9", "From a", '"', "{", "**a", "\n \n", "<!DOCTYPE a [", "a,", "`"],
)
def test_no_text_takes_long_to_judge(unit: str) -> None:
    started = time.process_time()
    of(unit * (70_000 // len(unit)))
    of("<x" + unit * (60_000 // len(unit)) + "x", "a.csv")
    of("MZ" + unit * (60_000 // len(unit)) + "x", "a.html")
    assert time.process_time() - started < 2


def test_a_path_names_itself_and_an_open_file_keeps_its_position(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("name,age\nann,1\n")
    assert sniff(path).type == "csv"
    assert sniff(str(path), name="table").type == "text"
    with path.open("rb") as file:
        file.seek(5)
        sniff(file)
        assert file.tell() == 5


def test_every_type_has_a_media_type_and_every_supported_one_an_ending() -> None:
    assert all("/" in kind.mime for kind in KINDS.values())
    assert set(KINDS) > TEXTUAL
    for supported in supported_types():
        assert KINDS[supported].extensions
