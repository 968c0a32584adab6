"""Presentations, OpenDocument files and books that mean harm: refused with a code, before they cost anything."""

from __future__ import annotations

import resource
import time
from contextlib import suppress

import pytest

from ingestion.errors import ContentRatioExceeded, ContentTooLarge, CorruptFile, PasswordRequired, XmlForbiddenEntity
from ingestion.extract import supported_types
from ingestion.sniff import sniff
from samples import slides
from samples.epub import epub
from samples.opendocument import odp, ods, odt
from tests.ingestion.extract.conftest import Extract
from tests.ingestion.extract.making import changed, declaring, packed, part_of

DOCUMENTS = {
    "pptx": slides.pptx("A title", [["words"]]),
    "odt": odt("A title", ["words"]),
    "ods": ods("A title", {"Sheet": [["words"]]}),
    "odp": odp("A title", [["words"]]),
    "epub": epub("A title", [["words"]]),
}
CONTENT = [
    ("pptx", "ppt/slides/slide1.xml"),
    ("odt", "content.xml"),
    ("ods", "content.xml"),
    ("odp", "content.xml"),
    ("epub", "EPUB/book.opf"),
]
# All parts that are read as XML.
PARTS = [
    *CONTENT,
    ("pptx", "_rels/.rels"),
    ("pptx", "docProps/core.xml"),
    ("pptx", "ppt/presentation.xml"),
    ("pptx", "ppt/_rels/presentation.xml.rels"),
    ("pptx", "ppt/slides/_rels/slide1.xml.rels"),
    ("odt", "meta.xml"),
    ("odt", "styles.xml"),
    ("ods", "meta.xml"),
    ("ods", "styles.xml"),
    ("odp", "meta.xml"),
    ("epub", "META-INF/container.xml"),
    ("epub", "META-INF/encryption.xml"),
]
LAUGHS = '<!DOCTYPE lolz [<!ENTITY l0 "lol">{}]><x>&l9;</x>'.format(
    "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
)


def test_every_document_here_is_a_whole_one(extracted: Extract, tmp_path_factory: pytest.TempPathFactory) -> None:
    for kind, document in DOCUMENTS.items():
        assert kind in supported_types()
        path = tmp_path_factory.mktemp("sniffed") / "document"
        path.write_bytes(document)
        assert sniff(path).type == kind
        assert "words" in extracted(document, kind).pages[0].text


@pytest.mark.parametrize(("kind", "part"), PARTS)
def test_a_doctype_is_refused_wherever_it_stands(extracted: Extract, kind: str, part: str) -> None:
    with pytest.raises(XmlForbiddenEntity) as caught:
        extracted(changed(DOCUMENTS[kind], {part: LAUGHS.encode()}), kind)
    assert caught.value.code == "xml_forbidden_entity"


@pytest.mark.parametrize(("kind", "part"), PARTS)
@pytest.mark.parametrize("xml", ["<a><b></a>", "<a>", "no xml", ""])
def test_xml_that_is_none_is_corrupt_with_the_name_of_the_part(
    extracted: Extract, kind: str, part: str, xml: str
) -> None:
    with pytest.raises(CorruptFile, match=part.replace(".", r"\.")):
        extracted(changed(DOCUMENTS[kind], {part: xml.encode()}), kind)


@pytest.mark.parametrize(("kind", "part"), CONTENT)
def test_xml_nested_absurdly_is_corrupt(extracted: Extract, kind: str, part: str) -> None:
    for depth in (2_000, 50_000):
        deep = "<x>" * depth + "</x>" * depth
        with pytest.raises(CorruptFile):
            extracted(changed(DOCUMENTS[kind], {part: deep.encode()}), kind)


@pytest.mark.parametrize("around", ["table", "p", "frame"])
def test_tables_and_text_boxes_within_one_another_do_not_multiply_their_text(extracted: Extract, around: str) -> None:
    begin, end = {
        "table": (
            "<table:table><table:table-row><table:table-cell>",
            "</table:table-cell></table:table-row></table:table>",
        ),
        "p": ("<text:p>", "</text:p>"),
        "frame": ("<text:p><draw:frame><draw:text-box>", "</draw:text-box></draw:frame></text:p>"),
    }[around]
    started = time.process_time()
    body = begin * 300 + "<text:p>" + "word " * 10_000 + "</text:p>" + end * 300
    plain = part_of(DOCUMENTS["odt"], "content.xml")
    document = changed(DOCUMENTS["odt"], {"content.xml": plain.replace("<text:p>words</text:p>", body).encode()})
    assert extracted(document, "odt").text_length == len("word " * 10_000) - 1
    assert time.process_time() - started < 5


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_part_that_grows_like_a_bomb_is_refused_before_it_is_read(extracted: Extract, kind: str) -> None:
    bomb = changed(DOCUMENTS[kind], {"Pictures/zeros.bin": bytes(40_000_000)})
    with pytest.raises(ContentRatioExceeded) as caught:
        extracted(bomb, kind)
    assert caught.value.code == "ratio_exceeded"


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_content_larger_than_the_limit_is_refused(extracted: Extract, kind: str) -> None:
    for limits in ({"max_content_bytes": 300}, {"max_parts": 2}):
        with pytest.raises(ContentTooLarge) as caught:
            extracted(DOCUMENTS[kind], kind, **limits)
        assert caught.value.code == "too_large"


@pytest.mark.parametrize(("kind", "part"), CONTENT)
@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_part_of_another_size_than_declared_is_corrupt(extracted: Extract, kind: str, part: str, size: int) -> None:
    with pytest.raises(CorruptFile):
        extracted(declaring(changed(DOCUMENTS[kind], {}), part, size), kind)


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_a_document_cut_off_is_still_known_for_what_it_is_and_corrupt(
    extracted: Extract, tmp_path_factory: pytest.TempPathFactory, kind: str, share: float
) -> None:
    document = DOCUMENTS[kind]
    cut = document[: max(200, int(len(document) * share))]
    path = tmp_path_factory.mktemp("cut") / "document"
    path.write_bytes(cut)
    if kind != "pptx" or share > 0.1:  # the first part of an office file says nothing yet
        assert sniff(path).type == kind
    with pytest.raises(CorruptFile):
        extracted(cut, kind)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_what_is_no_container_or_one_of_something_else_is_corrupt(extracted: Extract, kind: str) -> None:
    for data in (b"", b"PK\x03\x04", b"<html>404</html>", packed({"a.txt": b"words"})):
        with pytest.raises(CorruptFile):
            extracted(data, kind)


def test_a_presentation_wrapped_with_a_password_needs_it(extracted: Extract) -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000) + "EncryptedPackage".encode("utf-16-le") + bytes(1000)
    with pytest.raises(PasswordRequired):
        extracted(ole, "pptx")


def test_a_chapter_nested_absurdly_ends_with_text_or_is_corrupt(extracted: Extract) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for element in ("div", "table><tr><td", "b", "ul><li"):
        deep = f"<html><body>{f'<{element}>' * 50_000}words</body></html>"
        document = changed(DOCUMENTS["epub"], {"EPUB/chapter1.xhtml": deep.encode()})
        with suppress(CorruptFile):
            assert "words" in extracted(document, "epub").pages[0].text
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
