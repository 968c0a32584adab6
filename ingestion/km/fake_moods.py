"""How a fake knowledge store can be told to misbehave: what, for which requests, how often, how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from email.utils import formatdate
from fnmatch import fnmatchcase
from typing import Any

KINDS = ("slow", "refuse", "hang", "cut", "wrong_body")
WHEN_TO_CUT = ("body", "answer", "at_once")


@dataclass(kw_only=True)
class Mood:
    """One way to misbehave.

    `slow`: reads `bytes_per_second` and waits `delay_seconds` before it answers. `refuse`: answers `status`, with
    `retry_after` seconds if given (as a date with `as_date`). `hang`: reads the request and does not answer for
    `delay_seconds`. `cut`: closes the connection in the middle of the `body`, or before the `answer` but after having
    stored, or `at_once`. `wrong_body`: 200 with a page of HTML, and nothing is stored.

    It holds for `requests` requests (None: any number) and `seconds` seconds (None: until told otherwise), on
    addresses that fit `path` (a pattern as "/documents*"; "*": health, too), and `refuse` only for documents whose
    file name fits `name`: of a batch those alone are refused.
    """

    kind: str
    path: str = "*"
    name: str = ""
    requests: int | None = None
    seconds: float | None = None
    status: int = 503
    detail: str = "told to refuse"
    retry_after: float | None = None
    as_date: bool = False
    bytes_per_second: float | None = None
    delay_seconds: float = 0.0
    at: str = "body"

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.at not in WHEN_TO_CUT:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, and at one of {', '.join(WHEN_TO_CUT)}")
        self.until = None if self.seconds is None else time.monotonic() + self.seconds

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Mood:
        """As the control address takes it. Raises ValueError, TypeError."""
        known = {spec.name for spec in fields(cls)}
        if unknown := set(given) - known:
            raise ValueError(f"a mood has no {', '.join(sorted(unknown))}")
        return cls(**given)

    @property
    def over(self) -> bool:
        """Whether it holds no more."""
        return self.requests == 0 or (self.until is not None and time.monotonic() >= self.until)

    def headers(self) -> dict[str, str]:
        """Those of a refusal."""
        if self.retry_after is None:
            return {}
        if self.as_date:
            return {"Retry-After": formatdate(time.time() + self.retry_after, usegmt=True)}
        return {"Retry-After": str(int(self.retry_after))}


class Moods:
    """The moods of one server, thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._moods: list[Mood] = []

    def set(self, moods: Iterable[Mood]) -> None:
        """Have these in place of all others."""
        with self._lock:
            self._moods = list(moods)

    def shown(self) -> list[dict[str, Any]]:
        """Those that hold."""
        with self._lock:
            return [asdict(mood) for mood in self._moods if not mood.over]

    def of_request(self, path: str) -> Mood | None:
        """The first that this request meets; counted."""
        return self._first(lambda mood: not mood.name and fnmatchcase(path, mood.path))

    def of_document(self, filename: str) -> Mood | None:
        """The first that this document meets; counted."""
        return self._first(lambda mood: bool(mood.name) and fnmatchcase(filename, mood.name))

    def _first(self, meets: Any) -> Mood | None:
        with self._lock:
            for mood in self._moods:
                if not mood.over and meets(mood):
                    if mood.requests is not None:
                        mood.requests -= 1
                    return mood
        return None
