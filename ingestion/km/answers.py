"""What a knowledge store's answers, and failures to get one, mean: each has one error class."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from ingestion.errors import (
    KmAuth,
    KmAway,
    KmBadAnswer,
    KmBusy,
    KmError,
    KmForbidden,
    KmInterrupted,
    KmRejected,
    KmServerError,
    KmTimeout,
    KmUnavailable,
)

WORDS = 300
"""Characters of the store's own words that a message quotes."""
RETRY_AFTER_MAX = 300.0
NOT_NOW = frozenset({429, 503, 507})
"""What a store says of itself, whatever the document."""
AWAY = frozenset({404, 405, 407, 410, 501})
"""What a place says that is not the store."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the store said. `json()` raises KmBadAnswer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise KmBadAnswer(f"The store answered {self.status} with what is no JSON: {words(self.body)!r}") from error
        if not isinstance(found, dict):
            raise KmBadAnswer(f"The store answered {self.status} with JSON that is no object.")
        return found


class named:  # noqa: N801 - reads as `with named(…)`
    """Give httpx2's errors our names. What a body's source raises passes by."""

    def __init__(self, method: str, path: str) -> None:
        self.what = f"{method} {path}"

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | httpx2.StreamError):
            return
        said = words(str(error)) or type(error).__name__
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol):
            raise KmUnavailable(f"The knowledge store can not be reached: {said}") from error
        if isinstance(error, httpx2.PoolTimeout):
            raise KmTimeout(f"No connection to the knowledge store became free for {self.what}.") from error
        if isinstance(error, httpx2.TimeoutException):
            raise KmTimeout(f"The knowledge store took too long over {self.what}.") from error
        if isinstance(error, httpx2.DecodingError | httpx2.InvalidURL):
            raise KmBadAnswer(f"The knowledge store's answer to {self.what} can not be read: {said}") from error
        raise KmInterrupted(f"The connection to the knowledge store ended during {self.what}: {said}") from error


def error_of(answer: Answer, method: str, path: str) -> KmError | None:
    """The error that an answer means, or None. Whom a 403 means nobody can tell: the caller may find out."""
    status = answer.status
    if 200 <= status < 300:
        return None
    said = f"The knowledge store answered {status} to {method} {path}"
    told, code = _told(answer.body)
    message = f"{said}: {told}" if told else f"{said}."
    kind: type[KmError] = KmRejected
    if status == 401:
        kind = KmAuth
    elif status == 403:
        kind = KmForbidden
    elif status in NOT_NOW:
        kind = KmBusy
    elif status < 400 or status in AWAY:
        kind, message = KmAway, f"{message} Is INGESTION_KM_URL right?"
    elif status in (408, 425):
        kind = KmTimeout
    elif status >= 500:
        kind = KmServerError
    return kind(message, retry_after=retry_after(answer.headers.get("retry-after", "")), store_code=code)


def retry_after(given: str, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for (a number or a date), at most RETRY_AFTER_MAX; None: none."""
    text = given.strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(RETRY_AFTER_MAX, float(text[:9]))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    seconds = (until - (now or datetime.now(UTC))).total_seconds()
    return min(RETRY_AFTER_MAX, max(0.0, math.ceil(seconds)))


def _told(body: bytes) -> tuple[str, str]:
    """What an error answer says for people, and its code: of a problem its parts, else its beginning."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return words(body), ""
    if not isinstance(found, dict):
        return words(body), ""
    code = found.get("code") if isinstance(found.get("code"), str) else ""
    texts = (found.get(name) for name in ("detail", "message", "title", "error"))
    return words(next((text for text in texts if isinstance(text, str)), body)), words(str(code or ""))


def words(said: bytes | str) -> str:
    """Somebody else's words as one short line: control characters gone, cut."""
    text = said[: WORDS * 4].decode("utf-8", "replace") if isinstance(said, bytes) else said[: WORDS * 4]
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= WORDS else line[: WORDS - 1] + "…"
