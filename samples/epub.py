"""The smallest EPUB book that is whole."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from samples.office import packed

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_STAMP = "2026-03-14T09:26:00Z"


def epub(title: str, chapters: Sequence[Sequence[str]]) -> bytes:
    """A book; of each chapter the first line is the heading, the others are paragraphs."""
    names = [f"chapter{number}" for number, _ in enumerate(chapters, start=1)]
    items = "".join(f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>' for name in names)
    spine = "".join(f'<itemref idref="{name}"/>' for name in names)
    links = "".join(
        f'<li><a href="{name}.xhtml">{escape(lines[0])}</a></li>' for name, lines in zip(names, chapters, strict=True)
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">urn:larkfield:1</dc:identifier>'
        f"<dc:title>{escape(title)}</dc:title><dc:language>en</dc:language>"
        f'<meta property="dcterms:modified">{_STAMP}</meta></metadata><manifest>'
        f'<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>{items}</manifest>'
        f"<spine>{spine}</spine></package>"
    )
    begin = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles><rootfile '
        'full-path="EPUB/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    nav = f'<nav xmlns:epub="http://www.idpf.org/2007/ops" epub:type="toc"><ol>{links}</ol></nav>'
    entries = {"META-INF/container.xml": begin, "EPUB/book.opf": package, "EPUB/nav.xhtml": _page(title, nav)}
    for name, lines in zip(names, chapters, strict=True):
        text = f"<h1>{escape(lines[0])}</h1>" + "".join(f"<p>{escape(line)}</p>" for line in lines[1:])
        entries[f"EPUB/{name}.xhtml"] = _page(lines[0], text)
    parts = {"mimetype": b"application/epub+zip"}
    return packed(parts | {name: (_HEAD + xml).encode() for name, xml in entries.items()})


def _page(title: str, body: str) -> str:
    return (
        f'<!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head><title>{escape(title)}</title></head>'
        f"<body>{body}</body></html>"
    )
