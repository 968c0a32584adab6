"""Books: chapters in the order of reading, whatever their files are called, and no protected ones."""

from __future__ import annotations

import pytest

from ingestion.errors import CorruptFile, PasswordRequired
from ingestion.extract import NoText
from samples.epub import epub
from tests.ingestion.extract.conftest import Extract
from tests.ingestion.extract.making import changed, epub_of, part_of

PACKAGE = "EPUB/book.opf"
FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def pages(extraction: object) -> list[tuple[int, str]]:
    return [(page.number, page.text) for page in extraction.pages]  # type: ignore[attr-defined]


def edited(document: bytes, part: str, old: str, new: str) -> bytes:
    text = part_of(document, part)
    assert old in text
    return changed(document, {part: text.replace(old, new).encode()})


def protected(*methods: str) -> bytes:
    data = "".join(f'<x:EncryptedData><x:EncryptionMethod Algorithm="{each}"/></x:EncryptedData>' for each in methods)
    xml = f'<encryption xmlns:x="http://www.w3.org/2001/04/xmlenc#">{data}</encryption>'
    return epub_of("x", **{"META-INF/encryption.xml": xml.encode()})


def test_each_chapter_is_a_page_and_the_title_is_the_books(extracted: Extract) -> None:
    extraction = extracted(epub("The sky", [["One", "Orion & more"], [""], ["Three"]]), "epub")
    assert (extraction.title, extraction.page_count) == ("The sky", 3)
    assert pages(extraction) == [(1, "One\nOrion & more"), (3, "Three")]


def test_chapters_come_in_the_order_of_reading_and_each_once(extracted: Extract) -> None:
    spine = [f'<itemref idref="chapter{number}"/>' for number in (1, 2, 3)]
    turned = edited(epub_of("first", "second", "never"), PACKAGE, "".join(spine), spine[1] + spine[0] + spine[1] * 99)
    assert pages(extracted(turned, "epub")) == [(1, "second"), (2, "first")]


def test_a_chapter_whose_name_is_written_as_in_an_address_is_found(extracted: Extract) -> None:
    odd = epub_of("x", **{"EPUB/chapter1.xhtml": None, "Text/ä & b.xhtml": b"<p>odd</p>"})
    odd = edited(odd, PACKAGE, 'href="chapter1.xhtml"', 'href="../Text/%C3%A4%20&amp;%20b.xhtml#start"')
    assert pages(extracted(odd, "epub")) == [(1, "odd")]


def test_the_first_of_several_titles_is_the_books_and_without_one_its_first_page_says_it(extracted: Extract) -> None:
    document = epub_of("<h1>Heading</h1>")
    title = "<dc:title>A title</dc:title>"
    assert extracted(edited(document, PACKAGE, title, f"{title}<dc:title>more</dc:title>"), "epub").title == "A title"
    assert extracted(edited(document, PACKAGE, title, "<dc:title/>"), "epub").title == "Heading"


def test_chapters_with_a_doctype_and_in_another_encoding_are_read(extracted: Extract) -> None:
    doctype = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">'
    old = f'<?xml version="1.0" encoding="windows-1251"?>{doctype}<html><body><p>Орион&nbsp;и Лира</p></body></html>'
    extraction = extracted(epub_of("x", **{"EPUB/chapter1.xhtml": old.encode("cp1251")}), "epub")
    assert pages(extraction) == [(1, "Орион\xa0и Лира")]


def test_entities_that_a_chapter_defines_are_not_expanded(extracted: Extract) -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE html [<!ENTITY l0 "lol">{entities}]><html><body><p>a &l9; b</p></body></html>'
    extraction = extracted(epub_of("x", **{"EPUB/chapter1.xhtml": bomb.encode()}), "epub")
    assert extraction.text_length < len(bomb)


def test_a_chapter_that_is_a_picture_is_an_empty_page_with_a_warning(extracted: Extract) -> None:
    picture = edited(epub_of("x", "words"), PACKAGE, "application/xhtml+xml", "image/svg+xml")
    picture = edited(
        picture, PACKAGE, 'chapter2.xhtml" media-type="image/svg+xml', 'chapter2.xhtml" media-type="text/html'
    )
    extraction = extracted(picture, "epub")
    assert pages(extraction) == [(2, "words")]
    assert extraction.warnings == ("chapters_not_read: chapters that are no text, such as pictures: 1",)


def test_a_chapter_that_is_no_text_in_any_encoding_is_left_out_with_a_warning(extracted: Extract) -> None:
    extraction = extracted(epub_of("x", "words", **{"EPUB/chapter1.xhtml": bytes(1000)}), "epub")
    assert pages(extraction) == [(2, "words")]
    assert extraction.warnings[0].startswith("encoding_unreadable:")


@pytest.mark.parametrize("method", ["http://www.w3.org/2001/04/xmlenc#aes128-cbc", ""])
def test_a_book_with_copy_protection_can_not_be_read(extracted: Extract, method: str) -> None:
    with pytest.raises(PasswordRequired, match="protected") as caught:
        extracted(protected(FONTS[0], method), "epub")
    assert caught.value.code == "password_required"
    assert "without protection" in caught.value.hint


def test_fonts_that_are_only_disguised_protect_nothing(extracted: Extract) -> None:
    for methods in (FONTS, ()):
        assert pages(extracted(protected(*methods), "epub")) == [(1, "x")]


@pytest.mark.parametrize("part", ["META-INF/container.xml", PACKAGE, "EPUB/chapter1.xhtml"])
def test_a_book_with_a_part_missing_is_corrupt(extracted: Extract, part: str) -> None:
    with pytest.raises(CorruptFile, match="missing"):
        extracted(epub_of("x", **{part: None}), "epub")


def test_a_chapter_that_the_list_of_parts_does_not_have_is_missing(extracted: Extract) -> None:
    with pytest.raises(CorruptFile, match="chapter"):
        extracted(edited(epub_of("x"), PACKAGE, 'id="chapter1"', 'id="other"'), "epub")


def test_a_book_without_words_has_no_text(extracted: Extract) -> None:
    for bodies in ((), ("",), ("<img src='a.png'/>",)):
        assert extracted(epub_of(*bodies), "epub").no_text_reason is NoText.EMPTY


def test_chapters_beyond_the_limit_are_left_out_and_text_beyond_it_is_cut(extracted: Extract) -> None:
    document = epub_of(*(letter * 60 for letter in "abc"))
    extraction = extracted(document, "epub", max_pages=2)
    assert (len(extraction.pages), extraction.page_count) == (2, 3)
    assert extraction.warnings[0].startswith("pages_truncated:")
    extraction = extracted(document, "epub", max_text_characters=100)
    assert extraction.text_length <= 100
    assert extraction.warnings[0].startswith("text_truncated:")
