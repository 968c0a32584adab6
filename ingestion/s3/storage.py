"""Django's storage on S3, with what storing documents needs beyond it: whole files in and out, ranges, many at once."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.files import File
from django.core.files.storage import Storage
from django.utils import timezone
from django.utils.deconstruct import deconstructible

from ingestion import localfiles
from ingestion.errors import BlobMissing, StorageMisconfigured, StorageUnavailable
from ingestion.s3.client import client, ensure_boto3
from ingestion.s3.errors import UNKNOWN_REQUEST, code_of, named
from ingestion.s3.options import Options
from ingestion.s3.reading import Bucket, BucketFile
from ingestion.s3.sending import ThereAlready, send

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BUCKET_KNOWN_SECONDS = 60.0
LOOKS_AT_ONCE = 8


@deconstructible
class S3Storage(Storage):
    """Documents in a bucket: `{"BACKEND": "ingestion.s3.S3Storage", "OPTIONS": {"bucket": …}}` (`Options` has all).

    Raises ImproperlyConfigured at once for wrong options or a missing boto3; later errors are ingestion's own:
    BlobMissing, StorageAway (no answer), StorageDenied, StorageMisconfigured (no such bucket), BlobCorrupt.
    """

    def __init__(self, **options: Any) -> None:
        ensure_boto3()
        self.options = Options.checked(options)
        self._bucket_seen = 0.0

    @property
    def client(self) -> S3Client:
        """This process's client of boto3."""
        with named():
            return client(self.options)

    @property
    def bucket(self) -> Bucket:
        """The bucket, to be read from."""
        return Bucket(self.client, self.options)

    # What Django asks of a storage.

    def exists(self, name: str) -> bool:
        """Is it there? A bucket that is not there is an error, no answer."""
        try:
            self.bucket.head(name)
        except BlobMissing:
            self._ensure_bucket()
            return False
        return True

    def size(self, name: str) -> int:
        """Its size in bytes; BlobMissing when it is gone."""
        return self.bucket.size(name)

    def get_modified_time(self, name: str) -> datetime:
        """When it was stored; BlobMissing when it is gone."""
        moment: datetime = self.bucket.head(name)["LastModified"]
        return moment

    def delete(self, name: str) -> None:
        """Remove it; one that is gone is no error."""
        with named():
            self.client.delete_object(**self._place(name))

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """Names of the folders and files in a folder."""
        folders: list[str] = []
        return folders, [name for name, _, _ in self.listed(path, folders)]

    def url(self, name: str | None, parameters: dict[str, str] | None = None, expire: int | None = None) -> str:
        """An address that is good for `presign_seconds`; `parameters`: headers of its answer."""
        if name is None:
            raise ValueError("an address needs a name")
        wanted: dict[str, Any] = {**self._place(name), **(parameters or {})}
        with named():
            return self.client.generate_presigned_url(
                "get_object", Params=wanted, ExpiresIn=expire or self.options.presign_seconds
            )

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """The name itself: what is stored is named by its content, so the same name means the same bytes."""
        return name

    def _open(self, name: str, mode: str = "rb") -> Any:
        if mode != "rb":
            raise ValueError("documents are opened for reading only")
        return io.BufferedReader(BucketFile(self.bucket, name, localfiles.remote_parts_folder()), 64 * 1024)

    def _save(self, name: str, content: File[Any]) -> str:
        with tempfile.NamedTemporaryFile() as file:
            for chunk in content.chunks():
                file.write(chunk)
            file.flush()
            self.publish(name, Path(file.name), file.tell())
        return name

    # What storing documents asks beyond it.

    def publish(self, name: str, path: Path, size: int) -> bool:
        """Bring a local file of `size` bytes to its place. False: so many bytes are there already."""
        if size > self.options.part_bytes and self._has(name, size):
            return False  # a small one is sent without asking: one request less
        key = self.options.key(name)
        try:
            send(self.client, self.options, key, path, size, replace=False)
        except ThereAlready:
            if self._has(name, size):
                return False
            localfiles.log.warning("stored document %s had the wrong size and was replaced", name)
            send(self.client, self.options, key, path, size, replace=True)
        return True

    def download(self, name: str, path: Path) -> str:
        """Write its bytes to a local file that is there; returns their SHA-256. BlobMissing when it is gone."""
        return self.bucket.download(name, path)

    def ranged(self, name: str, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` to before `stop`; the first request is sent now, so that what is missing is known."""
        bucket = self.bucket
        first = bucket.get(name, start, stop) if start < stop else None
        if first is None and not self.exists(name):
            raise BlobMissing(f"The stored bytes of this file are not there ({name[:11]}…).")
        return bucket.ranged(name, start, stop, first)

    def address(self, name: str, disposition: str, content_type: str) -> str:
        """Where it can be fetched for `presign_seconds`, with these as Content-Disposition and Content-Type."""
        said = {"ResponseContentDisposition": disposition, "ResponseContentType": content_type}
        return self.url(name, {**said, "ResponseCacheControl": "private, no-store"})

    def missing(self, names: Iterable[str]) -> set[str]:
        """Those of the names that nothing is stored under; several are asked about at once."""
        wanted = list(names)
        if len(wanted) < 2:
            return {name for name in wanted if not self.exists(name)}
        with ThreadPoolExecutor(min(LOOKS_AT_ONCE, len(wanted)), thread_name_prefix="s3-look") as pool:
            return {name for name, there in zip(wanted, pool.map(self.exists, wanted), strict=True) if not there}

    def listed(self, folder: str, folders: list[str] | None = None) -> Iterator[tuple[str, int, datetime]]:
        """Name, size and time of each file in a folder, in the order of the names, page by page."""
        return self._pages(self.options.key(f"{folder}/" if folder else ""), folders, Delimiter="/")

    def walk(self) -> Iterator[tuple[str, int, datetime]]:
        """The same of all there is, with the names of the folders."""
        return self._pages(self.options.key(""), None)

    def _pages(self, prefix: str, folders: list[str] | None, **how: Any) -> Iterator[tuple[str, int, datetime]]:
        listing = self.client.get_paginator("list_objects_v2")
        with named():
            for page in listing.paginate(Bucket=self.options.bucket, Prefix=prefix, **how):
                if folders is not None:
                    folders += [each["Prefix"][len(prefix) :].rstrip("/") for each in page.get("CommonPrefixes", ())]
                for found in page.get("Contents", ()):
                    if name := found["Key"][len(prefix) :]:
                        yield name, found["Size"], found["LastModified"]

    def unfinished(self, older_than_seconds: float) -> Iterator[tuple[str, str, datetime]]:
        """Key, id and time of each upload in parts that was begun so long ago and never ended."""
        before = timezone.now() - timedelta(seconds=older_than_seconds)
        listing = self.client.get_paginator("list_multipart_uploads")
        try:
            with named():
                for page in listing.paginate(Bucket=self.options.bucket, Prefix=self.options.key("")):
                    for found in page.get("Uploads", ()):
                        if found["Initiated"] < before:
                            yield found["Key"], found["UploadId"], found["Initiated"]
        except StorageUnavailable as error:
            if code_of(error.__cause__ or error) not in UNKNOWN_REQUEST:
                raise
            localfiles.log.warning("this server of S3 does not list unfinished uploads; they were not looked for")

    def abort(self, key: str, upload: str) -> None:
        """Give up such an upload; its parts are removed."""
        with named():
            self.client.abort_multipart_upload(Bucket=self.options.bucket, Key=key, UploadId=upload)

    def _place(self, name: str) -> dict[str, Any]:
        return {"Bucket": self.options.bucket, "Key": self.options.key(name)}

    def _has(self, name: str, size: int) -> bool:
        try:
            return self.bucket.size(name) == size
        except BlobMissing:
            self._ensure_bucket()
            return False

    def _ensure_bucket(self) -> None:
        """Raise StorageMisconfigured when it is the bucket that is missing: a HEAD's 404 does not say which."""
        if time.monotonic() - self._bucket_seen < BUCKET_KNOWN_SECONDS and self._bucket_seen:
            return
        try:
            with named("bucket"):
                self.client.head_bucket(Bucket=self.options.bucket)
        except BlobMissing as error:
            raise StorageMisconfigured(f"The document storage has no bucket {self.options.bucket!r}.") from error
        self._bucket_seen = time.monotonic()
