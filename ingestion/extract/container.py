"""Office files and books are zips: this opens them under the same guard as any archive and reads their XML parts.

The guard looks at declared sizes, ratios, overlaps and counts before a part is read; reading counts what is really
there. So a reader that goes by other headers (native ones open the file by themselves) meets no surprise either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

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
)
from ingestion.extract.guarded_xml import XmlTarget, check_xml, parse_xml
from ingestion.limits import Limits

__all__ = ["Container", "XmlTarget"]

_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
_OLE_SEARCH = 4 << 20


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
        """Send the events of one XML part to `target` until `stop()`; refuses what `parse_xml` does."""
        parse_xml(self.read(name), target, f"its part {name[:200]!r}", stop=stop)

    def check(self, name: str, look: Callable[[bytes], None] | None = None) -> None:
        """What `parse` refuses, for a part that another reader will read; `look` is shown its bytes on the way."""
        check_xml(self.read(name), f"its part {name[:200]!r}", look)


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
