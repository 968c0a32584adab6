"""Real files of other people: the words a person finds in them stand on the right page of the extracted text.

The phrases were read in the files by other means: the parts of office files as XML, mails and web pages as source,
PDFs in another reader, the one text in an encoding of mainframes by decoding it as such.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ingestion.errors import CorruptFile, PasswordRequired, UnsupportedFile
from ingestion.extract import NoText, extract, supported_types
from ingestion.sniff import sniff

PHRASES = [
    ("pdf-horrors/text_only_pdfa1b.pdf", 1, "It only contains some text."),
    ("pdf-horrors/corruptionOneByteMissing.pdf", 1, "Johan van der Knijff has waived all copyright"),
    ("pdf-horrors/encryption_notextaccess.pdf", 1, "This is a test document."),
    ("pdf-horrors/fileAttachment_fileAttachmentAnnotation.pdf", 1, "using a File Attachment Annotation"),
    ("pdf-horrors/javascript.pdf", 1, "JavaScript example"),
    ("tika/testPDF.pdf", 1, "a toolkit for detecting and extracting metadata and structured text content"),
    ("tika/testPDFPackage.pdf", 1, "Multiple files are bound together in this PDF Package."),
    ("tika/testPDF_JBIG2.pdf", 1, "a sample file to test images compressed using JBIG2"),
    ("tika/testWORD_2006ml.docx", 1, "This is an engaging title page"),
    ("tika/testWORD_2006ml.docx", 2, "Contents"),
    ("tika/testWORD_2006ml.docx", 3, "The quick brown fox jumped over the lazy brown dog."),
    ("tika/testWORD_2006ml.docx", 4, "This is text within a shape"),
    ("tika/testWORD_2006ml.docx", 5, "This is some serious word art"),
    ("tika/testOptionalHyphen.docx", 1, "optionalhyphen"),
    ("tika/testWORD_embedded_pics.docx", 1, "This is a footnote"),
    ("tika/EmbeddedDocument.docx", 1, "Let me see what happens if I insert a worksheet."),
    ("tika/testEXCEL.xlsx", 1, "Sample Excel Worksheet - Numbers and their Squares"),
    ("tika/testEXCEL.strict.xlsx", 2, "Start of 2nd sheet"),
    ("tika/CVLKRA-KYC_Download_File_Structure_V3.1.xlsx", 26, "001 | Jammu and Kashmir"),
    ("tika/CVLKRA-KYC_Download_File_Structure_V3.1.xlsx", 30, "e-KYC with Biometric"),
    ("tika/testPPT_various.pptx", 1, "Row 2 Col 1 | Row 2 Col 2 | Row 2 Col 3"),
    ("tika/testPPT_various.pptx", 1, "ゾルゲと尾崎"),
    ("tika/testPPT_groups.pptx", 2, "Text box5 tika link"),
    ("tika/testPPT_groups.pptx", 2, "smart1 smart2 Smart3"),
    ("tika/testPPTX_overlappingRelations.pptx", 4, "POI can read this too"),
    ("tika/testComment.pptx", 1, "Here is some text Here is a comment"),
    ("tika/testFooter.odt", 2, "Here is some text on page 2 Here is footer text"),
    ("tika/testNPEOpenDocument.odt", 1, "Generar el certificado de revocación"),
    ("tika/testODTStyles2.odt", 1, "Identificatie vredegerecht | Vredegerecht Name"),
    ("tika/testODT_svgTitleInStyledSpan.odt", 1, "國立雲林科技大學國際課程活動甄選—學生證影印本"),
    ("tika/test-columnar.ods", 1, "10 | 100 | This is row 10 of 10 | 100% | 90.0% | 19-05-1987"),
    ("tika/LibreOfficeCalc_ods_1.3.ods", 1, "This | is | an | example | spreadsheet"),
    ("tika/foo.csv", 1, "456 | qwertyuiop | 98765"),
    ("tika/testCSV.csv", 1, "15 | 225"),
    ("tika/a_microarray.txt", 1, "Sample Name | Protocol REF | Extract Name"),
    ("price/hospital/CSV_Tall_Format_Examples_V3.0.0_Tall_CSV_Format_Example.csv", 1, "standard_charge | gross"),
    ("tika/boilerplate-whitespace.html", 1, "有什么需要我帮你的?"),
    ("tika/resume.html", 1, "Письмо отправлено: xx.xx.xxxx"),
    ("tika/tika434.html", 1, "Do you want to step back in time?"),
    ("tika/testHTMLBadScript.html", 1, "This is a test."),
    ("tika/testTXTNonASCIIUTF8.txt", 1, "Der schnelle braune Fuchs springt über den faulen Hund"),
    ("tika/multi-language.txt", 1, "Vamos acabar com isso"),
    ("tika/english.cp500.txt", 1, "the very affordable 64-bit symmetric"),
    ("tika/test.json", 1, "emitKey: 9.xml.json"),
    ("price/hospital/JSON_v3_json_format_example.json", 1, "standard_charge_information:"),
    ("tika/testRFC822_multipart_attachments.eml", 1, "This is test email for EML1"),
    ("tika/test-incremental-updates.eml", 1, "Attachment: testPDF_incrementalUpdates.pdf (application/pdf)"),
    ("tika/testRTFBoldItalic.rtf", 1, "bold then italic then not bold"),
    ("tika/testRTFHexEscapeInsideWord.rtf", 1, "ESPÍRITO SANTO"),
    ("tika/testRTFHyperlinkAndStyles.rtf", 1, "Caesar DIP: Dip, Caesar.doc"),
    ("tika/testRTFListLibreOffice.rtf", 1, "A short ordered list: 1. one 2. two 3. three"),
    ("tika/testRTFListLibreOffice.rtf", 1, "– first – second – third"),
    ("tika/testRTFListOverride.rtf", 1, "Body"),
    ("tika/testRTFNewlines.rtf", 1, "one two three four"),
    ("tika/testRTFTableCellSeparation.rtf", 1, "a | b c | d ä | ë ö | ü"),
    ("tika/testRTFTableCellSeparation2.rtf", 1, "Fax / Phone Station | Fax / Phone #"),
    ("tika/testRTFUmlautSpaces.rtf", 1, "Übersicht"),
    ("tika/testRTFUmlautSpaces2.rtf", 1, "Übersicht"),
    ("tika/testRTFUnicodeUCNControlWordCharacterDoubling.rtf", 1, "0 年 abc 念"),
    ("tika/testRTFVarious.rtf", 1, "Here is a text box"),
    ("tika/testRTFVarious.rtf", 1, "Footnote appears here This is a footnote."),
    ("tika/testRTFVarious.rtf", 1, "1) Number bullet 1 2) Number bullet 2"),
    ("tika/testRTFVarious.rtf", 1, "This is a hyperlink"),
    ("tika/testRTFVarious.rtf", 1, "Row 1 Col 1 | Row 1 Col 2 | Row 1 Col 3"),
    ("tika/testRTFVarious.rtf", 1, "ゾルゲと尾崎、淡々と最期 （ＧＨＱ）"),
    ("tika/testRTFVarious.rtf", 1, "𐌲𐌿𐍄𐌹𐍃𐌺"),
    ("tika/testRTFVarious.rtf", 1, "This is the header text. This is the footer text."),
    ("tika/testComment.rtf", 1, "Here is some text. Here is a comment"),
    ("tika/basic_embedded.xml", 1, "Nikolai Lobachevsky main_content <mock>"),
    ("tika/mock_times.xml", 1, "hello"),
    ("tika/testXML.xml", 1, "Archimède et Lius à Châteauneuf testing chars en été"),
    ("tika/testTEI.xml", 1, "Bi-criteria Algorithm for Scheduling Jobs on Cluster Platforms"),
    ("tika/testONIXMessage.xml", 1, "Global Bookinfo Someone Or Other, blah"),
    ("tika/testWORD2003.xml", 1, "R1 c1 | R1 c2"),
    ("tika/testWORD2003.xml", 1, "We have always been at war with Eurasia"),
    ("tika/testEXCEL2003.xml", 1, "string | 1 | 1.1 | 2016-04-27"),
    ("price/insurer/in-network-rates-bundle-sample.xml", 1, "Under Repair, Revision, and/or Reconstruction Procedures"),
    ("tika/test-columnar.xls", 1, "This is row 10 of 10 | 1 | 0.9 | 1987-05-19 | 2276-11-19 17:46:40 | 16:24:09"),
    ("tika/testEXCEL-charts.xls", 3, "Sheet2 dingdong"),
    ("tika/testEXCEL-formats.xls", 1, "Number #,##0.00 | 1599.99 | -1599.99"),
    ("tika/testEXCEL.xls", 1, "Sample Excel Worksheet - Numbers and their Squares"),
    ("tika/testEXCEL_dateFormats.xls", 1, "2018-09-20 1996-08-10"),
    ("tika/testEXCEL_phonetic.xls", 1, "日本オラクル | オラクル日本会社"),
    ("tika/testWORD.doc", 1, "Apache Tika: http://tika.apache.org/ Tika"),
    ("tika/testWORD.doc", 1, "That’s it! This is the header for our document This is the footer for our document"),
    ("tika/testWORD6.doc", 1, "The quick brown fox jumps over the lazy dog"),
    ("tika/testComment.doc", 1, "Here is some text. Here is a comment"),
    ("tika/testException2.doc", 2, "The front view of the current loop (3) shows a thick (foil) wire"),
    ("tika/testException2.doc", 6, "Notes"),
    ("tika/testWORD_features.doc", 1, "Lorem ipsum dolor sit amet, consectetur adipiscing elit."),
    ("tika/testWORD_header_hyperlink.doc", 1, "ab@example.com http://tw-systemhaus.de"),
    ("tika/testWORD_no_format.doc", 1, "102 Administration och övervakning"),
    ("tika/testWORD_override_list_numbering.doc", 1, "1st.2.2someOtherText.1"),
]
NO_TEXT = [
    ("pdf-horrors/veraPDFHiRes.pdf", NoText.SCAN),
    ("tika/testPDF_Version.11.x.PDFA-1b.pdf", NoText.SCAN),
    ("tika/testFlashInPDF.pdf", NoText.DRAWING),
    ("tika/headerPic.docx", NoText.EMPTY),
    ("tika/testPPT_embeddedMP3.pptx", NoText.EMPTY),
    ("tika/testODTEmbeddedImageLink.odt", NoText.EMPTY),
    ("tika/testHTML_head.html", NoText.EMPTY),
    ("tika/testRTFEmbeddedLink.rtf", NoText.EMPTY),
    ("tika/testEXCEL_95.xls", NoText.EMPTY),
]


@pytest.mark.parametrize(("name", "page", "phrase"), PHRASES)
def test_a_phrase_read_in_the_file_is_in_its_text_on_its_page(corpus: Path, name: str, page: int, phrase: str) -> None:
    extraction = extract(corpus / name, sniff(corpus / name))
    text = {each.number: " ".join(each.text.split()) for each in extraction.pages}
    assert phrase in text[page]


@pytest.mark.parametrize(("name", "reason"), NO_TEXT)
def test_a_file_without_text_says_why(corpus: Path, name: str, reason: NoText) -> None:
    extraction = extract(corpus / name, sniff(corpus / name))
    assert (extraction.has_text, extraction.no_text_reason) == (False, reason)


@pytest.mark.parametrize(
    "name",
    [
        "pdf-horrors/encryption_openpassword.pdf",
        "tika/protectedFile.xlsx",
        "tika/testODTEncrypted.odt",
        "tika/testEXCEL_protected_passtika.xls",
        "tika/testWORD_protected_passtika.doc",
    ],
)
def test_a_file_with_a_password_needs_it(corpus: Path, name: str) -> None:
    with pytest.raises(PasswordRequired):
        extract(corpus / name, sniff(corpus / name))


def test_an_entity_that_a_file_uses_and_nobody_declares_is_named(corpus: Path) -> None:
    with pytest.raises(CorruptFile, match="'undeclared_entity' not defined, line 22"):
        extract(corpus / "tika/undeclared_entity.xml", "xml")


def test_a_workbook_of_excel_4_is_refused_with_a_next_step(corpus: Path) -> None:
    with pytest.raises(UnsupportedFile, match="Excel 5"):
        extract(corpus / "tika/testEXCEL_4.xls", sniff(corpus / "tika/testEXCEL_4.xls"))


EVERYTHING = """
import json, sys
from ingestion.errors import IngestionError
from ingestion.extract import extract
from ingestion.sniff import sniff
ends = {}
for name in sys.argv[1:]:
    print(name, file=sys.stderr)
    try:
        extraction = extract(name, sniff(name))
        ends[name] = "text" if extraction.has_text else str(extraction.no_text_reason)
    except IngestionError as error:
        ends[name] = error.code
print(json.dumps(ends))
"""


def test_every_file_ends_with_text_a_reason_or_a_code_and_no_process_dies(corpus: Path, root: Path) -> None:
    folders = ("tika", "pdf-horrors", "zips")
    files = [str(path) for folder in folders for path in sorted((corpus / folder).iterdir())]
    run = subprocess.run(
        [sys.executable, "-c", EVERYTHING, *files], cwd=root, capture_output=True, text=True, timeout=100
    )
    assert run.returncode == 0, f"died at {run.stderr.splitlines()[-1:]}"
    ends = json.loads(run.stdout)
    assert set(ends) == set(files)
    assert {Path(name).name for name, end in ends.items() if end == "corrupt_file"} <= {"undeclared_entity.xml"}
    known = {"text", "scan", "drawing", "empty", "password_required", "unsupported_type", "corrupt_file"}
    assert set(ends.values()) <= known
    supported = [end for name, end in ends.items() if sniff(name).type in supported_types()]
    assert supported.count("text") / len(supported) > 0.8
