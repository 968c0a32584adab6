"""XML of any kind: a line a block, nothing from outside of the file, and the XML of Office 2003 as its documents."""

from __future__ import annotations

import pytest

from ingestion.errors import CorruptFile, XmlForbiddenEntity
from ingestion.extract import NoText
from tests.ingestion.extract.conftest import Extract
from tests.ingestion.extract.test_extract_container import LAUGHS, OUTSIDE

WORDML = "http://schemas.microsoft.com/office/word/2003/wordml"
SHEETML = "urn:schemas-microsoft-com:office:spreadsheet"
OFFICE = "urn:schemas-microsoft-com:office:office"


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("<a><b>one</b><b>two</b></a>", "one\ntwo"),
        ("<a>\n <b x='not this'>one</b>\n <c><d>two</d></c>\n</a>", "one\ntwo"),
        ("<a><p>Some <b>bold</b> words</p><p>more</p></a>", "Some bold words\nmore"),
        ("<a><p><b>H</b>alf of a word</p></a>", "Half of a word"),
        ("<a><!-- no --><?no no?>yes<![CDATA[ <& ]]></a>", "yes <&"),
        ("<x:a xmlns:x='urn:x'><x:b>caf\u00e9 &amp; &#233;</x:b></x:a>", "caf\u00e9 & \u00e9"),
        ("<a>one\n   two</a>", "one two"),
    ],
)
def test_text_between_tags_is_kept_in_lines(extracted: Extract, xml: str, text: str) -> None:
    assert extracted(xml, "xml").pages[0].text == text


def test_the_title_is_the_first_element_of_that_name(extracted: Extract) -> None:
    xml = "<a xmlns:dc='urn:dc'><dc:Title>The <i>first</i></dc:Title><title>Another</title></a>"
    assert extracted(xml, "xml").title == "The first"


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-5", "windows-1251", "koi8-r", "utf-8"])
def test_the_declared_encoding_is_the_one(extracted: Extract, encoding: str) -> None:
    xml = f'<?xml version="1.0" encoding="{encoding}"?><a>Привет, мир</a>'.encode(encoding)
    assert extracted(xml, "xml").pages[0].text == "Привет, мир"


def test_bytes_in_another_encoding_than_declared_are_said_to_be_so(extracted: Extract) -> None:
    with pytest.raises(CorruptFile, match="not valid XML"):
        extracted('<?xml version="1.0" encoding="utf-8"?><a>Grüße</a>'.encode("cp1252"), "xml")


def test_an_xml_without_text_has_none(extracted: Extract) -> None:
    extraction = extracted("<a><b/> <c x='1'/></a>", "xml")
    assert (extraction.has_text, extraction.no_text_reason) == (False, NoText.EMPTY)


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE a>",
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/never.dtd">',
        "<!-- one --> <!DOCTYPE a PUBLIC '-//X//Y' 'a>[b.dtd' >",
    ],
)
def test_a_doctype_that_declares_nothing_is_let_through_and_nothing_is_fetched(
    extracted: Extract, doctype: str
) -> None:
    for prefix, encoding in (("", "utf-8"), ('<?xml version="1.0" encoding="utf-16"?>', "utf-16")):
        assert extracted(f"{prefix}{doctype}<a>words</a>".encode(encoding), "xml").pages[0].text == "words"


def test_characters_that_only_another_file_defines_are_counted(extracted: Extract) -> None:
    extraction = extracted('<!DOCTYPE a SYSTEM "a.dtd"><a>caf&eacute; &amp; th&eacute;</a>', "xml")
    assert extraction.pages[0].text == "caf & th"
    assert extraction.warnings == (
        "entities_not_read: characters that another file defines, and that were left out: 2",
    )


