"""The plainest PDF that holds real text: standard fonts, uncompressed pages, the same bytes every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, MARGIN = 595, 842, 72  # A4 in points
FONTS = {"body": "Helvetica", "bold": "Helvetica-Bold", "table": "Courier"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text in a font; an empty one leaves a gap."""

    text: str
    font: str = "body"
    size: int = 11


def pdf(title: str, pages: Sequence[Sequence[Line]]) -> bytes:
    """A PDF with one page for each list of lines; a page without lines is blank."""
    fonts = 4
    first_page = fonts + len(FONTS)
    kids = " ".join(f"{first_page + 2 * index} 0 R" for index in range(len(pages)))
    resources = " ".join(f"/{name} {fonts + index} 0 R" for index, name in enumerate(FONTS))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Title (" + _escaped(title) + b") /Producer (Larkfield samples) >>",
    ]
    objects += [
        f"<< /Type /Font /Subtype /Type1 /BaseFont /{font} /Encoding /WinAnsiEncoding >>".encode()
        for font in FONTS.values()
    ]
    for index, lines in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Resources << /Font << {resources} >> >> "
            f"/Contents {first_page + 2 * index + 1} 0 R >>".encode()
        )
        content = _content(lines)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _file(objects)


def _content(lines: Sequence[Line]) -> bytes:
    """The drawing instructions of one page, from the top margin down."""
    drawn: list[bytes] = []
    y = HEIGHT - MARGIN
    for line in lines:
        if line.text:
            drawn.append(
                b"BT /%s %d Tf %d %d Td (%s) Tj ET" % (line.font.encode(), line.size, MARGIN, y, _escaped(line.text))
            )
        y -= round(line.size * 1.5)
    return b"\n".join(drawn)


def _file(objects: Sequence[bytes]) -> bytes:
    data = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    data += b"trailer\n<< /Size %d /Root 1 0 R /Info 3 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(data)


def _escaped(text: str) -> bytes:
    data = text.encode("cp1252")
    for special in (b"\\", b"(", b")"):
        data = data.replace(special, b"\\" + special)
    return data
