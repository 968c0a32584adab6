"""A store and two formats for worker processes: what never returns, and what ends the process that reads it."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from ingestion.extract import Extractor, Format
from ingestion.km.local import LocalKM


def forever(*_args: object) -> NoReturn:
    """Keep a processor busy and look at nothing."""
    while True:
        sum(range(10_000))


def end_the_process(*_args: object) -> None:
    """As a fault in a parser written in C does."""
    os.kill(os.getpid(), signal.SIGSEGV)


STUCK = Format(
    type="stuck",
    mime="application/x-stuck",
    suffixes=(".stuck",),
    matches=lambda head: head.startswith(b"STUCK"),
    extractor=Extractor(name="stuck", version=1, read=forever),
)
POISON = Format(
    type="poison",
    mime="application/x-poison",
    suffixes=(".poison",),
    matches=lambda head: head.startswith(b"POISON"),
    extractor=Extractor(name="poison", version=1, read=end_the_process),
)


class StuckKM(LocalKM):
    """Never returns from what a file's name says."""

    def put(self, document):
        if document.filename.startswith("upload"):
            forever()
        return super().put(document)

    def index(self, document, chunks):
        if document.filename.startswith("index"):
            forever()
        return super().index(document, chunks)
