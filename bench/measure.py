"""Driving the drivers: one command to its answer, workers from start to stop, counters sampled meanwhile."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.server import bench_dir

COMMAND_SECONDS = 180.0
START_SECONDS = 60.0
STOP_SECONDS = 15.0
SAMPLE_SECONDS = 0.002
BASE = Path(__file__).resolve().parent.parent


class Failed(Exception):
    """A driver failed or did not get done in time; the message says how."""


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 … 1) of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def end(process: subprocess.Popen[bytes], patience: float = STOP_SECONDS) -> None:
    """Stop a driver and whatever it started: TERM to it, then KILL to its session's group."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass(kw_only=True)
class Speaker:
    """A peer's driver on one database."""

    command: Sequence[str]
    env: Mapping[str, str]
    log: Path

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        """Start the driver with a command; its own session, so that all it starts can be ended."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*self.command, *arguments], cwd=BASE, env={**os.environ, **self.env, **more},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if arguments[0] != "work" else log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def answer(self, process: subprocess.Popen[bytes], seconds: float = COMMAND_SECONDS) -> dict[str, Any]:
        """Wait for a driver's answer. Raises `Failed`."""
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"no answer within {seconds:.0f} s") from error
        finally:
            end(process, 0.1)
        if process.returncode:
            raise Failed(f"{self.last_words()} (exit code {process.returncode})")
        answer: dict[str, Any] = json.loads(said.decode().strip().splitlines()[-1])
        return answer

    def ask(self, *arguments: Any, seconds: float = COMMAND_SECONDS, **more: str) -> dict[str, Any]:
        """Run one command to its answer."""
        return self.answer(self.start(*map(str, arguments), **more), seconds)

    def last_words(self) -> str:
        """The last line that the driver logged."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return lines[-1].strip()[:300] if lines else "it said nothing"


class Barrier:
    """Drivers that begin at the same moment: each says that it is ready, then all go."""

    def __init__(self) -> None:
        self.path = _folder("barrier") / "go"

    def release(self, processes: Sequence[subprocess.Popen[bytes]], seconds: float = START_SECONDS) -> None:
        """Wait until all are ready, then let them go. Raises `Failed`."""
        deadline = time.monotonic() + seconds
        while len(list(self.path.parent.glob("go.*"))) < len(processes):
            if any(p.poll() is not None for p in processes):
                raise Failed("a driver ended before it was ready")
            if time.monotonic() > deadline:
                raise Failed(f"not ready within {seconds:.0f} s")
            time.sleep(0.002)
        self.path.touch()


def _folder(name: str) -> Path:
    path = bench_dir() / "run" / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


@dataclass(kw_only=True)
class Workers:
    """Some workers of one peer, and what their handlers have counted. Use as a context manager."""

    speaker: Speaker
    count: int
    arguments: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    slots: int = 1  # processes that run handlers, a worker
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _maps: dict[Path, memoryview] = field(default_factory=dict)
    _looked: float = 0.0

    def __enter__(self) -> Self:
        self.folder = _folder("counters")
        barrier = Barrier()
        try:
            for _ in range(self.count):
                more = {"BENCH_COUNTER": str(self.folder), "BENCH_GO": str(barrier.path), **self.env}
                self.processes.append(self.speaker.start("work", *self.arguments, **more))
            barrier.release(self.processes)
        except Failed as error:
            self._end()
            raise Failed(f"{error}: {self.speaker.last_words()}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            end(process)

    def counters(self, kind: str = "") -> list[memoryview]:
        """Each process's three numbers. Looks for new processes now and then only."""
        now = time.monotonic()
        if now - self._looked > 0.02 or not self._maps:
            self._looked = now
            for path in self.folder.glob("**/*"):
                if path not in self._maps and path.is_file() and path.stat().st_size >= 24:
                    with path.open("rb") as file:
                        found = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                    self._maps[path] = memoryview(found).cast("q")
        folder = self.folder / kind
        return [numbers for path, numbers in self._maps.items() if path.parent == folder]

    def total(self, kind: str = "") -> int:
        """Handler runs so far."""
        return sum(numbers[0] for numbers in self.counters(kind))

    def check(self) -> None:
        """Raises `Failed` when a worker has ended."""
        if any(p.poll() is not None for p in self.processes):
            raise Failed(f"a worker ended: {self.speaker.last_words()}")

    def wait(self, count: int, seconds: float, kind: str = "", pause: float = SAMPLE_SECONDS) -> None:
        """Wait until so many handlers have run. Raises `Failed`."""
        deadline = time.monotonic() + seconds
        while (total := self.total(kind)) < count:
            if time.monotonic() > deadline:
                raise Failed(f"{total:,} of {count:,} items within {seconds:.0f} s")
            self.check()
            time.sleep(pause)

    def drain(self, count: int, seconds: float) -> float:
        """Items per second from when every worker runs until all `count` are done. Raises `Failed`."""
        deadline = time.monotonic() + seconds
        while True:
            running = [numbers for numbers in self.counters() if numbers[0]]
            if len(running) >= self.count * self.slots:
                break
            if self.total() >= count:
                raise Failed("the backlog was gone before every worker ran: it was too small")
            if time.monotonic() > deadline:
                raise Failed(f"{len(running)} of {self.count * self.slots} processes run after {seconds:.0f} s")
            self.check()
            time.sleep(SAMPLE_SECONDS)
        began, before = time.monotonic_ns(), self.total()
        self.wait(count, deadline - time.monotonic())
        last = max(numbers[2] for numbers in self.counters())
        time.sleep(0.2)  # a duplicate would come now
        if (total := self.total()) != count:
            raise Failed(f"{total:,} handler runs for {count:,} items")
        if before > 0.8 * count:
            raise Failed(f"{before:,} of {count:,} items were done before every worker ran: the backlog was too small")
        return (count - before) / ((last - began) / 1e9)
