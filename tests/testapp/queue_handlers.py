"""Handlers of every kind: good, bad and deadly."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from django.db import connections, transaction

from docqueue.exceptions import Cancelled, DeadLetter, LeaseLost, Retry, Snooze
from docqueue.handlers import handler
from docqueue.retry import Fixed
from docqueue.worker import child
from tests.testapp import flow_handlers, limited_handlers  # noqa: F401 - they register themselves
from tests.testapp.marks import mark_line
from tests.testapp.models import Effect


@handler("test.noop")
def noop(ctx):
    return None


@handler("test.echo")
def echo(ctx):
    return {"payload": ctx.payload, "document": ctx.document_id, "attempt": ctx.attempt}


@handler("test.select")
def select(ctx):
    """Use the database."""
    return Effect.objects.exists()


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
    """Kill the supervisor: the grandparent of this process, named in the payload's pid file, once there is one."""
    while not Path(ctx.payload["pid_file"]).exists():
        time.sleep(0.02)
    os.kill(int(Path(ctx.payload["pid_file"]).read_text()), signal.SIGKILL)
    time.sleep(60)


@handler("test.memory", memory_mb=64, max_attempts=1)
def memory(ctx):
    return len(bytearray(1024 * 1024 * 1024))


@handler("test.linger", retry=Fixed(0))
def linger(ctx):
    """Mark the start; stay `seconds` the first time, be quick the second time; mark the end."""
    file = Path(ctx.payload["file"])
    again = file.exists() and any(line.startswith(f"{ctx.id} start ") for line in file.read_text().splitlines())
    mark_line(ctx, "start")
    time.sleep(ctx.payload.get("again", 0) if again else ctx.payload.get("seconds", 60))
    mark_line(ctx, "end")


@handler("test.linger_in_complete", retry=Fixed(0))
def linger_in_complete(ctx):
    """Like test.linger, inside of the transaction that completes the item, after its effect."""
    with ctx.complete():
        Effect.objects.create(item_id=ctx.id, attempt=ctx.attempt)
        linger(ctx)


@handler("test.parent", timeout_seconds=1, max_attempts=1)
def parent(ctx):
    """Start a program, say which process it is, and wait for it; deaf to SIGTERM if asked."""
    if ctx.payload.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    program = subprocess.Popen(["sleep", "300"])
    mark_line(ctx, program.pid)
    time.sleep(ctx.payload.get("seconds", 60))


@handler("test.raise", retry=Fixed(0), max_attempts=1)
def raise_(ctx):
    """End in a way that no exception handler expects."""
    match ctx.payload["what"]:
        case "exit":
            sys.exit(3)
        case "another_lease":
            raise LeaseLost("of a claim that is not this item's")
        case "unprintable":
            raise Unprintable
        case "cancelled":
            raise Cancelled
        case "result":
            return "x" * 300_000
        case "progress":
            ctx.progress(5, message="\0\ud800")
        case "nested":
            with transaction.atomic(), ctx.complete():
                Effect.objects.create(item_id=ctx.id, attempt=ctx.attempt)
        case "completed":
            with ctx.complete():
                Effect.objects.create(item_id=ctx.id, attempt=ctx.attempt)
            raise ValueError("after all was done")
        case "open":
            transaction.set_autocommit(False)
            Effect.objects.create(item_id=ctx.id, attempt=ctx.attempt)
    return None


@handler("test.leave")
def leave(ctx):
    """Leave behind what the process that runs handlers is not prepared for."""
    match ctx.payload["what"]:
        case "closed":
            os.closerange(3, 64)
            time.sleep(ctx.payload.get("seconds", 0))
        case "process":
            multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,)).start()
        case "thread":
            threading.Thread(target=time.sleep, args=(60,)).start()
        case "fork":
            os.fork()


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no words")


@handler("test.crash_once", retry=Fixed(0))
def crash_once(ctx):
    """Die of SIGKILL the first `times` times."""
    file = Path(ctx.payload["file"])
    before = file.read_text().count("\n") if file.exists() else 0
    mark_line(ctx, "start")
    if before < ctx.payload.get("times", 1):
        os.kill(os.getpid(), signal.SIGKILL)


@handler("test.die_at_report", retry=Fixed(0))
def die_at_report(ctx):
    """The first time, die when its work is done, and committed if it is told to, and its process reports that."""

    def tell(self, message):
        os.kill(os.getpid(), signal.SIGKILL)

    if not Path(ctx.payload["file"]).exists():
        child.Child.tell = tell
    mark_line(ctx, "start")
    if ctx.payload["complete"]:
        with ctx.complete():
            Effect.objects.create(item_id=ctx.id, attempt=ctx.attempt)


@handler("test.look")
def look(ctx):
    """What a handler sees of its process: here, only which one it is."""
    return os.getpid()


@handler("test.surroundings")
def surroundings(ctx):
    """Everything about the process that handlers run in."""
    numbers = [int(entry.name) for entry in Path("/dev/fd").iterdir()]
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "group": os.getpgid(0),
        "cwd": str(Path.cwd()),
        "inherited": [n for n in numbers if n > 2 and Path(f"/dev/fd/{n}").exists() and os.get_inheritable(n)],
        "term": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "limit": resource.getrlimit(resource.RLIMIT_AS),
        "connected": [c.alias for c in connections.all(initialized_only=True) if c.connection is not None],
    }


@handler("test.steps", retry=Fixed(0))
def steps(ctx):
    """Three durable steps, each marked when it runs; die of SIGKILL at `die` the first time it is reached."""
    file = Path(ctx.payload["file"])

    def reached(place):
        first = not file.exists() or f"at-{place}" not in file.read_text()
        mark_line(ctx, f"at-{place}")
        if first and place in ctx.payload["die"]:
            os.kill(os.getpid(), signal.SIGKILL)

    def one():
        mark_line(ctx, "one")
        reached("inside")
        return {"pages": 3}

    def two():
        Effect.objects.create(item_id=ctx.id, attempt=2)
        reached("atomic")

    pages = ctx.step("one", one)
    reached("between")
    ctx.step("two", two, atomic=True)
    reached("after")
    with ctx.complete(result=pages):
        Effect.objects.create(item_id=ctx.id, attempt=3)
        reached("complete")
    reached("end")


@handler("test.duplicate", retry=Fixed(0))
def duplicate(ctx):
    """Break a constraint of the database."""
    Effect.objects.create(id=1, item_id=ctx.id, attempt=1)
    Effect.objects.create(id=1, item_id=ctx.id, attempt=1)
