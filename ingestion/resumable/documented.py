"""What the OpenAPI document says of each request."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema

from ingestion.api.base import refused
from ingestion.resumable import protocol

WORDS = {
    400: "A header is missing or can not be read, or the body broke off.",
    409: "The offset is not the number of bytes that are here, or the Idempotency-Key was used for another file.",
    410: "The upload has expired or was ended.",
    412: "Tus-Resumable is not 1.0.0.",
    415: "The Content-Type is another one; or, with the last byte, an archive of another kind than zip.",
    423: "Another request is writing to this upload.",
    429: "There are as many unfinished uploads as one user may have.",
    460: "The checksum is of other bytes; nothing of this PATCH was kept.",
}
ADDRESS = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="From the Location of the POST.")


def sent(name: str, description: str, *, required: bool = False, **options: Any) -> OpenApiParameter:
    """A header of a request."""
    return OpenApiParameter(
        name, options.pop("type", str), OpenApiParameter.HEADER, required=required, description=description, **options
    )


def said(name: str, description: str, *statuses: int, kind: Any = str) -> OpenApiParameter:
    """A header of an answer."""
    return OpenApiParameter(name, kind, OpenApiParameter.HEADER, description=description, response=[*statuses])


VERSION = sent("Tus-Resumable", "The version of the protocol.", required=True, enum=[protocol.VERSION])
EXPIRES = "Until when the upload waits for its next piece."
INTAKE = "The id of the intake, when all bytes are here; `Link` has its address."
OFFSET = "How many bytes are here."

create_upload = extend_schema(
    operation_id="create_upload",
    summary="Begin an upload that can be resumed (tus 1.0.0)",
    description=(
        "Refuses what no upload of this size could do; no byte is sent yet. Repeating a request with the same "
        "`Idempotency-Key` returns the first one's upload, or the intake that it has become."
    ),
    request=None,
    parameters=[
        VERSION,
        sent("Upload-Length", "The size of the file in bytes.", required=True, type=int),
        sent(
            "Upload-Metadata",
            "Pairs of a key and a value in Base64, separated by commas: filename, relativePath, filetype, tags, "
            "file_tags, priority. Others are kept and given back.",
        ),
        sent("Idempotency-Key", "Makes repeating safe."),
        said("Location", "The address of the upload.", 201),
        said("Upload-Expires", EXPIRES, 201),
        said("Docqueue-Intake", "The id of the intake, when the key's upload is complete already.", 201, kind=int),
    ],
    responses={
        201: OpenApiResponse(description="Send the bytes to `Location`."),
        **refused(400, 401, 409, 412, 413, 422, 429, 503, 507, words=WORDS),
    },
    tags=["resumable uploads"],
)
head_upload = extend_schema(
    operation_id="get_upload_offset",
    summary="How many bytes of an upload are here",
    description=(
        "When all are here and it was not taken in, as the server was killed just then, it is taken in now: this may "
        "take seconds and be refused as the last PATCH would be."
    ),
    parameters=[
        ADDRESS,
        VERSION,
        said("Upload-Offset", OFFSET, 200, kind=int),
        said("Upload-Length", "The size of the file.", 200, kind=int),
        said("Upload-Expires", EXPIRES, 200),
        said("Docqueue-Intake", INTAKE, 200, kind=int),
    ],
    responses={
        200: OpenApiResponse(description="The headers say it."),
        **refused(401, 404, 409, 410, 412, 415, 422, 423, 503, 507, words=WORDS),
    },
    tags=["resumable uploads"],
)
patch_upload = extend_schema(
    operation_id="append_to_upload",
    summary="Send the next bytes of an upload",
    description=(
        "What arrives is kept also when the connection breaks; with `Upload-Checksum` all of a PATCH counts or none. "
        "The PATCH with the last byte answers when the upload is taken in, which for a large one takes seconds; it is "
        "refused as any upload would be, and the upload is gone then."
    ),
    request={protocol.CONTENT_TYPE: OpenApiTypes.BINARY},
    parameters=[
        ADDRESS,
        VERSION,
        sent("Upload-Offset", "Where these bytes belong: as many as are here.", required=True, type=int),
        sent("Upload-Checksum", f"One of {', '.join(protocol.ALGORITHMS)}, a space, and the hash in Base64."),
        said("Upload-Offset", OFFSET, 204, kind=int),
        said("Upload-Expires", EXPIRES, 204),
        said("Docqueue-Intake", INTAKE, 204, kind=int),
    ],
    responses={
        204: OpenApiResponse(description="The bytes are safe on the disk."),
        **refused(400, 401, 404, 409, 410, 412, 413, 415, 422, 423, 460, 503, 507, words=WORDS),
    },
    tags=["resumable uploads"],
)
end_upload = extend_schema(
    operation_id="end_upload",
    summary="End an upload and delete its bytes",
    description="A PATCH that is running is broken off. An intake that the upload has become stays.",
    parameters=[ADDRESS, VERSION],
    responses={204: OpenApiResponse(description="It is gone."), **refused(401, 404, 410, 412, 423, 503, words=WORDS)},
    tags=["resumable uploads"],
)
