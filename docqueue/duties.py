"""Duties of other apps: what they need done again and again, run beside the queue's own.

A duty is level-triggered: it looks for what is left to do and finds it whoever missed it. Register it in a
`queue_handlers.py`. Every worker runs it, and so does every `process_document_queue()` call, so it must be safe to run
twice at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Duty:
    """One duty: `run(alias of the queue's database)` returns how much it changed."""

    name: str
    run: Callable[[str], int]
    every_seconds: float
    paced: bool = True  # it may be put off, so that it takes a twentieth of the time at most


_registered: dict[str, Duty] = {}


def duty(name: str, *, every_seconds: float) -> Callable[[Callable[[str], int]], Callable[[str], int]]:
    """Run the decorated function about every `every_seconds`, short and in slices: other duties wait for it."""

    def register(function: Callable[[str], int]) -> Callable[[str], int]:
        _registered[name] = Duty(name=name, run=function, every_seconds=every_seconds)
        return function

    return register


def registered() -> tuple[Duty, ...]:
    """All duties of other apps, in the order of their registration."""
    return tuple(_registered.values())


def forget(name: str) -> None:
    """Take a duty out of the registry again, for tests."""
    _registered.pop(name, None)
