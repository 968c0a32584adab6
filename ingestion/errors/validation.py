"""Refusals at the door: nothing is queued or stored."""

from __future__ import annotations

from ingestion.errors.base import IngestionError


class ValidationFailed(IngestionError):
    """The upload is not acceptable."""

    code = "validation_failed"


class EmptyFile(ValidationFailed):
    """The file is empty: it has no bytes."""

    code = "empty_file"
    hint = "Check that the file was written and sent completely, then upload it again."


class TooLarge(ValidationFailed):
    """The file is larger than the limit."""

    code = "too_large"
    status = 413
    hint = "Split it into smaller parts, or ask the operator to raise the limit that the message names."


class TooManyFiles(ValidationFailed):
    """There are more files than the limit allows."""

    code = "too_many_files"
    status = 413
    hint = "Split the upload into several, or ask the operator to raise the limit that the message names."


class BadName(ValidationFailed):
    """The file's name can not be used."""

    code = "bad_name"
    hint = "Rename the file: at most 1,024 bytes and 32 folders deep, without NUL characters."


class UnsupportedType(ValidationFailed):
    """Files of this type are not supported."""

    code = "unsupported_type"
    status = 415
    hint = (
        "Convert it to PDF, DOCX, XLSX, PPTX, ODT, ODS, ODP, EPUB, CSV, HTML, Markdown, text, JSON or EML and "
        "upload that."
    )


class TypeMismatch(ValidationFailed):
    """The file's content is not what its name says."""

    code = "type_mismatch"
    hint = "Open the file and check what it is; an error page saved under a file's name is a common cause."


class InvalidWait(ValidationFailed):
    """wait must be a whole number of seconds from 0 to 30."""

    code = "invalid_wait"
    status = 400
    hint = "Leave it out to be answered at once."


class InvalidWindow(ValidationFailed):
    """hours must be a whole number from 1 to 744."""

    code = "invalid_window"
    status = 400
    hint = "Leave it out to be told of the last day."


class EventsRefused(IngestionError):
    """There is no stream of events now."""

    code = "events_refused"
    status = 406
    hint = "Ask the address without /events instead, with wait and the last answer's ETag."


class NeedsAsgi(EventsRefused):
    """This web server can not stream events: each stream would take one of its threads."""

    code = "needs_asgi"
    hint = (
        "Ask the address without /events instead, with wait and the last answer's ETag. Operators: serve the "
        "streams by ASGI, see docs/how-to/progress.md."
    )


class EventsOff(EventsRefused):
    """Streams of events are switched off (MAX_EVENT_STREAMS is 0)."""

    code = "events_off"


class TooManyStreams(EventsRefused):
    """This web process holds as many streams of events as it may (MAX_EVENT_STREAMS)."""

    code = "too_many_streams"
    status = 429
    retryable = True
    retry_after = 10


class InvalidPaths(ValidationFailed):
    """There must be one path for each file, in the order of the files."""

    code = "invalid_paths"
    status = 400
    hint = "Give the field path as often as the field file, or not at all."
