"""What the S3 storage can be told, checked once, at the start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

MIB = 1024 * 1024
SMALLEST_PART = 5 * MIB
"""S3 takes no smaller part, but for the last."""
MOST_PARTS = 10_000
STYLES = ("auto", "path", "virtual")
ENCRYPTIONS = ("", "AES256", "aws:kms", "aws:kms:dsse")
_BUCKET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._:/-]{1,254}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How to reach the bucket. Credentials are no option: boto3 finds them as it always does (AWS_…, roles, files)."""

    bucket: str
    prefix: str = ""
    endpoint_url: str = ""
    region: str = ""
    addressing_style: str = "auto"
    part_bytes: int = 8 * MIB
    concurrency: int = 4
    presign_seconds: int = 60
    server_side_encryption: str = ""
    kms_key_id: str = ""
    connect_seconds: int = 5
    read_seconds: int = 30
    attempts: int = 4

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> Options:
        """The options, or ImproperlyConfigured with what is wrong. Numbers may come as text, as from an address."""
        known = {spec.name: spec for spec in fields(cls)}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ImproperlyConfigured(f"The S3 storage has no option {unknown[0]!r}; it has {', '.join(known)}.")
        values: dict[str, Any] = {"bucket": ""}
        for name, value in given.items():
            values[name] = _number(name, value) if isinstance(known[name].default, int) else str(value)
        options = cls(**{**values, "prefix": values.get("prefix", "").strip("/")})
        problem = options.problem()
        if problem:
            raise ImproperlyConfigured(f"The S3 storage: {problem}")
        return options

    def problem(self) -> str:
        """What is wrong with them; empty where nothing is."""
        if not _BUCKET.fullmatch(self.bucket):
            return f"{self.bucket!r} is not the name of a bucket."
        if self.endpoint_url:
            parts = urlsplit(self.endpoint_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                return "endpoint_url must begin with http:// or https:// and name a host."
            if parts.username or parts.password:
                return "endpoint_url must not hold credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        if self.addressing_style not in STYLES:
            return f"addressing_style must be one of {', '.join(STYLES)}."
        if self.server_side_encryption not in ENCRYPTIONS:
            return f"server_side_encryption must be empty or one of {', '.join(ENCRYPTIONS[1:])}."
        if self.kms_key_id and not self.server_side_encryption.startswith("aws:kms"):
            return "kms_key_id needs server_side_encryption=aws:kms."
        if self.part_bytes < SMALLEST_PART:
            return f"part_bytes must be at least {SMALLEST_PART:,}."
        for name in ("concurrency", "presign_seconds", "connect_seconds", "read_seconds", "attempts"):
            if getattr(self, name) < 1:
                return f"{name} must be at least 1."
        return ""

    def key(self, name: str) -> str:
        """The object that a name of the storage stands for."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def part_size(self, size: int) -> int:
        """How large the parts of so many bytes are: S3 takes 10,000 at most."""
        return max(self.part_bytes, -(-size // MOST_PARTS))

    @property
    def encryption(self) -> dict[str, str]:
        """What is said of encryption where an object is made."""
        said = {"ServerSideEncryption": self.server_side_encryption, "SSEKMSKeyId": self.kms_key_id}
        return {name: value for name, value in said.items() if value}


def _number(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ImproperlyConfigured(f"The S3 storage: {name} must be a whole number, not {value!r}.") from None
