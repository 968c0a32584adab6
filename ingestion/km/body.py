"""Multipart bodies that are sent as they are read: their length is known beforehand, and no file is in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from ingestion import storage
from ingestion.errors import BlobMissing
from ingestion.km.base import KMDocument

CHUNK_BYTES = 256 * 1024
_ESCAPED = str.maketrans({chr(c): f"%{c:02X}" for c in [*range(32), 0x22, 0x7F]})


class Body:
    """A part of JSON (`document`, or `batch`), then a part `file` for each document; read anew at each send."""

    def __init__(self, name: str, about: Any, documents: Sequence[KMDocument]) -> None:
        self.boundary = f"docqueue-{os.urandom(12).hex()}"
        self.documents = tuple(documents)
        self._head = self._part(name, "", "application/json") + json.dumps(about).encode() + b"\r\n"
        self._heads = [self._part("file", each.filename or "file", _type(each)) for each in self.documents]
        self._tail = f"--{self.boundary}--\r\n".encode()
        self.file_bytes = sum(each.size for each in self.documents)
        self.length = len(self._head) + sum(len(head) + 2 for head in self._heads) + self.file_bytes + len(self._tail)

    @property
    def headers(self) -> dict[str, str]:
        """Those that describe the body."""
        content_type = f"multipart/form-data; boundary={self.boundary}"
        return {"Content-Type": content_type, "Content-Length": str(self.length)}

    def __iter__(self) -> Iterator[bytes]:
        """The body in pieces. Raises BlobMissing where stored bytes are not as many as they should be."""
        yield self._head
        for head, document in zip(self._heads, self.documents, strict=True):
            yield head
            yield from _bytes_of(document)
            yield b"\r\n"
        yield self._tail

    def _part(self, name: str, filename: str, content_type: str) -> bytes:
        file = f'; filename="{filename.translate(_ESCAPED)}"' if filename else ""
        head = f'--{self.boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n'
        return f"{head}Content-Type: {content_type}\r\n\r\n".encode("utf-8", "replace")


class Raw:
    """A document's bytes and nothing else, for stores that take them so."""

    def __init__(self, document: KMDocument) -> None:
        self.document, self.file_bytes = document, document.size

    @property
    def headers(self) -> dict[str, str]:
        """Those that describe the body."""
        return {"Content-Type": _type(self.document), "Content-Length": str(self.document.size)}

    def __iter__(self) -> Iterator[bytes]:
        """The bytes in pieces. Raises BlobMissing where they are not as many as they should be."""
        return _bytes_of(self.document)


def _type(document: KMDocument) -> str:
    plain = document.content_type.isascii() and document.content_type.isprintable()
    return document.content_type if document.content_type and plain else "application/octet-stream"


def _bytes_of(document: KMDocument) -> Iterator[bytes]:
    left = document.size
    with storage.open(document.storage_key) as file:
        while chunk := file.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
    if left:
        raise BlobMissing(f"The stored bytes of {document.sha256[:12]} are not {document.size:,} as they should be.")
