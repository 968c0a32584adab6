"""Bytes become the text that was meant, or the file is refused; never silently something else."""

from __future__ import annotations

import pytest

from ingestion.errors import EncodingUnreadable
from ingestion.extract.decode import named_encoding
from tests.ingestion.extract.conftest import Extract

GERMAN = "Sehr geehrte Damen und Herren, für die Prüfung öffnen wir größere Räume. Grüße aus München – „schön“."
FRENCH = "Le café est fermé jusqu'à lundi. Où êtes-vous allés? Ça va très bien, merci à tous les élèves."
POLISH = "Zażółć gęślą jaźń. Teleskop znajduje się na górze. Proszę otworzyć kopułę."
RUSSIAN = "Съешь ещё этих мягких французских булок, да выпей же чаю. Телескоп установлен на горе."
JAPANESE = "これは日本語の文章です。望遠鏡は山の上にあります。明日は晴れるでしょう。"
CHINESE = "这是中文文本。望远镜在山上。明天会是晴天。我们需要更多的设备。"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "utf-8"),
        (GERMAN, "utf-8-sig"),
        (JAPANESE, "utf-16"),
        (GERMAN, "utf-16-le"),
        (GERMAN, "utf-16-be"),
        (CHINESE, "utf-32"),
        (GERMAN, "cp1252"),
        (FRENCH, "iso8859-1"),
        ("A meeting at the café, at noon.", "cp1252"),
        ("Name,Price\nLens,£12.50\nMirror,£99.00", "cp1252"),
        (POLISH, "cp1250"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc-jp"),
        (CHINESE, "gb18030"),
    ],
)
def test_a_text_is_read_in_the_encoding_it_was_written_in(extracted: Extract, text: str, encoding: str) -> None:
    extraction = extracted(text.encode(encoding), "text")
    assert extraction.pages[0].text == text
    assert extraction.warnings == ()


def test_utf8_with_a_stray_byte_stays_utf8_and_the_damage_is_counted(extracted: Extract) -> None:
    data = (GERMAN * 5).encode() + b" \xff " + GERMAN.encode()
    extraction = extracted(data, "text")
    assert extraction.pages[0].text == f"{GERMAN * 5} \ufffd {GERMAN}"
    assert extraction.warnings == ("encoding_damaged: 1 characters could not be read as UTF-8 and became \ufffd",)


def test_an_utf16_text_cut_in_the_middle_of_a_character_is_read_to_there(extracted: Extract) -> None:
    extraction = extracted("grün".encode("utf-16")[:-1], "text")
    assert extraction.pages[0].text == "grü\ufffd"
    assert extraction.warnings[0].startswith("encoding_damaged:")


def test_an_encoding_that_shows_only_far_into_the_file_is_found(extracted: Extract) -> None:
    extraction = extracted(b"plain words\n" * 150_000 + FRENCH.encode("cp1252"), "text")
    assert extraction.pages[0].text.endswith(FRENCH)


@pytest.mark.parametrize("data", [bytes(range(256)) * 20, b"\x00\x00\x00\x07text\x00\x00" * 50, b"\x01\x02\x80" * 100])
def test_bytes_that_are_no_text_are_refused(extracted: Extract, data: bytes) -> None:
    with pytest.raises(EncodingUnreadable) as caught:
        extracted(data, "text")
    assert caught.value.code == "encoding_unreadable"


def test_only_what_is_needed_of_a_long_text_is_read(extracted: Extract) -> None:
    extraction = extracted("ä" * 5_000_000, "text", max_text_characters=1_000)
    assert extraction.text_length == 1_000
    assert extraction.warnings[0].startswith("text_truncated:")


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("UTF-8", "utf-8"),
        ('"ISO-8859-1"', "cp1252"),
        ("us-ascii", "cp1252"),
        ("windows-1251", "cp1251"),
        ("Shift_JIS", "shift_jis"),
        ("x-sjis", "shift_jis"),
        ("iso-2022-jp", "iso2022_jp"),
        ("rot13", None),
        ("zlib", None),
        ("punycode", None),
        ("unicode_escape", None),
        ("no-such-encoding", None),
        ("", None),
        (None, None),
    ],
)
def test_a_document_may_name_text_encodings_and_nothing_else(name: str | None, codec: str | None) -> None:
    assert named_encoding(name) == codec
