"""What stands in the documents that no text editor can write: manual, minutes, inventory, talks, a photograph."""

from __future__ import annotations

import struct
import zlib
from datetime import date

from samples.epub import epub
from samples.office import PAGE_BREAK, docx, xlsx
from samples.opendocument import odp, ods, odt
from samples.pdf import Line, pdf
from samples.slides import pptx


def dome_manual() -> bytes:
    """A PDF of two pages."""
    return pdf(
        "Dome manual",
        [
            [
                Line("Dome manual", "bold", 22),
                Line("Larkfield Observatory, fourth edition, January 2026"),
                Line(""),
                Line("1  Before you open", "bold", 14),
                Line("Look at the anemometer. Above 40 km/h the dome stays shut, whatever the sky"),
                Line("promises. Check that nobody stands on the gallery, and call out before the"),
                Line("winch turns."),
                Line(""),
                Line("2  Opening the shutter", "bold", 14),
                Line("Release the brake (the red lever), then turn the crank clockwise: forty-two"),
                Line("turns, no more. The last two are heavy because the counterweight lifts."),
                Line("If the crank will not move, do not force it: the ratchet is frozen or the chain"),
                Line("is off its sprocket. Both are mended with patience and a wooden mallet."),
                Line(""),
                Line("Page 1 of 2", "body", 9),
            ],
            [
                Line("3  Turning the dome", "bold", 14),
                Line("The motor is switched at the north pillar. Follow the telescope by eye; the"),
                Line("dome overshoots by about a hand's breadth after the switch is released."),
                Line(""),
                Line("4  Closing up", "bold", 14),
                Line("Park the tube pointing at Polaris, cap both ends, close the shutter and set the"),
                Line("brake. Switch on the dehumidifier (it hums in B flat). Write the log."),
                Line(""),
                Line("5  Who to ring", "bold", 14),
                Line("Duty officer   ext. 12    nights", "table", 10),
                Line("Workshop       ext. 31    Tuesdays", "table", 10),
                Line("Fire brigade   112        always first", "table", 10),
                Line(""),
                Line("Page 2 of 2", "body", 9),
            ],
        ],
    )


def invoice() -> bytes:
    """A PDF of one page."""
    table = [
        "Pos  Description                        Qty    Price     Total",
        "1    Dew heater strap, 30 cm             2     34.50     69.00",
        "2    Controller, four channels           1    129.00    129.00",
        "3    Carriage                            1      9.80      9.80",
        "                                               Total    207.80 EUR",
    ]
    return pdf(
        "Invoice 0417",
        [
            [
                Line("Nightjar Instruments", "bold", 18),
                Line("7 Foundry Lane, Marden"),
                Line(""),
                Line("Invoice 0417", "bold", 14),
                Line("To: Larkfield Observatory, Chalk Path, Larkfield"),
                Line("Date: 3 March 2026     Payable within 30 days, without deduction"),
                Line(""),
                *(Line(row, "table", 10) for row in table),
                Line(""),
                Line("Thank you. May your nights be dark and your optics dry."),
            ]
        ],
    )


def guest_book_page() -> bytes:
    """A PDF with a page on which nothing stands."""
    return pdf("", [[]])


