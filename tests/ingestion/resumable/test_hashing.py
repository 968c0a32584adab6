"""The hash that is made while bytes arrive is the right one, or is not used."""

from __future__ import annotations

import contextlib
import hashlib
import os
from uuid import uuid4

import pytest

from ingestion.models import Blob
from ingestion.resumable import hashing
from ingestion.resumable.hashing import hash_of
from ingestion.resumable.hashing import hashing as hash_patch
from tests.ingestion.resumable.tus import Tus, checksum

DATA = os.urandom(3_000_000)


def feed(upload, at: int, data: bytes) -> None:
    with hash_patch(upload, at) as hasher:
        for n in range(0, len(data), 100_000):
            hasher.feed(data[n : n + 100_000])


def test_the_hash_goes_on_from_one_patch_to_the_next():
    upload = uuid4()
    feed(upload, 0, DATA[:1_234_567])
    feed(upload, 1_234_567, DATA[1_234_567:])
    assert hash_of(upload, len(DATA)) == hashlib.sha256(DATA).hexdigest()
    assert hash_of(upload, len(DATA)) is None, "forgotten"


def test_where_a_patch_went_elsewhere_nothing_is_known():
    upload = uuid4()
    feed(upload, 0, DATA[:1000])
    feed(upload, 2000, DATA[2000:])
    assert hash_of(upload, len(DATA)) is None


def test_a_patch_that_broke_off_is_forgotten():
    upload = uuid4()
    feed(upload, 0, DATA[:1000])
    with contextlib.suppress(RuntimeError), hash_patch(upload, 1000) as hasher:
        hasher.feed(DATA[1000:2000])
        raise RuntimeError
    assert hash_of(upload, 1000) is None
    assert hash_of(upload, 2000) is None


def test_only_so_many_are_remembered():
    uploads = [uuid4() for _ in range(hashing.REMEMBERED + 1)]
    for upload in uploads:
        feed(upload, 0, b"x")
    assert hash_of(uploads[0], 1) is None
    assert hash_of(uploads[-1], 1) is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("known", [True, False])
def test_after_a_refused_piece_the_document_is_stored_under_its_own_hash(owner, known):
    tus = Tus(owner)
    place = tus.begun(len(DATA))
    tus.patch(place, 0, DATA[:1000])
    assert tus.patch(place, 1000, DATA[:1000], Upload_Checksum=checksum(b"other")).status_code == 460
    if not known:
        hashing._known.clear()  # as in another process
    assert tus.patch(place, 1000, DATA[1000:]).status_code == 204
    assert Blob.objects.get().sha256 == hashlib.sha256(DATA).hexdigest()