@pytest.mark.parametrize(
    "prolog",
    [
        LAUGHS,
        OUTSIDE,
        '<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]>',
        '<!DOCTYPE a SYSTEM "a>b" [<!ENTITY l9 "lol">]>',
        "<!-- <!DOCTYPE a> --><!DOCTYPE a [<!ENTITY l9 'lol'>]>",
        f"<!--{'x' * 100_000}-->" + LAUGHS,
        "<!DOCTYPE a []>",
    ],
    ids=["laughs", "outside", "parameter", "behind a quote", "behind a comment", "far behind", "empty"],
)
def test_a_doctype_that_could_declare_something_is_refused(extracted: Extract, prolog: str) -> None:
    for encoding in ("utf-8", "utf-16"):
        with pytest.raises(XmlForbiddenEntity) as caught:
            extracted(f"{prolog}<a>&l9;</a>".encode(encoding), "xml")
        assert caught.value.code == "xml_forbidden_entity"


def test_an_entity_that_nobody_declared_is_named_with_its_line(extracted: Extract) -> None:
    with pytest.raises(CorruptFile, match=r"'nobody' not defined, line 2"):
        extracted("<a>\n&nobody;</a>", "xml")


@pytest.mark.parametrize("xml", ["<a><b>one</b>", "<a>", "<a", "", "<a></b>", "no xml", "<a>\x01</a>"])
def test_what_is_not_well_formed_is_corrupt(extracted: Extract, xml: str) -> None:
    with pytest.raises(CorruptFile):
        extracted(xml, "xml")


def test_xml_nested_absurdly_is_corrupt(extracted: Extract) -> None:
    with pytest.raises(CorruptFile):
        extracted("<x>" * 50_000 + "</x>" * 50_000, "xml")


def test_text_beyond_the_limit_is_cut_and_reading_stops(extracted: Extract) -> None:
    for xml in ("<a>" + "<b>word</b>" * 1_000 + "</a>", "<a>" + "word " * 1_000 + "</a>"):
        extraction = extracted(xml, "xml", max_text_characters=100)
        assert extraction.text_length <= 100
        assert extraction.warnings[0].startswith("text_truncated:")


def test_a_document_of_word_2003_is_read_as_word_shows_it(extracted: Extract) -> None:
    xml = (
        f'<w:wordDocument xmlns:w="{WORDML}" xmlns:o="{OFFICE}"><o:DocumentProperties><o:Title>Letter</o:Title>'
        "<o:Pages>7</o:Pages></o:DocumentProperties><w:body><w:p><w:r><w:t>one</w:t></w:r></w:p><w:p><w:r>"
        '<w:pict><w:binData>UEsDBBQ</w:binData></w:pict><w:br w:type="page"/><w:t>two</w:t></w:r></w:p></w:body>'
        "</w:wordDocument>"
    )
    extraction = extracted(xml, "xml")
    assert (extraction.title, [page.text for page in extraction.pages]) == ("Letter", ["one", "two"])


def test_a_workbook_of_excel_2003_is_read_as_sheets_and_rows(extracted: Extract) -> None:
    def row(*cells: tuple[str, str]) -> str:
        return (
            "<Row>" + "".join(f'<Cell><Data ss:Type="{kind}">{text}</Data></Cell>' for kind, text in cells) + "</Row>"
        )

    rows = row(("String", "a"), ("Number", "1.1000000000000001")) + row(
        ("DateTime", "2016-04-27T00:00:00.000"), ("Boolean", "1"), ("Number", "many")
    )
    xml = (
        f'<Workbook xmlns="{SHEETML}" xmlns:ss="{SHEETML}"><ExcelWorkbook><Height>7440</Height></ExcelWorkbook>'
        f'<Worksheet ss:Name="First"><Table>{rows}</Table></Worksheet><Worksheet ss:Name="Empty"/></Workbook>'
    )
    extraction = extracted(xml, "xml")
    assert extraction.pages[0].text == "First\na | 1.1\n2016-04-27 | TRUE | many"
    assert extraction.page_count == 2
