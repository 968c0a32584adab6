"""What can be wrong with an archive.

`ArchiveRefused` refuses the whole upload before a byte is written: the archive as such is hostile, broken or
too much, and the person who sent it is still there to be told. `EntryFailed` hurts one entry alone.
"""

from __future__ import annotations

from ingestion.errors.base import IngestionError
from ingestion.errors.validation import BadName, EmptyFile, TooLarge, TooManyFiles, UnsupportedType


class UnzipFailed(IngestionError):
    """The archive could not be unpacked."""

    code = "unzip_failed"
    stage = "unzipping"


class ArchiveRefused(UnzipFailed):
    """The archive is refused as a whole."""

    code = "archive_refused"


class UnsupportedEntries(UnsupportedType, ArchiveRefused):
    """The archive holds files of types that are not supported."""

    status = 422
    hint = "Leave these files out, or convert them; or have such files skipped (INGESTION ON_UNSUPPORTED)."


class EmptyUpload(EmptyFile, ArchiveRefused):
    """The upload is empty: it has no bytes."""


class ArchiveTooLarge(TooLarge, ArchiveRefused):
    """The archive is larger than the limit."""


class TooManyEntries(TooManyFiles, ArchiveRefused):
    """The archive holds more entries than the limit allows."""


class NotAZip(ArchiveRefused):
    """The file is not a zip archive."""

    code = "not_a_zip"
    hint = "Upload a .zip, or upload the documents themselves without packing them."


class UnsupportedArchive(NotAZip):
    """Archives of this kind are not supported."""

    code = "unsupported_archive"
    status = 415
    hint = "Unpack it and pack the files again as a .zip."


class TruncatedArchive(ArchiveRefused):
    """The archive is incomplete: its end is missing."""

    code = "truncated_archive"
    hint = "The transfer probably broke off. Send the whole file again."


class CorruptArchive(ArchiveRefused):
    """The archive's table of contents is damaged."""

    code = "corrupt_archive"
    hint = "Pack the files again and upload the new archive."


class AmbiguousArchive(ArchiveRefused):
    """The archive has more than one table of contents, so two programs would see different files in it."""

    code = "ambiguous_archive"
    hint = "Pack the files again with an ordinary zip program and upload the new archive."


class MultiVolumeArchive(ArchiveRefused):
    """The archive is one part of several."""

    code = "multi_volume"
    hint = "Join the parts into one .zip (for example `zip -s 0 parts.zip --out whole.zip`) and upload that."


class EncryptedArchive(ArchiveRefused):
    """The archive is encrypted."""

    code = "encrypted_archive"
    hint = "Unpack it with its password and pack the files again without one."


class UnsafePath(ArchiveRefused):
    """A name in the archive points outside of it."""

    code = "unsafe_path"
    hint = "Pack the files again with relative names, without '..', drive letters or a leading slash."


class LinkEntry(ArchiveRefused):
    """The archive holds a link or a device, which is not a document."""

    code = "link_entry"
    hint = "Pack the files that the links point to (zip does so unless told --symlinks)."


class OverlappingEntries(ArchiveRefused):
    """Entries of the archive share the same bytes, as in a zip bomb."""

    code = "overlapping_entries"
    hint = "Pack the files again with an ordinary zip program and upload the new archive."


class RatioExceeded(ArchiveRefused):
    """The archive would grow far beyond its size when unpacked, as a zip bomb does."""

    code = "ratio_exceeded"
    hint = "Leave out files that hold little but repetition, or ask the operator to raise the ratio limit."


class ExtractedTooLarge(ArchiveRefused):
    """The archive's files together are larger than the limit."""

    code = "extracted_too_large"
    status = 413
    hint = "Split the archive into several, or ask the operator to raise the limit that the message names."


class NestingTooDeep(ArchiveRefused):
    """The archive lies inside more archives than the limit allows."""

    code = "nesting_too_deep"
    hint = "Unpack the inner archive and upload it, or its files, by itself."


class EntryFailed(UnzipFailed):
    """One file in the archive can not be read; the others are not affected."""

    code = "entry_failed"
    hint = "Pack this file again and upload it by itself."


class EntryName(BadName, EntryFailed):
    """The name of a file in the archive can not be used."""

    stage = "unzipping"


class UnsafeEntry(EntryFailed):
    """The file's name in the archive points outside of it."""

    code = "unsafe_path"


class EntryTooLarge(TooLarge, EntryFailed):
    """A file in the archive is larger than the limit."""

    stage = "unzipping"


class CorruptEntry(EntryFailed):
    """The file's data in the archive are damaged."""

    code = "corrupt_entry"


class HeaderMismatch(EntryFailed):
    """The archive describes this file in two ways that contradict each other."""

    code = "header_mismatch"


class SizeMismatch(EntryFailed):
    """The file is not as large as the archive says."""

    code = "size_mismatch"


class CrcMismatch(EntryFailed):
    """The file's checksum is wrong: its data were changed or damaged."""

    code = "crc_mismatch"


class UnsupportedCompression(EntryFailed):
    """The file is compressed with a method that is not supported."""

    code = "unsupported_compression"
    hint = "Pack this file again with the ordinary method, Deflate."
