"""What headers of tus 1.0.0 say. Pure: no database, no files. Anything that can not be read raises `ResumableError`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from django.utils.translation import gettext as _

from ingestion.resumable.errors import NotOffered, ResumableError, VersionMismatch, WrongContentType

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,checksum,termination"
ALGORITHMS = ("sha256", "sha1", "md5")
CONTENT_TYPE = "application/offset+octet-stream"
OVERRIDABLE = frozenset({"HEAD", "PATCH", "DELETE"})
"""Methods that a client which can only POST may ask for in X-HTTP-Method-Override."""

MAX_METADATA = 8192
_NUMBER = re.compile(r"[0-9]{1,18}")
_KEY = re.compile(r"[!-+\--~]+")  # visible ASCII without the comma


class Digest(Protocol):
    """A running hash of hashlib."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Checksum:
    """What the bytes of one PATCH must hash to."""

    algorithm: str
    expected: bytes

    def digest(self) -> Digest:
        """A hash of that algorithm, of nothing yet."""
        return hashlib.new(self.algorithm, usedforsecurity=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Creation:
    """What a POST says of the file to come. `metadata` is the header as it was sent, for HEAD to repeat."""

    length: int
    name: str
    metadata: str
    tags: str
    file_tags: str
    priority: str


def check_version(headers: Mapping[str, str]) -> None:
    """Raise VersionMismatch unless the request is of our version of the protocol."""
    if headers.get("Tus-Resumable") != VERSION:
        raise VersionMismatch


def check_content_type(headers: Mapping[str, str]) -> None:
    """Raise WrongContentType unless the body is bytes to append."""
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise WrongContentType


def number(headers: Mapping[str, str], name: str) -> int:
    """A header that is a count of bytes."""
    given = headers.get(name)
    if given is None or not _NUMBER.fullmatch(given):
        raise ResumableError(_("%(header)s must be a number of bytes.") % {"header": name})
    return int(given)


def metadata(header: str) -> dict[str, str]:
    """The pairs of Upload-Metadata: `filename d29ybGQ=,is_confidential` gives two, the second with an empty value."""
    if len(header) > MAX_METADATA:
        raise ResumableError(_("Upload-Metadata is longer than %(most)s characters.") % {"most": f"{MAX_METADATA:,}"})
    found: dict[str, str] = {}
    for pair in header.split(",") if header.strip() else []:
        key, _space, value = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in found:
            raise ResumableError(_("Upload-Metadata must give each key once, and each must be of visible ASCII."))
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise ResumableError(
                _("The value of %(key)s in Upload-Metadata must be UTF-8 text in Base64.") % {"key": key}
            ) from error
    return found


def creation(headers: Mapping[str, str]) -> Creation:
    """What the headers of a POST say."""
    if "Upload-Defer-Length" in headers:
        raise NotOffered(_("The size of the file must be known at the beginning: Upload-Defer-Length is not offered."))
    if "Upload-Concat" in headers:
        raise NotOffered(_("Uploads can not be put together of others: Upload-Concat is not offered."))
    given = headers.get("Upload-Metadata", "")
    pairs = metadata(given)
    name = _name(pairs)
    if "\0" in name or len(name) > 4096:
        raise ResumableError(_("The name of a file has at most 4,096 characters, and none of them is NUL."))
    return Creation(
        length=number(headers, "Upload-Length"),
        name=name,
        metadata=given,
        tags=pairs.get("tags", ""),
        file_tags=pairs.get("file_tags", ""),
        priority=pairs.get("priority", ""),
    )


def _name(pairs: Mapping[str, str]) -> str:
    """The path in its folder where a client says one; Uppy sends the word null where there is none."""
    path = pairs.get("relativePath", "")
    return path if path not in ("", "null") else pairs.get("filename", "") or pairs.get("name", "") or "unnamed"


def checksum(headers: Mapping[str, str]) -> Checksum | None:
    """What Upload-Checksum says; None where it is not sent."""
    given = headers.get("Upload-Checksum")
    if given is None:
        return None
    algorithm, _space, value = given.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise ResumableError(
            _("Checksums are made by one of %(algorithms)s.") % {"algorithms": ", ".join(ALGORITHMS)},
            code="checksum_algorithm",
        )
    try:
        expected = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ResumableError(_("Upload-Checksum must be an algorithm and a hash in Base64.")) from error
    return Checksum(algorithm=algorithm, expected=expected)
