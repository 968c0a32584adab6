"""Reading from the bucket: ranges that go on where a connection was cut, whole files, and files that can seek."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ingestion.errors import StorageAway, StorageUnavailable
from ingestion.localfiles import storage_errors
from ingestion.s3.errors import code_of, named
from ingestion.s3.options import Options

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PIECE = 256 * 1024
BLOCK = 1024 * 1024
"""What a file that can seek fetches at least."""
MOST_AHEAD = 16
"""Blocks that it fetches at once when it is read from front to back."""
TRIES = 4
"""How often in a row nothing may come of a range before it is given up."""


class Bucket:
    """The objects of one bucket, as they are read."""

    def __init__(self, client: S3Client, options: Options) -> None:
        self.client, self.options = client, options

    def size(self, name: str) -> int:
        """How large the object is; BlobMissing when there is none."""
        return int(self.head(name)["ContentLength"])

    def head(self, name: str) -> Any:
        """What the server says of the object."""
        with named(name):
            return self.client.head_object(Bucket=self.options.bucket, Key=self.options.key(name))

    def get(self, name: str, start: int, stop: int) -> Any:
        """The answer to a request for the bytes from `start` to before `stop`."""
        with named(name):
            answer = self.client.get_object(
                Bucket=self.options.bucket, Key=self.options.key(name), Range=f"bytes={start}-{stop - 1}"
            )
        if start and not str(answer.get("ContentRange", "")).startswith(f"bytes {start}-"):
            raise StorageUnavailable("The document storage does not send parts of a file.")
        return answer

    def ranged(self, name: str, start: int, stop: int, first: Any = None) -> Iterator[bytes]:
        """The bytes from `start` to before `stop`. Where a connection is cut they are asked for from there on.

        `first`: the answer to the first request, where it was sent already.
        """
        at, failed = start, 0
        while at < stop:
            try:
                answer, first = first or self.get(name, at, stop), None
                body = answer["Body"]
                try:
                    while at < stop and (piece := _read(body, min(PIECE, stop - at))):
                        at, failed = at + len(piece), 0
                        yield piece
                finally:
                    body.close()
                if at < stop:
                    raise StorageAway("The document storage ended its answer too early.")
            except StorageAway:
                failed += 1
                if failed >= TRIES:
                    raise
                time.sleep(0.1 * 2**failed)

    def download(self, name: str, path: Path) -> str:
        """Write the object to a file that is there; returns the SHA-256 of what came. A few parts at a time."""
        part = self.options.part_bytes
        try:
            first = self.get(name, 0, part)
        except StorageUnavailable as error:
            if code_of(error.__cause__ or error) not in ("InvalidRange", "416"):
                raise
            return hashlib.sha256().hexdigest()  # an empty object has no first byte
        size = _total(first)
        digest = hashlib.sha256()
        with path.open("r+b") as file:
            self._write(file.fileno(), name, 0, min(part, size), first)
            places = [(start, min(start + part, size)) for start in range(part, size, part)]
            under_way: deque[tuple[int, int, Future[None]]] = deque()
            _digest(digest, file, 0, min(part, size))
            with ThreadPoolExecutor(self.options.concurrency, thread_name_prefix="s3-get") as pool:
                try:
                    for start, stop in places:
                        under_way.append((start, stop, pool.submit(self._write, file.fileno(), name, start, stop)))
                        if len(under_way) > self.options.concurrency:
                            _finish(under_way, digest, file)
                    while under_way:
                        _finish(under_way, digest, file)
                finally:
                    pool.shutdown(cancel_futures=True)
        return digest.hexdigest()

    def _write(self, descriptor: int, name: str, start: int, stop: int, first: Any = None) -> None:
        for piece in self.ranged(name, start, stop, first):
            with storage_errors():
                os.pwrite(descriptor, piece, start)
            start += len(piece)


class BucketFile(io.RawIOBase):
    """An object as a file that can seek. What was read once is kept in a nameless local file: no byte comes twice.

    So the many short reads with which an archive is looked through cost few requests, and no memory.
    """

    def __init__(self, bucket: Bucket, name: str, folder: Path) -> None:
        super().__init__()
        self.bucket, self.object = bucket, name
        self.kept: IO[bytes] = io.BytesIO()  # until it is known that there is an object
        self.size = bucket.size(name)
        with storage_errors():
            folder.mkdir(parents=True, exist_ok=True)
            self.kept = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed with this one
        self.here = bytearray(-(-self.size // BLOCK))
        self.at = self.next = 0
        self.ahead = 1

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("a file has nothing before its start")
        self.at = base + offset
        return self.at

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self.size - self.at)
        if wanted <= 0:
            return 0
        block = self.at // BLOCK
        if not self.here[block]:
            self._fetch(block)
        wanted = min(wanted, (block + 1) * BLOCK - self.at)
        data = os.pread(self.kept.fileno(), wanted, self.at)
        view[: len(data)] = data
        self.at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self.kept.close()
        super().close()

    def _fetch(self, block: int) -> None:
        """The block and those behind it: the more, the longer it has been read in one direction."""
        self.ahead = min(MOST_AHEAD, self.ahead * 2) if block == self.next else 1
        end = block + 1
        while end < min(block + self.ahead, len(self.here)) and not self.here[end]:
            end += 1
        self.bucket._write(self.kept.fileno(), self.object, block * BLOCK, min(end * BLOCK, self.size))  # noqa: SLF001
        self.here[block:end] = b"\1" * (end - block)
        self.next = end


def _read(body: Any, size: int) -> bytes:
    with named():
        return bytes(body.read(size))


def _total(answer: Any) -> int:
    """How large the whole object is, from the answer to a range of it."""
    said = str(answer.get("ContentRange", "")).rpartition("/")[2]
    return int(said) if said.isdigit() else int(answer["ContentLength"])


def _finish(under_way: deque[tuple[int, int, Future[None]]], digest: Any, file: IO[bytes]) -> None:
    start, stop, future = under_way.popleft()
    future.result()
    _digest(digest, file, start, stop)


def _digest(digest: Any, file: IO[bytes], start: int, stop: int) -> None:
    while start < stop:
        data = os.pread(file.fileno(), min(PIECE, stop - start), start)
        digest.update(data)
        start += len(data)
