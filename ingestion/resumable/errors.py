"""How a resumable upload is refused. Nothing of these concerns a document: they are answers to one request."""

from __future__ import annotations

from ingestion.errors import IngestionError


class ResumableError(IngestionError):
    """The request does not follow the protocol tus 1.0.0."""

    code = "invalid_tus_request"
    status = 400
    hint = "See docs/how-to/resumable-uploads.md; a client library for tus 1.0.0 does it right."


class VersionMismatch(ResumableError):
    """This server speaks tus 1.0.0; the request must say so in Tus-Resumable."""

    code = "tus_version"
    status = 412
    hint = "Send the header Tus-Resumable: 1.0.0."


class WrongContentType(ResumableError):
    """Bytes are sent with Content-Type: application/offset+octet-stream."""

    code = "wrong_content_type"
    status = 415
    hint = "Set the header Content-Type."


class NotOffered(ResumableError):
    """This part of the protocol is not offered."""

    code = "tus_extension_not_offered"
    hint = "OPTIONS says in Tus-Extension what is; say the size of the file in Upload-Length when you begin."


class OffsetMismatch(ResumableError):
    """The offset is not the number of bytes that are here."""

    code = "offset_mismatch"
    status = 409
    hint = "Ask by HEAD how many bytes are here, and send what follows them."


class UploadLocked(ResumableError):
    """Another request is writing to this upload."""

    code = "upload_locked"
    status = 423
    retryable = True
    retry_after = 1
    hint = "Let that one end, or try again in some seconds: a request that has fallen silent is given up."


class WriterReplaced(ResumableError):
    """This request had fallen silent, and another one has taken over the upload."""

    code = "upload_taken_over"
    status = 409
    hint = "Ask by HEAD how many bytes are here, and send what follows them."


class ChecksumMismatch(ResumableError):
    """The bytes are not those that Upload-Checksum was made of. Nothing of them was kept."""

    code = "checksum_mismatch"
    status = 460
    retryable = True
    hint = "Send them again from the same offset."


class PatchTooLarge(ResumableError):
    """One PATCH brings more bytes than are accepted."""

    code = "patch_too_large"
    status = 413
    hint = "Send the file in smaller pieces: GET limits says in max_patch_bytes how large one may be."


class BodyBroken(ResumableError):
    """The body ended before all of it was here."""

    code = "body_broken"
    retryable = True
    hint = "Ask by HEAD how many bytes are here, and send what follows them."


class UploadExpired(ResumableError):
    """This upload was left alone for too long."""

    code = "upload_expired"
    status = 410
    hint = "Begin anew with a POST."


class UploadGone(ResumableError):
    """This upload was ended, or its bytes are no longer here."""

    code = "upload_gone"
    status = 410
    hint = "Begin anew with a POST."


class TooManyOpenUploads(ResumableError):
    """There are more unfinished uploads than one user may have."""

    code = "too_many_open_uploads"
    status = 429
    hint = "Finish some, or end them by DELETE; those left alone go by themselves."
