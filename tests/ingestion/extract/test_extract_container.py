"""Office files as containers: bombs, entities, passwords and lies are met before a parser is."""

from __future__ import annotations

import io
import zipfile

import pytest

from ingestion.errors import (
    ContentRatioExceeded,
    ContentTooLarge,
    CorruptFile,
    PasswordRequired,
    XmlForbiddenEntity,
)
from samples import office
from samples.opendocument import ods
from tests.ingestion import hostile_zips
from tests.ingestion.extract.conftest import Extract
from tests.ingestion.extract.making import changed, declaring, docx_of, packed, paragraph, xlsx_of

LAUGHS = '<!DOCTYPE lolz [<!ENTITY l0 "lol">{}]>'.format(
    "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
REMOTE = '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/never.dtd">'


@pytest.mark.parametrize("prolog", [LAUGHS, OUTSIDE, REMOTE], ids=["laughs", "outside", "remote"])
def test_a_doctype_is_refused_in_word_and_excel(extracted: Extract, prolog: str) -> None:
    for document, kind in ((docx_of(paragraph("x"), prolog=prolog), "docx"), (xlsx_of("", prolog=prolog), "xlsx")):
        with pytest.raises(XmlForbiddenEntity) as caught:
            extracted(document, kind)
        assert caught.value.code == "xml_forbidden_entity"


def test_a_doctype_in_another_encoding_is_refused_too(extracted: Extract) -> None:
    xml = f'<?xml version="1.0" encoding="UTF-16"?>{LAUGHS}<x>&l9;</x>'.encode("utf-16")
    with pytest.raises(XmlForbiddenEntity):
        extracted(changed(office.docx("", ["x"]), {"word/document.xml": xml}), "docx")


def test_a_part_that_grows_like_a_bomb_is_refused_before_it_is_read(extracted: Extract) -> None:
    bomb = changed(office.docx("", ["x"]), {"word/media/zeros.bin": bytes(40_000_000)})
    with pytest.raises(ContentRatioExceeded) as caught:
        extracted(bomb, "docx")
    assert caught.value.code == "ratio_exceeded"


def test_content_larger_than_the_limit_is_refused(extracted: Extract) -> None:
    for limits in ({"max_content_bytes": 1_000}, {"max_parts": 3}):
        with pytest.raises(ContentTooLarge) as caught:
            extracted(office.docx("", ["x"]), "docx", **limits)
        assert caught.value.code == "too_large"


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_part_of_another_size_than_declared_is_corrupt(extracted: Extract, size: int) -> None:
    document = changed(office.docx("", ["x"]), {})
    with pytest.raises(CorruptFile):
        extracted(declaring(document, "word/document.xml", size), "docx")


def test_a_part_whose_bytes_were_changed_is_corrupt(extracted: Extract) -> None:
    document = office.docx("", ["some words"])
    with pytest.raises(CorruptFile, match=r"can not be read|checksum"):
        extracted(document.replace(b"some words", b"same words"), "docx")


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["docx", "xlsx"])
def test_a_container_cut_off_is_corrupt(extracted: Extract, kind: str, share: float) -> None:
    document = office.docx("", ["x"]) if kind == "docx" else office.xlsx("", {"Sheet": [["x"]]})
    with pytest.raises(CorruptFile):
        extracted(document[: int(len(document) * share)], kind)


def test_a_web_page_named_docx_is_corrupt(extracted: Extract) -> None:
    for data in (b"<html>404</html>", b"", b"PK\x03\x04"):
        with pytest.raises(CorruptFile):
            extracted(data, "docx")


def test_a_document_wrapped_with_a_password_needs_it_and_an_old_one_is_none(extracted: Extract) -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000)
    with pytest.raises(PasswordRequired) as caught:
        extracted(ole + "EncryptedPackage".encode("utf-16-le") + bytes(1000), "docx")
    assert caught.value.code == "password_required"
    with pytest.raises(CorruptFile, match="older"):
        extracted(ole, "xlsx")


def test_parts_that_share_bytes_are_corrupt(extracted: Extract) -> None:
    for hostile in (hostile_zips.full_overlap(), hostile_zips.quoted_overlap()):
        with pytest.raises(CorruptFile, match="share the same bytes"):
            extracted(hostile, "docx")


def test_a_document_packed_with_any_ordinary_method_is_read(extracted: Extract) -> None:
    with zipfile.ZipFile(io.BytesIO(office.docx("", ["some words"]))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert extracted(packed(parts, method), "docx").pages[0].text == "some words"


def test_xml_nested_absurdly_is_corrupt(extracted: Extract) -> None:
    with pytest.raises(CorruptFile):
        extracted(docx_of("<w:x>" * 50_000 + "</w:x>" * 50_000), "docx")


def test_an_ampersand_in_an_attribute_is_one(extracted: Extract) -> None:
    assert extracted(office.xlsx("", {"R & D": [["a"]]}), "xlsx").pages[0].text == "R & D\na"
    assert extracted(ods("", {"R & D &#38;": [["a"]]}), "ods").pages[0].text == "R & D &#38;\na"
