"""Workers whose clocks are wrong: a year ahead or behind, twice as fast or half as fast."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from docqueue.chaos.scenarios.kill import Kill
from docqueue.exceptions import ConfigurationError

CLOCKS = ("+365d", "-365d", "+0 x2.0", "+0 x0.5")
PLACES = ("usr/lib/*/faketime/libfaketimeMT.so.1", "usr/lib*/faketime/libfaketimeMT.so.1")


class Clock(Kill):
    """As `kill`, on workers each of which has another wrong clock, by libfaketime.

    What is wrong is the time of day. The monotonic clock stays: libfaketime would also have to fake the waits that
    Python's locks make by it, and does not.
    """

    about = "as kill, and each worker's clock is wrong: ± a year, ×0.5, ×2 (libfaketime)"

    def environment(self, number: int) -> Mapping[str, str]:
        """`Storm`."""
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME": CLOCKS[number % len(CLOCKS)],
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def prepare(self) -> None:
        """`Storm`."""
        _library()
        super().prepare()


def _library() -> Path:
    for pattern in PLACES:
        for found in Path("/").glob(pattern):
            return found
    raise ConfigurationError("This storm needs libfaketime: apt-get install faketime.")
