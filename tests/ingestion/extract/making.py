"""Small office files, made part by part, so that a test can put anything into one."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

from samples import office, slides
from samples.epub import epub

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT_W = "http://purl.oclc.org/ooxml/wordprocessingml/main"
S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
P = "http://schemas.openxmlformats.org/presentationml/2006/main"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def packed(parts: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of the parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def changed(document: bytes, changes: Mapping[str, bytes | None]) -> bytes:
    """The same office file with parts replaced, added or (None) taken out."""
    with zipfile.ZipFile(io.BytesIO(document)) as archive:
        parts: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    parts |= changes
    return packed({name: data for name, data in parts.items() if data is not None})


def part_of(document: bytes, name: str) -> str:
    """One part as text."""
    with zipfile.ZipFile(io.BytesIO(document)) as archive:
        return archive.read(name).decode()


def docx_of(body: str, *, prolog: str = "", namespace: str = W, **parts: str) -> bytes:
    """A Word document with this body; `footnotes=…` and the like add parts that the document refers to."""
    changes: dict[str, bytes | None] = {
        "word/document.xml": f'{prolog}<w:document xmlns:w="{namespace}" xmlns:mc="http://schemas.openxmlformats.org/'
        f'markup-compatibility/2006"><w:body>{body}</w:body></w:document>'.encode()
    }
    relations = "".join(f'<Relationship Id="r{name}" Type="{RELATIONS}/{name}" Target="{name}.xml"/>' for name in parts)
    changes["word/_rels/document.xml.rels"] = (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}</Relationships>'
    ).encode()
    for name, content in parts.items():
        changes[f"word/{name}.xml"] = f'<w:{name} xmlns:w="{W}">{content}</w:{name}>'.encode()
    return changed(office.docx("A title", []), changes)


def paragraph(text: str, extra: str = "") -> str:
    """One paragraph."""
    return f'<w:p>{extra}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def xlsx_of(rows: str, *, prolog: str = "") -> bytes:
    """A workbook of one sheet with these row elements."""
    sheet = f'{prolog}<worksheet xmlns="{S}"><sheetData>{rows}</sheetData></worksheet>'
    return changed(office.xlsx("", {"Sheet": [[]]}), {"xl/worksheets/sheet1.xml": sheet.encode()})


def pptx_of(*shown: str, prolog: str = "", hidden: bool = False, **parts: str) -> bytes:
    """A presentation of slides with these shapes; `notesSlide=…` and the like add parts that the first refers to."""
    spaces = f'xmlns:p="{P}" xmlns:a="{A}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    changes: dict[str, bytes | None] = {}
    for number, shapes in enumerate(shown, start=1):
        tree = f"<p:cSld><p:spTree>{shapes}</p:spTree></p:cSld>"
        show = ' show="0"' if hidden else ""
        changes[f"ppt/slides/slide{number}.xml"] = f"{prolog}<p:sld {spaces}{show}>{tree}</p:sld>".encode()
    relations = "".join(f'<Relationship Id="r{name}" Type="{RELATIONS}/{name}" Target="{name}.xml"/>' for name in parts)
    changes["ppt/slides/_rels/slide1.xml.rels"] = (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{relations}</Relationships>'
    ).encode()
    for name, content in parts.items():
        changes[f"ppt/slides/{name}.xml"] = f"<p:part {spaces}>{content}</p:part>".encode()
    return changed(slides.pptx("A title", [["x"] for _ in shown]), changes)


def shape(*lines: str, placeholder: str = "body") -> str:
    """One shape with text."""
    text = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
    return f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{placeholder}"/></p:nvPr></p:nvSpPr><p:txBody>{text}</p:txBody></p:sp>'


def epub_of(*bodies: str, **changes: bytes | None) -> bytes:
    """A book of chapters with these bodies."""
    chapters = {f"EPUB/chapter{n}.xhtml": f"<html><body>{body}</body></html>" for n, body in enumerate(bodies, start=1)}
    return changed(
        epub("A title", [["x"] for _ in bodies]), {n: text.encode() for n, text in chapters.items()} | changes
    )


def declaring(document: bytes, name: str, size: int) -> bytes:
    """The same zip, with another unpacked size declared for an entry in its table of contents and its own header."""
    data = bytearray(document)
    with zipfile.ZipFile(io.BytesIO(document)) as archive:
        info = archive.getinfo(name)
    struct.pack_into("<L", data, info.header_offset + 22, size)
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        length = struct.unpack_from("<H", data, at + 28)[0]
        if data[at + 46 : at + 46 + length] == name.encode():
            struct.pack_into("<L", data, at + 24, size)
        at = data.find(b"PK\x01\x02", at + 4)
    return bytes(data)
