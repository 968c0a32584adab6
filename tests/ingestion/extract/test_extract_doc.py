"""Word documents of before 2007: every story in its order, wherever its pieces lie, and nothing that is no text."""

from __future__ import annotations

import io
import random
import struct
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ingestion.errors import ContentTooLarge, CorruptFile, IngestionError, PasswordRequired, UnsupportedFile
from ingestion.extract import NoText, PageWriter
from ingestion.extract.doc import EXTRACTOR
from ingestion.limits import Limits
from ingestion.sniff import sniff
from tests.ingestion.extract.conftest import Extract
from tests.ingestion.extract.making_doc import ENCRYPTED, SECOND_TABLE, container, doc_of, word_6_of
from tests.ingestion.extract.making_xls import xls_of

LIST = 5  # where the table of pieces has its first place in the text


def lines(extracted: Extract, *pieces: str | bytes, page: int = 1, **options: object) -> list[str]:
    found = extracted(doc_of(*pieces, **options), "doc")  # type: ignore[arg-type]
    return next(each.text for each in found.pages if each.number == page).split("\n")


def test_pieces_of_one_and_of_two_bytes_a_character_are_one_text(extracted: Extract) -> None:
    document = doc_of(b"Caf\xe9 \x93one\x94 ", "Žižek 𐌲𐌿 ", b"end\r")
    assert sniff(io.BytesIO(document)).type == "doc"
    assert extracted(document, "doc").pages[0].text == "Café “one” Žižek 𐌲𐌿 end"


@pytest.mark.parametrize("flags", [0, SECOND_TABLE])
def test_the_header_says_which_of_two_tables_counts(extracted: Extract, flags: int) -> None:
    assert lines(extracted, b"words\r", flags=flags) == ["words"]


def test_properties_in_front_of_the_list_of_pieces_are_passed_over(extracted: Extract) -> None:
    assert lines(extracted, b"words\r", properties=b"\x01\x03\x00abc\x01\x00\x00") == ["words"]


def test_a_field_shows_its_result_and_not_its_instruction(extracted: Extract) -> None:
    link = '\x13 HYPERLINK "https://x" \x14the \x13 PAGE \x142\x15nd heron\x15'
    assert lines(extracted, f"See {link}.\x13 XE index \x15 End\r") == ["See the 2nd heron. End"]


def test_a_field_that_does_not_end_hides_nothing(extracted: Extract) -> None:
    assert lines(extracted, b"a \x13 IF b\rc\r") == ["a  IF b", "c"]


def test_marks_that_are_no_text_are_left_out_and_hyphens_are_as_they_are_read(extracted: Extract) -> None:
    assert lines(extracted, b"a\x01b\x02\x05\x08 co\x1eop\x1feration\x0bnext\r") == ["ab co-operation", "next"]


def test_a_row_of_a_table_is_one_line(extracted: Extract) -> None:
    table = b"Name\x07City\x07\x07Ann\x07Graz\x07\x07after\r"
    assert lines(extracted, table) == ["Name | City", "Ann | Graz", "after"]


def test_an_empty_cell_leaves_no_mark(extracted: Extract) -> None:
    assert lines(extracted, b"\x07City\x07\x07Ann\x07\x07\x07after\r") == ["City", "Ann", "after"]


def test_pages_end_where_the_author_ended_them(extracted: Extract) -> None:
    extraction = extracted(doc_of(b"one\r\x0ctwo\r\x0c\x0cfour\r"), "doc")
    assert [(page.number, page.text) for page in extraction.pages] == [(1, "one"), (2, "two"), (4, "four")]


def test_notes_comments_boxes_and_headers_stand_below_the_body_and_macros_nowhere(extracted: Extract) -> None:
    parts = [
        b"body\r",
        b"footnote\r",
        b"header\rheader\r",
        b"macro\r",
        b"comment\r",
        b"endnote\r",
        b"box\r",
        b"boxed\r",
    ]
    told = lines(extracted, *parts, stories=[len(part) for part in parts[1:]])
    assert told == ["body", "footnote", "header", "comment", "endnote", "box", "boxed"]


def test_a_story_may_begin_in_the_middle_of_a_piece(extracted: Extract) -> None:
    assert lines(extracted, "böd", "y\rnöte\r", stories=[5]) == ["bödy", "nöte"]


@pytest.mark.parametrize("version", [101, 104])
@pytest.mark.parametrize(("language", "codec"), [(0x0409, "cp1252"), (0x0419, "cp1251"), (0x0405, "cp1250")])
def test_word_6_writes_in_the_code_page_of_its_language(
    extracted: Extract, version: int, language: int, codec: str
) -> None:
    text = {"cp1252": "über", "cp1251": "цапля", "cp1250": "žluťoučký"}[codec]
    document = word_6_of(f"{text}\r".encode(codec), language=language, version=version)
    assert extracted(document, "doc").pages[0].text == text


