"""Real files of many programs: what each is, known from looking at it and not from its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.sniff import sniff

# The tables named .txt are tab-separated; the news articles named .txt have a message's header; protect*.xlsx are
# encrypted; the .xml of Word and Excel 2003 are XML and nothing else; testAppleSingleFile.pdf begins with what an
# old Mac put in front; testIWorksNPEDetector.zip is a zip with one XML file.
EXPECTED = {
    "csv": """
        a_microarray.txt a_transcriptome.txt foo.csv s_BII-S-2.txt testCSV.csv
    """,
    "xml": """
        basic_embedded.xml embedded_then_npe.xml embedded_with_npe.xml massive_embedded.xml
        mock_fakeload.xml mock_times.xml npe.xml oom.xml testEXCEL2003.xml testONIXMessage.xml testTEI.xml
        testWORD2003.xml testXML.xml undeclared_entity.xml
    """,
    "html": """
        boilerplate-whitespace.html boilerplate.html resume.html test.html testHTML_embedded_img.html
        testHTML_head.html testHTML_script_in_body.html testHTMLBadScript.html testSrcDoc.html
        testXHTML.html tika434.html
    """,
    "xlsx": """
        CVLKRA-KYC_Download_File_Structure_V3.1.xlsx testDataConnections.xlsx testEXCEL-formats.xlsx
        testEXCEL.strict.xlsx testEXCEL.xlsx testEXCEL_1img.xlsx testEXCEL_big_numbers.xlsx
        testEXCEL_charts.xlsx testEXCEL_custom_props.xlsx testEXCEL_dateFormats.xlsx
        testEXCEL_diagramData.xlsx testEXCEL_embeddedPDF_windows.xlsx
    """,
    "zip": """
        droste.zip gbk.zip testIWorksNPEDetector.zip testTika4424.zip testZIP_corrupted_oom.zip
        testZip_with_DataDescriptor.zip testZipEncrypted.zip testZipEntryNameCharsetShiftSJIS.zip
    """,
    "docx": """
        EmbeddedDocument.docx EmbeddedOutlook.docx headerPic.docx test_recursive_embedded.docx
        testAltChunkMHT.docx testExternalRefs.docx testInstrLink.docx testOptionalHyphen.docx
        testWORD_1img.docx testWORD_2006ml.docx testWORD_bold_character_runs.docx
        testWORD_bold_character_runs2.docx testWORD_docSecurity.docx testWORD_embedded_pics.docx
    """,
    "text": """
        english.cp500.txt english.txt file-list.txt i_investigation.txt multi-language.txt testRobots2.txt
        testStandardsExtractor.txt testTXT.txt testTXTNonASCIIUTF8.txt
    """,
    "ods": """
        LibreOfficeCalc_ods_1.3.ods test-columnar.ods testFooter.ods
    """,
    "odt": """
        LibreOfficeWriter_odt_1.3.odt testFooter.odt testNPEOpenDocument.odt
        testODT_svgTitleInStyledSpan.odt testODTEmbeddedImageLink.odt testODTEncrypted.odt testODTMacro.odt
        testODTStyles2.odt testODTStyles3.odt testOpenOffice2.odt testPhoneNumberExtractor.odt
    """,
    "encrypted_office": """
        protect.xlsx protectedFile.xlsx
    """,
    "doc": """
        simple_upper_case.doc test.doc testComment.doc testException2.doc testWORD.doc testWORD6.doc
        testWORD_1img.doc testWORD_closingSmartQInHyperLink.doc testWORD_custom_props.doc
        testWORD_features.doc testWORD_header_hyperlink.doc testWORD_no_format.doc
        testWORD_override_list_numbering.doc testWORD_protected_passtika.doc
    """,
    "xls": """
        test-columnar.xls testEXCEL-charts.xls testEXCEL-formats.xls testEXCEL.xls testEXCEL_4.xls
        testEXCEL_95.xls testEXCEL_big_numbers.xls testEXCEL_custom_props.xls testEXCEL_dateFormats.xls
        testExcel_embeddedPDF.xls testEXCEL_macro.xls testEXCEL_phonetic.xls
        testEXCEL_protected_passtika.xls testEXCEL_textbox.xls
    """,
    "eml": """
        test-incremental-updates.eml testEML_embedded_xhtml_and_img.eml testGroupWiseEml.eml
        testLotusEml.eml testMessageNews.txt testRFC822_multipart_attachments.eml
        testRFC822_simple_inline_body.txt testThunderbirdEml.eml
    """,
    "json": """
        test-with-unpack.json test.json
    """,
    "pdf": """
        testAppleSingleFile.pdf testContentStreamSpaceGlyphs.pdf testExtraSpaces.pdf testFlashInPDF.pdf
        testOverlappingText.pdf testPDF.pdf testPDF_JBIG2.pdf testPDF_PDFEncodedStringInXMP.pdf
        testPDF_Version.10.x.pdf testPDF_Version.11.x.PDFA-1b.pdf testPDF_Version.5.x.pdf
        testPDFFileEmbInAnnotation_noContents.pdf testPDFPackage.pdf testPDFTripleLangTitle.pdf
    """,
    "pptx": """
        testComment.pptx testOCR.pptx testOptionalHyphen.pptx testPPT_comment.pptx testPPT_embeddedMP3.pptx
        testPPT_embeded.pptx testPPT_groups.pptx testPPT_masterFooter.pptx testPPT_various.pptx
        testPPTX_overlappingRelations.pptx testPPTX_Thumbnail.pptx
    """,
    "rtf": """
        testComment.rtf testRTFBoldItalic.rtf testRTFEmbeddedLink.rtf testRTFHexEscapeInsideWord.rtf
        testRTFHyperlinkAndStyles.rtf testRTFListLibreOffice.rtf testRTFListOverride.rtf testRTFNewlines.rtf
        testRTFTableCellSeparation.rtf testRTFTableCellSeparation2.rtf testRTFUmlautSpaces.rtf
        testRTFUmlautSpaces2.rtf testRTFUnicodeUCNControlWordCharacterDoubling.rtf testRTFVarious.rtf
    """,
}
NAMES = {name: kind for kind, names in EXPECTED.items() for name in names.split()}


@pytest.mark.parametrize("name", NAMES)
def test_a_real_file_is_known_by_its_content_with_and_without_its_name(name: str, corpus: Path) -> None:
    path = corpus / "tika" / name
    detected = sniff(path)
    assert detected.type == NAMES[name]
    assert not detected.mismatch
    with path.open("rb") as file:
        assert sniff(file).type == NAMES[name]


def test_every_file_of_the_folder_stands_in_the_table(corpus: Path) -> None:
    assert {path.name for path in (corpus / "tika").iterdir()} == set(NAMES)


@pytest.mark.parametrize(
    ("folder", "pattern", "kind"),
    [
        ("pdf-horrors", "*.pdf", "pdf"),
        ("price", "**/*.csv", "csv"),
        ("price", "**/*.json", "json"),
        ("price", "**/*.xml", "xml"),
        ("json-suite", "i_*.json", "json"),
        ("zips", "*.zip", "zip"),
    ],
)
def test_files_of_one_kind_are_all_taken_for_it(folder: str, pattern: str, kind: str, corpus: Path) -> None:
    found = {path.name: sniff(path).type for path in (corpus / folder).glob(pattern)}
    assert found
    assert {name: detected for name, detected in found.items() if detected != kind} == {}
