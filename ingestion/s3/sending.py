"""Bringing a file into the bucket: in one request, or in parts of which a few are on their way at a time.

The server is told the SHA-256 of all it is sent and refuses what came damaged; of one that ignores that, the ETag
(an MD5) is compared, and at last the size. Nothing stands under its name before all of it has arrived.
"""

from __future__ import annotations

import hashlib
import logging
from base64 import b64encode
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.errors import BlobCorrupt, IngestionError, StorageUnavailable
from ingestion.s3.errors import UNKNOWN_REQUEST, code_of, named
from ingestion.s3.options import Options

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

CONTENT_TYPE = "application/octet-stream"
THERE_ALREADY = frozenset({"PreconditionFailed", "412"})
SAME_TIME = frozenset({"ConditionalRequestConflict", "409", "OperationAborted"})

log = logging.getLogger(__name__)


class ThereAlready(Exception):
    """An object of this name is in the bucket, and was not to be replaced."""


def send(client: S3Client, options: Options, key: str, path: Path, size: int, *, replace: bool) -> None:
    """Bring the file's `size` bytes to `key`. Raises `ThereAlready` (unless `replace`) and what `named` raises.

    Holds at most `concurrency` + 1 parts in memory. A failed upload in parts is taken back at the server.
    """
    way = _in_one if size <= options.part_bytes else _in_parts
    condition: dict[str, str] = {} if replace else {"IfNoneMatch": "*"}
    try:
        way(client, options, key, path, size, condition)
    except _NoConditions:
        way(client, options, key, path, size, {})


class _NoConditions(Exception):
    """This server does not know If-None-Match where something is written."""


def _in_one(client: S3Client, options: Options, key: str, path: Path, _size: int, condition: Mapping[str, str]) -> None:
    body = path.read_bytes()
    checksum = _checksum(body)
    request: dict[str, Any] = {**_place(options, key), **options.encryption, **condition}
    with named(), _conditions():
        answer = client.put_object(**request, Body=body, ChecksumSHA256=checksum, ContentType=CONTENT_TYPE)
    _compare(answer, body, checksum, options)


def _in_parts(
    client: S3Client, options: Options, key: str, path: Path, size: int, condition: Mapping[str, str]
) -> None:
    place = _place(options, key)
    request: dict[str, Any] = {**place, **options.encryption, "ContentType": CONTENT_TYPE}
    with named():
        upload = client.create_multipart_upload(**request, ChecksumAlgorithm="SHA256").get("UploadId")
    if not upload:
        raise StorageUnavailable("What answers in the document storage's place does not speak S3.")
    try:
        parts = _send_parts(client, options, place, upload, path, size)
        request = {**place, **condition, "UploadId": upload, "MultipartUpload": {"Parts": parts}}
        with named(), _conditions():
            _complete(client, request, place, size)
        with named(key):
            arrived = client.head_object(**place)["ContentLength"]
    except BaseException:
        # Also where the process is told to stop. What a killed one leaves, storage_check and a lifecycle rule remove.
        with suppress(IngestionError), named():
            client.abort_multipart_upload(**place, UploadId=upload)
        raise
    if arrived != size:
        with named():
            client.delete_object(**place)
        raise BlobCorrupt(f"{size:,} bytes were sent to the document storage, {arrived:,} are there.")


def _complete(client: S3Client, request: dict[str, Any], place: Mapping[str, Any], size: int) -> None:
    """Put the parts together. When the answer was lost and the request repeated, the upload is not there any more."""
    from botocore.exceptions import ClientError

    try:
        client.complete_multipart_upload(**request)
    except ClientError as error:
        if code_of(error) != "NoSuchUpload":
            raise
        with suppress(ClientError):
            if client.head_object(**place)["ContentLength"] == size:
                return
        raise


def _send_parts(
    client: S3Client, options: Options, place: Mapping[str, Any], upload: str, path: Path, size: int
) -> list[CompletedPartTypeDef]:
    """The parts as they are named at the end. Those that are on their way are waited for, also after a failure."""

    echoed = True  # until an answer has no sum: then the next parts are spared one that nobody looks at

    def one(number: int, body: bytes) -> CompletedPartTypeDef:
        nonlocal echoed
        checksum = _checksum(body) if echoed else ""
        request: dict[str, Any] = {**place, **({"ChecksumSHA256": checksum} if checksum else {})}
        with named():
            answer = client.upload_part(**request, UploadId=upload, PartNumber=number, Body=body)
        echoed = "ChecksumSHA256" in answer
        _compare(answer, body, checksum, options)
        part: CompletedPartTypeDef = {"ETag": answer["ETag"], "PartNumber": number}
        return {**part, "ChecksumSHA256": checksum} if echoed else part

    done: list[CompletedPartTypeDef] = []
    under_way: deque[Future[CompletedPartTypeDef]] = deque()
    with ThreadPoolExecutor(options.concurrency, thread_name_prefix="s3-put") as pool:
        try:
            for number, body in enumerate(_pieces(path, options.part_size(size)), 1):
                under_way.append(pool.submit(one, number, body))
                if len(under_way) > options.concurrency:
                    done.append(under_way.popleft().result())
            while under_way:
                done.append(under_way.popleft().result())
        finally:
            pool.shutdown(cancel_futures=True)
    return done


def _pieces(path: Path, part_size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while body := file.read(part_size):
            yield body


def _place(options: Options, key: str) -> dict[str, Any]:
    return {"Bucket": options.bucket, "Key": key}


class _conditions:  # noqa: N801 - read as `with _conditions():`
    """What a server says to If-None-Match, as exceptions of ours."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        code = code_of(error) if error is not None else ""
        if code in THERE_ALREADY or code in SAME_TIME:
            raise ThereAlready from error
        if code in UNKNOWN_REQUEST:
            raise _NoConditions from error


def _checksum(body: bytes) -> str:
    return b64encode(hashlib.sha256(body).digest()).decode()


def _compare(answer: Mapping[str, Any], body: bytes, checksum: str, options: Options) -> None:
    """Raise BlobCorrupt when the answer shows that other bytes have arrived."""
    if (theirs := answer.get("ChecksumSHA256")) is not None:
        same = theirs == checksum
    elif options.server_side_encryption or answer.get("ServerSideEncryption"):
        return  # the ETag is no sum of the content then
    else:
        etag = str(answer.get("ETag", "")).strip('"')
        same = len(etag) != 32 or etag == hashlib.md5(body, usedforsecurity=False).hexdigest()
    if not same:
        raise BlobCorrupt("Other bytes than were sent have come to the document storage.")
