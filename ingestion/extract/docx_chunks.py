"""What a Word document takes over from a file in another format that is packed into it (altChunk).

Word shows such a file as part of the document. Web pages, also saved as messages, and plain text are read here.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from ingestion.extract.container import Container
from ingestion.extract.contract import PageWriter
from ingestion.extract.decode import decode_bytes
from ingestion.extract.eml import body_to_lines
from ingestion.extract.html import html_to_lines, named_in
from ingestion.extract.relations import Relation
from ingestion.sniff import sniff

MAX_BYTES = 64 << 20  # a parser holds the whole several times over


class Chunks:
    """The files that a document refers to so, each written once. `unread` are the parts that are not (yet)."""

    def __init__(self, container: Container, relations: Sequence[Relation], out: PageWriter) -> None:
        self._container = container
        self._parts = {each.id: each.target for each in relations if each.kind == "aFChunk"}
        self._out = out
        self.unread = set(self._parts.values())

    def write(self, reference: str) -> bool:
        """Write the text of a file where the document has it. Returns whether there is one that can be read."""
        part = self._parts.get(reference)
        if part not in self.unread or part is None:
            return False
        data = bytearray()
        for block in self._container.read(part):
            data += block
            if len(data) > MAX_BYTES:
                return False
        if not self._put(bytes(data), part):
            return False
        self.unread.discard(part)
        return True

    def _put(self, data: bytes, part: str) -> bool:
        kind = sniff(io.BytesIO(data), part).type
        if kind == "html":
            html_to_lines(decode_bytes(data, self._out, named=named_in(data)), self._out)
        elif kind == "eml":
            body_to_lines(data, self._out)
        elif kind == "text":
            self._out.line(decode_bytes(data, self._out))
        else:
            return False
        return True
