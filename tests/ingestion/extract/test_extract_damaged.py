"""Real files cut off and with bytes changed: each ends with text, without, or with an error of ingestion, and soon."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ingestion.errors import IngestionError
from ingestion.extract import extract
from ingestion.limits import Limits

ROUNDS = 150
LIMITS = Limits(max_dense_cells=100_000, max_text_characters=1_000_000)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with an end missing, a piece twice, or some of them changed, those of the beginning more often."""
    if chance.random() < 0.3:
        return data[: chance.randrange(len(data))]
    changed = bytearray(data)
    if chance.random() < 0.2:
        start, end = sorted(chance.randrange(len(changed)) for _ in range(2))
        changed[end:end] = changed[start:end]
    for _ in range(chance.choice((1, 5, 50))):
        reach = min(len(changed), chance.choice((600, 4_000, len(changed))))
        changed[chance.randrange(reach)] = chance.choice((0, 0xFF, 0x5C, chance.randrange(256)))
    return bytes(changed)


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [("rtf", "*.rtf"), ("xml", "*.xml"), ("xls", "*.xls"), ("xls", "testEXCEL*.xls"), ("doc", "*.doc")],
)
def test_damage_of_any_kind_is_told_as_an_error_of_ingestion(
    corpus: Path, tmp_path: Path, kind: str, pattern: str
) -> None:
    chance = random.Random(f"{kind} {pattern}")
    files = [path.read_bytes() for path in sorted((corpus / "tika").glob(pattern)) if path.stat().st_size < 100_000]
    assert files
    path = tmp_path / "document"
    ends = {"text": 0, "empty": 0, "refused": 0}
    for _ in range(ROUNDS):
        path.write_bytes(damaged(chance.choice(files), chance))
        try:
            ends["text" if extract(path, kind, LIMITS).has_text else "empty"] += 1
        except IngestionError:
            ends["refused"] += 1
    assert ends["text"]
    assert ends["refused"]
