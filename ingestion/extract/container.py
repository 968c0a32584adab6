"""Office files and books are zips: this opens them under the same guard as any archive and reads their XML parts.

The guard looks at declared sizes, ratios, overlaps and counts before a part is read; reading counts what is really
there. So a reader that goes by other headers (native ones open the file by themselves) meets no surprise either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lxml import etree

from ingestion.archives import PlannedEntry, plan_archive, read_entry
from ingestion.errors import (
    ArchiveTooLarge,
    ContentRatioExceeded,
    ContentTooLarge,
    CorruptFile,
    EncryptedArchive,
    EntryTooLarge,
    ExtractedTooLarge,
    IngestionError,
    PasswordRequired,
    RatioExceeded,
    TooManyEntries,
    UnzipFailed,
    XmlForbiddenEntity,
)
from ingestion.limits import Limits

_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
_OLE_SEARCH = 4 << 20
_MAX_DEPTH = 1_000
_AMPERSAND = "&#38;"  # how a parser that resolves no entities hands over the "&amp;" of an attribute


class XmlTarget:
    """Receives the events of an XML part; what is not overridden is ignored."""

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        """An element begins; `tag` is "{namespace}name"."""

    def end(self, tag: str) -> None:
        """An element ends."""

    def data(self, data: str) -> None:
        """Text, possibly in several pieces."""


class Container:
    """An opened office file or book: its parts by name."""

    def __init__(self, path: Path, limits: Limits) -> None:
        _refuse_older_format(path)
        self._path = path
        self._parts: dict[str, PlannedEntry] = {}
        with _told_of_documents():
            for entry in plan_archive(path, _as_archive_limits(limits)).entries:
                self._parts.setdefault(entry.name.lstrip("/"), entry)

    def __contains__(self, name: object) -> bool:
        return name in self._parts

    def names(self) -> list[str]:
        """The names of all parts, in the order of the file."""
        return list(self._parts)

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of one part, in blocks. CorruptFile when it is missing, damaged or not of the declared size."""
        entry = self._parts.get(name)
        if entry is None:
            raise CorruptFile(f"The file is damaged: its part {name[:200]!r} is missing.")
        with _told_of_documents():
            yield from read_entry(self._path, entry)

    def parse(self, name: str, target: XmlTarget, stop: Callable[[], bool] = lambda: False) -> None:
        """Send the events of one XML part to `target` until `stop()`; no tree is built.

        Raises XmlForbiddenEntity at a DOCTYPE, before any entity is declared, and CorruptFile for XML that is not
        well-formed.
        """
        self._feed(name, _Guarded(target), stop)

    def check(self, name: str, look: Callable[[bytes], None] | None = None) -> None:
        """What `parse` refuses, for a part that another reader will read; `look` is shown its bytes on the way."""
        self._feed(name, _NoDoctype(), look=look)

    def _feed(
        self,
        name: str,
        target: Any,  # lxml's types ask for a method for every event; a target may leave some out
        stop: Callable[[], bool] = lambda: False,
        look: Callable[[bytes], None] | None = None,
    ) -> None:
        parser = etree.XMLParser(
            target=target, resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False
        )
        try:
            for block in self.read(name):
                parser.feed(block)
                if look is not None:
                    look(block)
                if stop():
                    return
            parser.close()
        except etree.XMLSyntaxError as error:
            raise CorruptFile(f"The file is damaged: its part {name[:200]!r} is not valid XML: {error}") from error


class _NoDoctype:
    """Refuses a DOCTYPE. lxml sends no other events to it, so it costs nothing."""

    def doctype(self, name: str | None, public_id: str | None, system_url: str | None) -> None:
        raise XmlForbiddenEntity

    def close(self) -> None:
        """lxml asks for it; there is nothing to hand over."""


class _Guarded(_NoDoctype):
    """Passes events on; refuses absurd nesting."""

    def __init__(self, target: XmlTarget) -> None:
        self._target = target
        self._depth = 0
        self.data = target.data

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise CorruptFile("The file is damaged: its XML is nested absurdly deeply.")
        if attrib and any(_AMPERSAND in value for value in attrib.values()):
            attrib = {name: value.replace(_AMPERSAND, "&") for name, value in attrib.items()}
        self._target.start(tag, attrib)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._target.end(tag)


def _refuse_older_format(path: Path) -> None:
    """Office wraps a document with a password in the container of its older formats, which is no zip at all."""
    with path.open("rb") as stream:
        if stream.read(len(_OLE_MAGIC)) != _OLE_MAGIC:
            return
        if _ENCRYPTED_STREAM in stream.read(_OLE_SEARCH):
            raise PasswordRequired
    raise CorruptFile("This is a file of the older Office formats, not what it was taken for.")


def _as_archive_limits(limits: Limits) -> Limits:
    return replace(
        limits,
        max_upload_bytes=limits.max_file_bytes,
        max_file_bytes=limits.max_content_bytes,
        max_entries=limits.max_parts,
        max_extracted_bytes=limits.max_content_bytes,
        max_entry_ratio=limits.max_content_ratio,
        entry_ratio_floor_bytes=limits.content_ratio_floor_bytes,
        max_total_ratio=limits.max_content_ratio,
        total_ratio_floor_bytes=limits.content_ratio_floor_bytes,
    )


@contextmanager
def _told_of_documents() -> Iterator[None]:
    """Say what is wrong with an archive as something that is wrong with a document."""
    try:
        yield
    except EncryptedArchive as error:
        raise PasswordRequired from error
    except RatioExceeded as error:
        raise ContentRatioExceeded from error
    except (ExtractedTooLarge, EntryTooLarge, ArchiveTooLarge, TooManyEntries) as error:
        raise ContentTooLarge("The file holds more than the limits max_content_bytes and max_parts allow.") from error
    except UnzipFailed as error:
        raise CorruptFile(f"The file is damaged: as a container it can not be read. {_of(error)}") from error


def _of(error: IngestionError) -> str:
    return str(error).replace("The archive", "The container").replace("the archive", "the container")