def test_word_6_may_store_its_text_in_pieces_too(extracted: Extract) -> None:
    assert extracted(word_6_of(b"The heron waits.\r", pieces=[4, 10]), "doc").pages[0].text == "The heron waits."


def test_a_document_of_before_word_6_is_refused_with_a_next_step(extracted: Extract) -> None:
    with pytest.raises(UnsupportedFile, match="Word 6") as caught:
        extracted(word_6_of(b"old\r", version=45), "doc")
    assert ".docx" in caught.value.hint


def test_a_document_with_a_password_needs_it(extracted: Extract) -> None:
    with pytest.raises(PasswordRequired):
        extracted(doc_of(b"secret\r", flags=SECOND_TABLE | ENCRYPTED), "doc")


def test_a_document_without_words_has_no_text(extracted: Extract) -> None:
    for document in (doc_of(b"\r"), doc_of(), doc_of(b"\x13 PAGE \x15\r")):
        assert extracted(document, "doc").no_text_reason is NoText.EMPTY


@pytest.mark.parametrize(
    "changes",
    [
        {0: b"\x03"},  # no list
        {1: struct.pack("<L", 1 << 20)},  # a list longer than the table
        {LIST: struct.pack("<LL", 9, 3)},  # places that go back
        {LIST + 8: struct.pack("<L", 1 << 30)},  # more text than there is
        {LIST + 14: struct.pack("<L", 1 << 29)},  # a piece behind the end
    ],
)
def test_a_list_of_pieces_that_can_not_be_is_corrupt(extracted: Extract, changes: dict[int, bytes]) -> None:
    with pytest.raises(CorruptFile):
        extracted(doc_of(b"one ", b"two\r", changes=changes), "doc")


def test_what_is_no_word_document_is_corrupt(extracted: Extract) -> None:
    whole = doc_of(b"words\r")
    small = container({"WordDocument": b"", "1Table": b""})
    for data in (b"", b"text", whole[:600], whole[:5000], xls_of({"Sheet": []}), small[:3000]):
        with pytest.raises(CorruptFile):
            extracted(data, "doc")


def test_a_document_larger_than_the_limit_is_refused(extracted: Extract) -> None:
    with pytest.raises(ContentTooLarge):
        extracted(doc_of(b"words\r" * 1000), "doc", max_content_bytes=5000)


def test_pieces_that_all_mean_the_same_bytes_do_not_multiply_them(extracted: Extract) -> None:
    pieces = 20_000
    places = struct.pack(f"<{pieces + 1}L", *(number * 100_000 for number in range(pieces + 1)))
    table = places + struct.pack("<HLH", 0, 0x400 * 2 | 1 << 30, 0) * pieces
    started = time.process_time()
    changes = {1: struct.pack("<L", len(table)) + table}
    with pytest.raises(CorruptFile, match="more text than it has"):
        extracted(doc_of(b"\x13" + b"x" * 100_000 + b"\x15", *[b""] * pieces, changes=changes), "doc")
    assert time.process_time() - started < 20


def test_text_beyond_the_limit_is_cut_with_a_warning(extracted: Extract) -> None:
    extraction = extracted(doc_of(b"heron\r" * 1000), "doc", max_text_characters=100)
    assert extraction.text_length <= 100
    assert extraction.warnings[0].startswith("text_truncated: ")


def test_damage_of_any_kind_raises_nothing_but_errors_with_a_code(tmp_path: Path) -> None:
    chance = random.Random("doc")
    made = [
        doc_of(b"a \x13 IF \x14b\x15\r", "x\x07y\x07\x07", stories=[3], properties=b"\x01\x03\x00abc"),
        word_6_of(b"The heron waits.\r", pieces=[4, 10]),
    ]
    path = tmp_path / "document"
    for _ in range(3_000):
        data = bytearray(chance.choice(made))
        for _ in range(chance.choice((1, 3, 20))):
            data[chance.randrange(chance.choice((1_600, 1_600, len(data))))] = chance.choice((0, 1, 2, 255))
        path.write_bytes(data[: chance.choice((len(data), len(data), chance.randrange(len(data))))])
        with suppress(IngestionError):
            EXTRACTOR.read(path, PageWriter(Limits()))


def test_fields_inside_one_another_without_end_cost_nothing(extracted: Extract) -> None:
    deep = b"\x13" * 100_000 + b"words" + b"\x15" * 100_000
    assert extracted(doc_of(deep), "doc").page_count == 1
