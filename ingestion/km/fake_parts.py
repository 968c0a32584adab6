"""Reading a multipart body as it comes, for the fake knowledge store: no part is ever in memory as a whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message

READ_BYTES = 256 * 1024
HEAD_BYTES = 16 * 1024


class NotMultipart(Exception):
    """The body is not what its headers promise; the message says where."""


class Cut(Exception):
    """The connection ended before the body did."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part. Its `chunks` have to be read before the next part is."""

    name: str
    filename: str
    content_type: str
    chunks: Iterator[bytes]

    def small(self, most: int = 1024 * 1024) -> bytes:
        """All of it, if it is no longer than that."""
        found = bytearray()
        for chunk in self.chunks:
            found += chunk
            if len(found) > most:
                raise NotMultipart(f"the part {self.name!r} is longer than {most:,} bytes")
        return bytes(found)


class Multipart:
    """The parts of a body of `length` bytes, read by `read(n)`, which gives at most n bytes and none at the end."""

    def __init__(self, read: Callable[[int], bytes], length: int, content_type: str) -> None:
        message = Message()
        message["Content-Type"] = content_type
        boundary = message.get_boundary()
        if message.get_content_type() != "multipart/form-data" or not boundary:
            raise NotMultipart("Content-Type must be multipart/form-data with a boundary")
        self._read, self.left = read, length
        self._delimiter = f"\r\n--{boundary}".encode()
        self._buffer = b"\r\n"  # so that the first delimiter looks as all others

    def __iter__(self) -> Iterator[Part]:
        """Part after part. Raises NotMultipart and Cut, also out of their chunks."""
        if any(self._until_delimiter()):
            raise NotMultipart("the body does not begin with its boundary")
        while not self._ended():
            yield self._part()
        if self.left or self._buffer not in (b"", b"\r\n"):
            raise NotMultipart("something follows the last boundary")

    def drain(self) -> None:
        """Read what is left of the body, and forget it."""
        self._buffer = b""
        while self.left:
            self._fill()
            self._buffer = b""

    def _part(self) -> Part:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > HEAD_BYTES:
                raise NotMultipart("a part's headers do not end")
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        fields = dict(_field(line) for line in head.decode("utf-8", "replace").split("\r\n"))
        disposition = fields.get("content-disposition", "")
        named = re.search(r';\s*name="([^"]*)"', disposition)
        if not disposition.startswith("form-data") or named is None:
            raise NotMultipart("a part has no name")
        filename = re.search(r';\s*filename="([^"]*)"', disposition)
        return Part(
            name=named[1],
            filename=filename[1] if filename else "",
            content_type=fields.get("content-type", ""),
            chunks=self._until_delimiter(),
        )

    def _until_delimiter(self) -> Iterator[bytes]:
        keep = len(self._delimiter) - 1
        while (at := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > keep:
                yield self._buffer[:-keep]
                self._buffer = self._buffer[-keep:]
            self._fill()
        found, self._buffer = self._buffer[:at], self._buffer[at + len(self._delimiter) :]
        if found:
            yield found

    def _ended(self) -> bool:
        """Whether the boundary just passed was the last."""
        while len(self._buffer) < 2:
            self._fill()
        mark, self._buffer = self._buffer[:2], self._buffer[2:]
        if mark == b"--":
            while self.left:
                self._fill()
            return True
        if mark != b"\r\n":
            raise NotMultipart("a boundary is followed by something else than the end of its line")
        return False

    def _fill(self) -> None:
        if not self.left:
            raise NotMultipart("the body ends in the middle of a part")
        data = self._read(min(self.left, READ_BYTES))
        if not data:
            raise Cut
        self.left -= len(data)
        self._buffer += data


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()
