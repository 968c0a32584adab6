"""The smallest OpenDocument files that are whole: a text, a spreadsheet, a presentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from samples.office import packed

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_OASIS = "urn:oasis:names:tc:opendocument:xmlns"
_MEDIA = "application/vnd.oasis.opendocument"
_NAMES = {"draw": "drawing", "fo": "xsl-fo-compatible", "svg": "svg-compatible"}  # the others are called as written
_SPACES = " ".join(
    f'xmlns:{prefix}="{_OASIS}:{_NAMES.get(prefix, prefix)}:1.0"'
    for prefix in ("office", "text", "table", "draw", "style", "fo", "presentation", "svg", "meta")
)
_SPACES += ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"'


def opendocument(kind: str, title: str, body: str, styles: str = "") -> bytes:
    """An OpenDocument file of a kind (text, spreadsheet, presentation) from the XML of its body and styles."""
    content = (
        f'<office:document-content {_SPACES} office:version="1.3"><office:automatic-styles>{styles}'
        f"</office:automatic-styles><office:body><office:{kind}>{body}</office:{kind}></office:body>"
        "</office:document-content>"
    )
    about = (
        f'<office:document-meta {_SPACES} office:version="1.3"><office:meta><dc:title>{escape(title)}</dc:title>'
        "</office:meta></office:document-meta>"
    )
    listed = {"/": f"{_MEDIA}.{kind}", "content.xml": "text/xml", "meta.xml": "text/xml"}
    files = "".join(
        f'<manifest:file-entry manifest:full-path="{name}" manifest:media-type="{media}"/>'
        for name, media in listed.items()
    )
    manifest = (
        f'<manifest:manifest xmlns:manifest="{_OASIS}:manifest:1.0" manifest:version="1.3">{files}</manifest:manifest>'
    )
    entries = {"content.xml": content, "meta.xml": about, "META-INF/manifest.xml": manifest}
    parts = {"mimetype": f"{_MEDIA}.{kind}".encode()}
    return packed(parts | {name: (_HEAD + xml).encode() for name, xml in entries.items()})


def odt(title: str, blocks: Sequence[str]) -> bytes:
    """A text; "# " begins a heading."""
    return opendocument("text", title, "".join(_block(block) for block in blocks))


def ods(title: str, sheets: Mapping[str, Sequence[Sequence[str | int]]]) -> bytes:
    """A spreadsheet of strings and whole numbers."""
    body = "".join(
        f'<table:table table:name="{escape(name)}">{"".join(_row(row) for row in rows)}</table:table>'
        for name, rows in sheets.items()
    )
    return opendocument("spreadsheet", title, body)


def odp(title: str, slides: Sequence[Sequence[str]]) -> bytes:
    """A presentation; of each slide the first line is the title, the others are its text."""
    pages = "".join(
        f'<draw:page draw:name="page{number}" draw:master-page-name="Plain">{_frame(lines[:1], 1)}'
        f"{_frame(lines[1:], 4)}</draw:page>"
        for number, lines in enumerate(slides, start=1)
    )
    return opendocument("presentation", title, pages)


def _block(block: str) -> str:
    if block.startswith("# "):
        return f'<text:h text:outline-level="1">{escape(block[2:])}</text:h>'
    return f"<text:p>{escape(block)}</text:p>"


def _row(cells: Sequence[str | int]) -> str:
    return f"<table:table-row>{''.join(_cell(cell) for cell in cells)}</table:table-row>"


def _cell(value: str | int) -> str:
    number = f'office:value-type="float" office:value="{value}"'
    kind = number if isinstance(value, int) else 'office:value-type="string"'
    return f"<table:table-cell {kind}><text:p>{escape(str(value))}</text:p></table:table-cell>"


def _frame(lines: Sequence[str], top: int) -> str:
    text = "".join(f"<text:p>{escape(line)}</text:p>" for line in lines)
    return (
        f'<draw:frame svg:x="2cm" svg:y="{top}cm" svg:width="24cm" svg:height="3cm"><draw:text-box>{text}'
        "</draw:text-box></draw:frame>"
    )
