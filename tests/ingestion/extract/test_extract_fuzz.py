"""Damaged documents: cut off or with bytes changed, outside and inside, they end with text or an error with a code.

The readers are called without the net that `extract` spreads below them, so that a slip of theirs shows as what it is.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ingestion.errors import IngestionError
from ingestion.extract import PageWriter, extractor_for
from ingestion.limits import Limits
from samples import slides
from samples.epub import epub
from samples.opendocument import odp, ods, odt
from tests.ingestion.extract.making import changed

ROUNDS = 40
MADE = {
    "pptx": slides.pptx("A title", [["One", "words"], ["Two", "more"]]),
    "odt": odt("A title", ["# Heading", "words", "more"]),
    "ods": ods("A title", {"First": [["a", 1], ["b", 2]], "Second": [["c"]]}),
    "odp": odp("A title", [["One", "words"], ["Two", "more"]]),
    "epub": epub("A title", [["One", "words"], ["Two", "more"]]),
}
REAL = {
    "pptx": ("testPPT_various.pptx", "testPPT_groups.pptx", "testComment.pptx"),
    "odt": ("testFooter.odt", "testODTStyles2.odt", "testODTEncrypted.odt"),
    "ods": ("test-columnar.ods", "testFooter.ods"),
}


def flipped(data: bytes, chance: random.Random) -> bytes:
    """The same with a few bytes changed, of which most are likely to mean something to a parser."""
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        damaged[chance.randrange(len(damaged))] = chance.choice([*b'<>/"=&;:0919azAZ \x00\xff', chance.randrange(256)])
    return bytes(damaged)


def damaged(document: bytes, chance: random.Random) -> Iterator[bytes]:
    """Ways in which the document can be damaged."""
    yield document[: chance.randrange(len(document))]
    yield flipped(document, chance)
    with zipfile.ZipFile(io.BytesIO(document)) as archive:
        names = [name for name in archive.namelist() if name.endswith((".xml", ".rels", ".opf", ".xhtml"))]
        name = chance.choice([each for each in names if archive.getinfo(each).file_size])
        part = archive.read(name)
    # Packed anew, so that the damage gets past the checksums.
    yield changed(document, {name: flipped(part, chance)})
    yield changed(document, {name: part[: chance.randrange(len(part))]})
    start, end = sorted((chance.randrange(len(part)), chance.randrange(len(part))))
    yield changed(document, {name: part[:start] + part[end:]})
    yield changed(document, {name: None})


def check(document: bytes, kind: str, path: Path, seed: str) -> None:
    """Read the document in many damaged states."""
    chance = random.Random(seed)
    for _ in range(ROUNDS):
        for state in damaged(document, chance):
            path.write_bytes(state)
            with suppress(IngestionError):
                extractor_for(kind).read(path, PageWriter(Limits()))


@pytest.mark.parametrize("kind", MADE)
def test_a_damaged_document_raises_nothing_but_errors_with_a_code(tmp_path: Path, kind: str) -> None:
    check(MADE[kind], kind, tmp_path / "document", kind)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in REAL.items() for name in names])
def test_a_real_document_that_is_damaged_raises_nothing_but_errors_with_a_code(
    tmp_path: Path, corpus: Path, kind: str, name: str
) -> None:
    check((corpus / "tika" / name).read_bytes(), kind, tmp_path / "document", name)
