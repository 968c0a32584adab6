"""What goes wrong with S3, by its names. No message has a credential in it: botocore's own texts are not passed on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ingestion.errors import (
    BlobCorrupt,
    BlobMissing,
    IngestionError,
    StorageAway,
    StorageDenied,
    StorageMisconfigured,
    StorageUnavailable,
)
from ingestion.s3.client import forget

GONE = frozenset({"NoSuchKey", "404", "NotFound", "NoSuchVersion"})
DENIED = frozenset(
    {
        "403", "401", "AccessDenied", "AllAccessDisabled", "AccountProblem", "ExpiredToken", "Forbidden",
        "InvalidAccessKeyId", "InvalidToken", "InvalidSecurity", "NotSignedUp", "RequestTimeTooSkewed",
        "SignatureDoesNotMatch", "TokenRefreshRequired", "Unauthorized", "KMS.AccessDeniedException",
    }
)  # fmt: skip
WRONG = frozenset(
    {
        "NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "301", "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException", "InvalidEndpoint", "MethodNotAllowed", "KMS.NotFoundException",
    }
)  # fmt: skip
DAMAGED = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"})
UNKNOWN_REQUEST = frozenset({"NotImplemented", "501"})
BUSY = frozenset({"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "ServiceUnavailable", "429"})


@contextlib.contextmanager
def named(name: str = "") -> Iterator[None]:
    """Let what botocore raises inside leave as an error of ingestion. `name`: the blob that it is about."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _of_an_answer(error.response, error.operation_name, name) from error
    except BotoCoreError as error:
        raise _of_the_way(error) from error


def code_of(error: BaseException) -> str:
    """The code that the server gave; empty for what is no answer of a server."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _of_an_answer(response: Any, operation: str, name: str) -> IngestionError:
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = f"The document storage answered {operation} with {status} {code}."
    if code in WRONG:
        return StorageMisconfigured(said)
    if code in GONE and name:
        return missing(name)
    if code in DENIED or status in (401, 403):
        forget()
        return StorageDenied(said)
    if code in DAMAGED:
        return BlobCorrupt(f"Bytes came to the document storage damaged ({code}).")
    if code in BUSY or (status >= 500 and code not in UNKNOWN_REQUEST):
        return StorageAway(said)
    return StorageUnavailable(said)


def _of_the_way(error: Exception) -> IngestionError:
    from botocore import exceptions as known

    kind = type(error).__name__
    refused = (
        known.NoCredentialsError,
        known.PartialCredentialsError,
        known.CredentialRetrievalError,
        known.TokenRetrievalError,
        known.ProfileNotFound,
        known.NoAuthTokenError,
    )
    if isinstance(error, refused):
        forget()
        return StorageDenied(f"There are no credentials for the document storage ({kind}).")
    if isinstance(error, known.HTTPClientError | known.ConnectionError | known.IncompleteReadError):
        return StorageAway(f"The document storage does not answer ({kind}).")
    wrong = (known.ParamValidationError, known.NoRegionError, known.InvalidRegionError, known.UnknownEndpointError)
    if isinstance(error, wrong):
        return StorageMisconfigured(f"The document storage can not be asked like this ({kind}).")
    return StorageUnavailable(f"The document storage does not answer as it should ({kind}).")


def missing(name: str) -> BlobMissing:
    """The blob is not in the bucket."""
    return BlobMissing(f"The stored bytes of this file are not there ({name[:11]}…).")
