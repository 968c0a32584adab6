"""Handlers of every kind: good, bad and deadly."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

from docqueue.exceptions import DeadLetter, Retry, Snooze
from docqueue.handlers import handler
from docqueue.retry import Fixed
from tests.testapp.models import Effect


@handler("test.noop")
def noop(ctx):
    return None


@handler("test.echo")
def echo(ctx):
    return {"payload": ctx.payload, "document": ctx.document_id, "attempt": ctx.attempt}


@handler("test.effect")
def effect(ctx):
    """Wait, then write one row and complete, together."""
    time.sleep(ctx.payload.get("seconds", 0))
    with ctx.complete(result={"attempt": ctx.attempt}):
        Effect.objects.create(item_id=ctx.id, attempt=ctx.attempt)


@handler("test.mark", retry=Fixed(0))
def mark(ctx):
    """Append the item's id and process to a file, then sleep: an outside effect that tests can watch."""
    with Path(ctx.payload["file"]).open("a") as out:
        out.write(f"{ctx.id} {os.getpid()} {ctx.attempt} {time.time()}\n")
    time.sleep(ctx.payload.get("seconds", 0))
    with Path(ctx.payload["file"]).open("a") as out:
        out.write(f"{ctx.id} end {ctx.attempt} {time.time()}\n")


@handler("test.fail", retry=Fixed(0))
def fail(ctx):
    raise ValueError(f"item {ctx.id} is no good")


@handler("test.fail_until", retry=Fixed(0))
def fail_until(ctx):
    if ctx.attempt < ctx.payload["attempt"]:
        raise Retry("not yet", after=0)
    return ctx.attempt


@handler("test.dead")
def dead(ctx):
    raise DeadLetter("hopeless", "there is nothing to be done")


@handler("test.snooze")
def snooze(ctx):
    raise Snooze(3600)


@handler("test.sleep", timeout_seconds=1)
def sleep(ctx):
    time.sleep(ctx.payload.get("seconds", 60))


@handler("test.cooperative")
def cooperative(ctx):
    """Work in small steps and say so, until cancelled."""
    for n in range(600):
        ctx.progress(n / 6, stage="steps", message=f"step {n}")
        time.sleep(0.1)


@handler("test.segfault", retry=Fixed(0))
def segfault(ctx):
    ctypes.string_at(0)


@handler("test.suicide", retry=Fixed(0))
def suicide(ctx):
    """Kill the supervisor: the grandparent of this process, named in the payload's pid file."""
    os.kill(int(Path(ctx.payload["pid_file"]).read_text()), signal.SIGKILL)
    time.sleep(60)


@handler("test.memory", memory_mb=64, max_attempts=1)
def memory(ctx):
    return len(bytearray(1024 * 1024 * 1024))
