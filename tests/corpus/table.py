"""The table of real documents, expected.csv, and the folder that they lie in.

The table was written by reading the files, with other programs than ours; it says what a person gets from each. It is
not changed to fit the code. A file found inside another one, in an archive or attached to an e-mail, has a row of its
own: `tika/gbk.zip!folder/name`.

`outcome` is a file's outcome, or `refused` where the upload itself is refused with `code`. Of completed_no_text the
`code` is why there is no text, where that is sure. `phrase` stands on `page`; formats without fixed pages have one.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.paths import BASE_DIR

TABLE = Path(__file__).with_name("expected.csv")
FOLDERS = ("tika", "pdf-horrors", "zips")
INSIDE = "!"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One row: a file, and what a person gets from it."""

    path: str
    type: str
    sha256: str
    outcome: str
    code: str = ""
    phrase: str = ""
    page: int | None = None
    note: str = ""

    @property
    def uploaded(self) -> bool:
        """Whether it is a file of the folder; else it is found inside of one."""
        return INSIDE not in self.path

    def __str__(self) -> str:
        phrase = f"“{self.phrase}” on page {self.page}" if self.phrase else ""
        return ", ".join(filter(None, (self.outcome, self.code, phrase)))


def corpus_folder() -> Path:
    """Where the documents are, if they are here: $DOCQUEUE_CORPUS, else shared/data beside the checkout."""
    return Path(os.environ.get("DOCQUEUE_CORPUS") or BASE_DIR.parent / "shared" / "data")


def read_table(file: Path = TABLE) -> list[Expected]:
    """The rows, in the order of the file. Raises ValueError when two are about one file, or one has half a phrase."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = [_row(fields) for fields in csv.DictReader(stream, strict=True)]
    if len({row.path for row in rows}) != len(rows):
        raise ValueError("the table has two rows about one file")
    return rows


def _row(fields: Mapping[str, str]) -> Expected:
    row = Expected(**{**fields, "page": int(fields["page"]) if fields["page"] else None})
    if not (row.outcome == "completed") == bool(row.phrase) == (row.page is not None):
        raise ValueError(f"{row.path}: what is completed has a phrase and its page, and nothing else has")
    return row


def on_disk(folder: Path) -> dict[str, str]:
    """The sha256 of each file that is there, by its path in the table."""
    files = [path for name in FOLDERS for path in sorted((folder / name).glob("*")) if path.is_file()]
    return {f"{path.parent.name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
