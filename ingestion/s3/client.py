"""The client of boto3: one for each process and set of options. It may be used by many threads at once."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from ingestion.s3.options import Options

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MISSING = "boto3 is not installed: pip install 'docqueue[s3]', or requirements/s3.in."

_lock = threading.Lock()
_clients: dict[tuple[int, Options], S3Client] = {}


def ensure_boto3() -> None:
    """Raise ImproperlyConfigured where the extra `s3` is not installed."""
    try:
        import boto3  # noqa: F401
    except ImportError as error:
        raise ImproperlyConfigured(f"The document storage is S3, and {MISSING}") from error


def client(options: Options) -> S3Client:
    """The client of this process. A forked process makes its own: connections must not be shared."""
    key = (os.getpid(), options)
    found = _clients.get(key)
    if found is None:
        with _lock:
            found = _clients.get(key)
            if found is None:
                for other in [each for each in _clients if each[0] != key[0]]:
                    del _clients[other]  # the parent's
                found = _clients[key] = _make(options)
    return found


def forget() -> None:
    """Make new clients from now on: credentials that were refused are looked for again, in files and roles."""
    with _lock:
        _clients.clear()


def _make(options: Options) -> S3Client:
    from boto3.session import Session
    from botocore.config import Config

    style: Any = {"addressing_style": options.addressing_style}
    config = Config(
        connect_timeout=options.connect_seconds,
        read_timeout=options.read_seconds,
        retries={"mode": "standard", "total_max_attempts": options.attempts},
        max_pool_connections=max(16, 4 * options.concurrency),
        signature_version="s3v4",
        s3=style,
        # We send a SHA-256 with everything and compare the answer; boto3's own sum beside it would be work for nothing.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        tcp_keepalive=True,
        user_agent_extra="docqueue",
    )
    place: dict[str, Any] = {"endpoint_url": options.endpoint_url or None, "region_name": options.region or None}
    made: S3Client = Session().client("s3", config=config, **place)
    return made
