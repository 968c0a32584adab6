"""Users, uploads and archives for tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import factory
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile

from ingestion.km import get_store
from ingestion.models import Document, Intake
from ingestion.pipeline import describe
from ingestion.search.chunking import TextChunk
from ingestion.services import accept_upload


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = get_user_model()

    username = factory.Sequence(lambda n: f"user{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.org")


def upload(name: str = "note.txt", content: bytes | str = "The heron waits.") -> SimpleUploadedFile:
    """A file as a request brings it."""
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


def zipped(files: Mapping[str, bytes | str]) -> bytes:
    """A zip of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def accept(owner, *uploads, **options) -> Intake:
    """Take in an upload of this owner; without files, one note."""
    return accept_upload(owner.pk, uploads or [upload()], **options).intake


def accept_zip(owner, files: Mapping[str, bytes | str], **options) -> Intake:
    """Take in a zip of these files."""
    return accept(owner, upload("papers.zip", zipped(files)), **options)


def accept_document(owner, content: bytes | str = "The heron waits.", name: str = "note.txt", **options) -> Document:
    """Take in one file; returns its document."""
    intake = accept(owner, upload(name, content), **options)
    return Document.objects.get(file__intake=intake)


def index_text(document: Document, *texts: str) -> None:
    """Make these the document's chunks, as processing does, without a worker."""
    get_store().index(describe(document), (TextChunk(n, 1, text) for n, text in enumerate(texts)))
