"""The smallest DOCX and XLSX that Word, Excel and LibreOffice open without complaint."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from xml.sax.saxutils import escape

STAMP = (2026, 3, 14, 9, 26, 0)
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_DOCUMENT = "application/vnd.openxmlformats-officedocument"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

PAGE_BREAK = "\f"
Cell = str | int | float | date | None


def packed(entries: Mapping[str, bytes]) -> bytes:
    """A zip of the entries in their order; stored, because two versions of zlib compress differently."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name, STAMP)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def docx(title: str, blocks: Sequence[str | Sequence[Sequence[str]]]) -> bytes:
    """A Word document. A block is a paragraph ("# " begins a heading), PAGE_BREAK, or the rows of a table."""
    body = "".join(_block(block) for block in blocks)
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{name}"><w:name w:val="{label}"/>'
        f'<w:rPr>{"<w:b/>" if bold else ""}<w:sz w:val="{size}"/></w:rPr></w:style>'
        for name, label, bold, size in (("Normal", "Normal", False, 22), ("Heading1", "heading 1", True, 32))
    )
    return _office(
        "word/document.xml",
        f"{_DOCUMENT}.wordprocessingml.document.main+xml",
        f'<w:document xmlns:w="{_WORD}"><w:body>{body}<w:sectPr/></w:body></w:document>',
        {"styles": (f"{_DOCUMENT}.wordprocessingml.styles+xml", f'<w:styles xmlns:w="{_WORD}">{styles}</w:styles>')},
        title,
    )


def xlsx(title: str, sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> bytes:
    """An Excel workbook; strings, numbers and dates keep their types."""
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="rId{number + 1}"/>'
        for number, name in enumerate(sheets, start=1)
    )
    styles = (
        f'<styleSheet xmlns="{_SHEET}"><fonts count="1"><font><sz val="11"/></font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/>'
        '</fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
        '<cellXfs count="2"><xf/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )
    parts = {"styles": (f"{_DOCUMENT}.spreadsheetml.styles+xml", styles)}
    for number, rows in enumerate(sheets.values(), start=1):
        kind = f"{_DOCUMENT}.spreadsheetml.worksheet+xml"
        data = "".join(_row(index, row) for index, row in enumerate(rows, start=1))
        parts[f"worksheets/sheet{number}"] = (
            kind,
            f'<worksheet xmlns="{_SHEET}"><sheetData>{data}</sheetData></worksheet>',
        )
    workbook = f'<workbook xmlns="{_SHEET}" xmlns:r="{_RELATIONS}"><sheets>{listed}</sheets></workbook>'
    return _office("xl/workbook.xml", f"{_DOCUMENT}.spreadsheetml.sheet.main+xml", workbook, parts, title)


def _office(main: str, kind: str, content: str, parts: Mapping[str, tuple[str, str]], title: str) -> bytes:
    """Pack the main part, the parts it refers to (by path without ".xml"), and the properties."""
    folder, _, name = main.partition("/")
    core = "application/vnd.openxmlformats-package.core-properties+xml"
    types = {main: kind, "docProps/core.xml": core}
    types |= {f"{folder}/{path}.xml": kind for path, (kind, _) in parts.items()}
    overrides = "".join(f'<Override PartName="/{path}" ContentType="{kind}"/>' for path, kind in types.items())
    entries = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{overrides}</Types>',
        "_rels/.rels": _relations(
            [
                (f"{_RELATIONS}/officeDocument", main),
                (f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
            ]
        ),
        "docProps/core.xml": f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{escape(title)}</dc:title></cp:coreProperties>',
        main: content,
        f"{folder}/_rels/{name}.rels": _relations(
            [
                (f"{_RELATIONS}/{path.partition('/')[0].removesuffix('s') if '/' in path else path}", f"{path}.xml")
                for path in parts
            ]
        ),
    }
    entries |= {f"{folder}/{path}.xml": xml for path, (_, xml) in parts.items()}
    return packed({path: (_HEAD + xml).encode() for path, xml in entries.items()})


def _relations(targets: Sequence[tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="rId{number}" Type="{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def _block(block: str | Sequence[Sequence[str]]) -> str:
    if not isinstance(block, str):
        rows = "".join(f"<w:tr>{''.join(f'<w:tc>{_block(cell)}</w:tc>' for cell in row)}</w:tr>" for row in block)
        columns = "<w:gridCol/>" * len(block[0])
        return f"<w:tbl><w:tblPr/><w:tblGrid>{columns}</w:tblGrid>{rows}</w:tbl>"
    if block == PAGE_BREAK:
        return '<w:p><w:r><w:br w:type="page"/></w:r></w:p>'
    text = block.removeprefix("# ")
    style = "Normal" if text == block else "Heading1"
    run = f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r>'
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>{run}</w:p>'


def _row(number: int, cells: Sequence[Cell]) -> str:
    written = "".join(_cell(f"{chr(65 + column)}{number}", cell) for column, cell in enumerate(cells))
    return f'<row r="{number}">{written}</row>'


def _cell(reference: str, value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f'<c r="{reference}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    if isinstance(value, date):
        return f'<c r="{reference}" s="1"><v>{(value - date(1899, 12, 30)).days}</v></c>'
    return f'<c r="{reference}"><v>{value}</v></c>'
