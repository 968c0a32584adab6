"""Archives damaged at random, through the whole pipeline: each of their files comes to an end, and says how."""

from __future__ import annotations

import random

import pytest

from ingestion.errors import error_classes
from ingestion.models import IngestFile
from samples.pdf import Line, pdf
from tests.ingestion import hostile_zips as zips
from tests.ingestion.adversarial.conftest import Door, siblings
from tests.ingestion.extract.making import docx_of, paragraph
from tests.ingestion.factories import upload, zipped

pytestmark = pytest.mark.django_db(transaction=True)

DOCUMENTS = {"a.docx": docx_of(paragraph("words")), "b.pdf": pdf("", [[Line("words")]]), "c.zip": zips.text_archive(2)}
ORIGINALS = [
    zips.text_archive(3),
    zips.streamed(),
    zips.wide_sizes(),
    zips.nested(zips.text_archive(2)),
    zipped(DOCUMENTS),
    DOCUMENTS["a.docx"],
]
MARKS = (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"\xff\xff\xff\xff", b"\0\0\0\0")


def damaged(seed: random.Random) -> bytes:
    """One of the originals with bytes changed, taken out or doubled, or a mark of the format put somewhere."""
    data = bytearray(seed.choice(ORIGINALS))
    for _ in range(seed.randint(1, 6)):
        at, length = seed.randrange(len(data)), seed.randint(1, 40)
        match seed.randrange(4):
            case 0:
                data[at] = seed.choice((0, 1, 0x50, 0x7F, 0xFF, seed.randrange(256)))
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length]
            case _:
                data[at : at + 4] = seed.choice(MARKS)
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(3))
def test_damaged_archives_end_each_with_a_code_and_nothing_waits_for_ever(door: Door, start: int) -> None:
    seed = random.Random(start)
    files = [upload(f"{n}.{seed.choice(['zip', 'docx'])}", damaged(seed)) for n in range(150)]
    for file in files[:50]:
        answer = door.send(file)
        assert answer.status_code in (202, 413, 415, 422), answer.json()
        file.seek(0)
    door.worker.run(most=2_000)
    intake_id = door.accepts(*files, *siblings())
    door.worker.run(most=2_000)
    assert door.worker.run_retries() == 0, "damage does not mend by itself"
    intake = door.finish(intake_id)
    found = set(IngestFile.objects.exclude(error_code="").values_list("error_code", flat=True))
    assert found <= {error.code for error in error_classes()}
    assert len(found) > 5
    assert intake.counts["unpacked"] > 10
