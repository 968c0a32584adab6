"""7z archives: not opened, but known as encrypted where they are."""

from __future__ import annotations

import io
import struct

import pytest

from ingestion.archives import is_encrypted_7z
from tests.ingestion.adversarial.building import ENCRYPTED_7Z

START = b"7z\xbc\xaf\x27\x1c\0\4" + bytes(4)


def test_one_with_an_encrypted_header_is_encrypted() -> None:
    assert is_encrypted_7z(io.BytesIO(ENCRYPTED_7Z))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a text",
        START,
        START + struct.pack("<QQL", 0, 0, 0),
        START + struct.pack("<QQL", 2**64 - 1, 2**64 - 1, 0) + bytes(50),
        START + struct.pack("<QQL", 10, 2**63, 0) + bytes(50),
        ENCRYPTED_7Z[:150],
        ENCRYPTED_7Z.replace(b"\x06\xf1\x07\x01", b"\x03\x01\x01\x00"),
    ],
)
def test_all_else_is_not_whatever_it_says_of_itself(data: bytes) -> None:
    assert not is_encrypted_7z(io.BytesIO(data))
