"""Where documents' bytes are kept, from the one variable DOCUMENTS_URL: the local disk, or a bucket of S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def documents_storage(url: str, folder: Path) -> dict[str, Any]:
    """The entry of STORAGES: for `s3://bucket/prefix?option=value` that bucket, for nothing the local folder.

    Raises ImproperlyConfigured for any other address. What options there are, the storage itself looks at.
    """
    if not url:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            # no base_url: documents are handed out by views that ask who wants them
            "OPTIONS": {"location": folder, "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
        }
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise ImproperlyConfigured("DOCUMENTS_URL must be s3://bucket/prefix?endpoint_url=…&region=…, or empty.")
    if "@" in parts.netloc:
        raise ImproperlyConfigured(
            "DOCUMENTS_URL must not hold credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role."
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    place = {"bucket": parts.netloc, "prefix": unquote(parts.path).strip("/")}
    return {"BACKEND": "ingestion.s3.S3Storage", "OPTIONS": {**options, **place}}
