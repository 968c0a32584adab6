"""What can go wrong after an upload was accepted: storing, extracting, indexing."""

from __future__ import annotations

from ingestion.errors.base import IngestionError
from ingestion.errors.validation import TooLarge, UnsupportedType


class UploadFailed(IngestionError):
    """The file could not be stored."""

    code = "upload_failed"
    stage = "uploading"
    retryable = True
    status = 503


class StorageUnavailable(UploadFailed):
    """The document storage does not answer as it should."""

    code = "storage_unavailable"
    hint = "It is tried again by itself. If it lasts, look at the storage's own health."


class StorageAway(StorageUnavailable):
    """The document storage can not be reached."""

    hint = "Nothing is lost: work waits and goes on by itself. If it lasts, look at the storage's own health."


class StorageDenied(StorageAway):
    """The document storage refuses the program's credentials."""

    code = "storage_denied"
    hint = "The operator must renew the storage's credentials or permissions; then work goes on by itself."


class StorageMisconfigured(StorageAway):
    """There is no such document storage."""

    code = "storage_misconfigured"
    hint = "The operator must correct DOCUMENTS_URL (bucket, region, endpoint); then work goes on by itself."


class DiskFull(UploadFailed):
    """The disk is full."""

    code = "disk_full"
    status = 507
    hint = "Free some space; work goes on by itself."


class DiskLow(DiskFull):
    """The disk has hardly more room left than is kept free."""

    code = "disk_low"


class BlobMissing(UploadFailed):
    """The stored bytes of this file are not there."""

    code = "blob_missing"
    hint = "Restore the document storage, or upload the file again."


class BlobCorrupt(UploadFailed):
    """The stored bytes of this file are damaged."""

    code = "blob_corrupt"
    hint = "The operator must look (manage.py storage_check --verify); or upload the file again."


class ExtractFailed(IngestionError):
    """No text could be taken from the file."""

    code = "extract_failed"
    stage = "indexing"


class UnsupportedFile(UnsupportedType, ExtractFailed):
    """Text can not be taken from files of this type."""

    stage = "indexing"


class NestedArchive(UnsupportedFile):
    """The file is an archive: its files are documents, not itself."""

    code = "unsupported_archive"


class PasswordRequired(ExtractFailed):
    """The file is protected by a password."""

    code = "password_required"
    hint = "Save it without a password and upload that."


class CorruptFile(ExtractFailed):
    """The file is damaged and can not be read."""

    code = "corrupt_file"
    hint = "Open it in its own program, save it anew and upload that."


class ParserCrashed(ExtractFailed):
    """Reading the file ended the process, twice."""

    code = "parser_crashed"
    hint = "Save it anew in its own program, or as PDF, and upload that."


class OutOfMemory(ExtractFailed):
    """Reading the file took more memory than is allowed."""

    code = "out_of_memory"
    hint = "It takes too much memory to read. Split it into smaller parts and upload those."


class ExtractTimeout(ExtractFailed):
    """Reading the file took longer than is allowed, twice."""

    code = "extract_timeout"
    hint = "It takes too long to read. Split it into smaller parts and upload those."


class UnknownFormat(ExtractFailed):
    """It can not be told what kind of file this is."""

    code = "unknown_format"
    hint = "Convert it to PDF or text and upload that."


class XmlForbiddenEntity(ExtractFailed):
    """The file defines XML entities, which can be used as a bomb or to read other files."""

    code = "xml_forbidden_entity"
    hint = "Save it anew in its own program; ordinary documents define none."


class ContentTooLarge(TooLarge, ExtractFailed):
    """What is inside the file is larger than the limit."""

    stage = "indexing"


class ContentRatioExceeded(ExtractFailed):
    """The file's content would grow far beyond its size when unpacked, as a zip bomb does."""

    code = "ratio_exceeded"
    hint = "Open it in its own program and save it anew; ordinary documents do not grow like this."


class EncodingUnreadable(ExtractFailed):
    """The file's text is in no encoding that can be read."""

    code = "encoding_unreadable"
    hint = "Save it as UTF-8 and upload that."


class InvalidJson(ExtractFailed):
    """The file is not valid JSON."""

    code = "invalid_json"
    hint = "Correct the place that the message names and upload the file again."


class JsonTooDeep(ExtractFailed):
    """The JSON is nested too deeply."""

    code = "json_too_deep"
    hint = "Flatten it, or upload the inner parts as files of their own."


class ProgramFailed(ExtractFailed):
    """A program of this machine that reads such files did not work."""

    code = "program_failed"
    hint = "Tell the operator what the message says; then reprocess the document."


class IndexFailed(IngestionError):
    """The text could not be indexed."""

    code = "index_failed"
    stage = "indexing"
    retryable = True
    status = 503