def star_party_budget() -> bytes:
    """A PDF of which the end never arrived."""
    whole = pdf("Star party budget", [[Line("Star party 2025: budget", "bold", 18), Line("Marquee 420.00")]])
    return whole[: len(whole) // 2]


def committee_minutes() -> bytes:
    """A Word document of two pages, with a table."""
    return docx(
        "Minutes of the committee, 12 March 2026",
        [
            "# Minutes of the committee, 12 March 2026",
            "Present: Ines Okafor (chair), Tom Brandvold, Marguerite Stell, eleven members. Apologies: the treasurer.",
            "# 1 The dome",
            "Tom reported that a pair of kestrel chicks has hatched behind the old skylight above the gallery.",
            "The committee resolved, with one vote against, that the gallery stays closed until they have flown.",
            "# 2 The mirror",
            "The 30 cm mirror goes away for recoating on 14 April. Until then the refractor must do.",
            PAGE_BREAK,
            "# 3 Who does what",
            [
                ["Task", "Who", "By"],
                ["Order dew heaters", "Tom", "20 March"],
                ["Ring the coating firm", "Ines", "16 March"],
                ["Repaint the north pillar", "Marguerite", "when it is dry"],
            ],
            "# 4 Any other business",
            "The kettle is to be descaled. The meeting closed at 21:40, as the sky had cleared.",
        ],
    )


def instruments() -> bytes:
    """An Excel workbook with two sheets."""
    return xlsx(
        "Inventory of instruments",
        {
            "Telescopes": [
                ["No.", "Instrument", "Aperture (mm)", "Focal ratio", "Since", "Insured for"],
                [1, "Refractor by Thornbury & Sons", 152, 8.5, date(1931, 6, 20), 18500],
                [2, "Newtonian reflector on the turntable", 300, 4.8, date(1994, 9, 3), 4200.5],
                [3, "Solar telescope, hydrogen alpha", 60, 6.6, date(2017, 8, 21), 1650],
            ],
            "Loans": [
                ["Instrument", "Lent to", "Since", "Back by"],
                ["Orthoscopic 6 mm", "Marden school", date(2026, 1, 12), date(2026, 4, 2)],
                ["Sextant, brass", "Town museum", date(2025, 10, 1), None],
            ],
        },
    )


def winter_sky() -> bytes:
    """A PowerPoint presentation of three slides."""
    return pptx(
        "The winter sky",
        [
            ["The winter sky", "A talk for beginners, by Marguerite Stell"],
            ["Orion", "Betelgeuse is the red one, Rigel the blue one.", "The nebula hangs from the belt."],
            ["What to bring", "Gloves, a red torch, patience."],
        ],
    )


def house_rules() -> bytes:
    """An OpenDocument text."""
    return odt(
        "House rules",
        [
            "# House rules of the observatory",
            "White light is off after dusk. Who needs a torch uses a red one.",
            "# The turntable",
            "Nobody turns it alone: one pushes, one watches the cables.",
        ],
    )


def library() -> bytes:
    """An OpenDocument spreadsheet with two sheets."""
    return ods(
        "The library",
        {
            "Shelf": [["Title", "Year"], ["Atlas of the southern sky", 1958], ["How to grind a mirror", 1972]],
            "Missing": [["Title", "Last seen"], ["Tables of the moons of Jupiter", "in the tea room"]],
        },
    )


def open_day() -> bytes:
    """An OpenDocument presentation of two slides."""
    return odp(
        "Open day",
        [
            ["Open day at Larkfield", "Doors open at two, the sun telescope stands on the lawn."],
            ["For children", "Rockets of paper, launched every half hour."],
        ],
    )


def first_nights() -> bytes:
    """A book of two chapters."""
    return epub(
        "First nights",
        [
            ["The first night", "Begin with the moon: it forgives everything."],
            ["The second night", "Now find Saturn, and call everybody you know."],
        ],
    )


def first_light() -> bytes:
    """A PNG of the Moon: a picture, which is not a document."""
    size, radius = 96, 40
    rows = bytearray()
    for y in range(size):
        rows.append(0)
        for x in range(size):
            dx, dy = x - size // 2, y - size // 2
            lit = dx * dx + dy * dy <= radius * radius and (dx + 22) ** 2 + dy * dy > radius * radius
            rows.append(190 + (x * 7 + y * 13) % 50 if lit else 12)
    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    # One stored block: two versions of zlib compress differently.
    block = b"\x01" + struct.pack("<HH", len(rows), len(rows) ^ 0xFFFF) + bytes(rows)
    pixels = b"\x78\x01" + block + struct.pack(">I", zlib.adler32(rows))
    chunks = b"".join(_chunk(kind, data) for kind, data in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")))
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
