"""Pack samples.zip, always with the same bytes: `python -m samples.build`.

Text documents are read from documents/; the others are made from content.py. Only the standard library is used, and
nothing is compressed, so that every Python on every machine writes the same file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from samples import content
from samples.office import packed

HERE = Path(__file__).resolve().parent
ZIP = HERE / "samples.zip"

# In the order of the archive. The copy of the manual comes after the manual.
ENTRIES: dict[str, Callable[[], bytes] | None] = {
    "welcome.md": None,
    "manual/dome-manual.pdf": content.dome_manual,
    "minutes/2026-03-12-committee.docx": content.committee_minutes,
    "inventory/instruments.xlsx": content.instruments,
    "inventory/eyepieces.csv": None,
    "inventory/library.ods": content.library,
    "finance/invoice-0417.pdf": content.invoice,
    "web/opening-nights.html": None,
    "logs/night-log-2026-02.txt": None,
    "logs/weather-station.json": None,
    "mail/mirror-recoating.eml": None,
    "visitors/führungen-für-schulen.txt": None,
    "visitors/house-rules.odt": content.house_rules,
    "talks/winter-sky.pptx": content.winter_sky,
    "talks/open-day.odp": content.open_day,
    "reading/first-nights.epub": content.first_nights,
    "archive/2025/dome-manual-copy.pdf": content.dome_manual,
    "archive/2025/star-party-budget.pdf": content.star_party_budget,
    "photos/first-light.png": content.first_light,
    "scans/guest-book-page.pdf": content.guest_book_page,
}


def build() -> bytes:
    """The bytes of samples.zip."""
    documents = HERE / "documents"
    return packed({name: make() if make else (documents / name).read_bytes() for name, make in ENTRIES.items()})


if __name__ == "__main__":
    ZIP.write_bytes(build())
    sys.stdout.write(f"{ZIP}: {len(ENTRIES)} entries, {ZIP.stat().st_size:,} bytes\n")
