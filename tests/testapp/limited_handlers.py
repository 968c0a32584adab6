"""Handlers that stall, grow, or share a process with others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from docqueue.exceptions import Retry
from docqueue.handlers import handler
from docqueue.retry import Fixed
from tests.testapp.marks import mark_line
from tests.testapp.models import Effect


@handler("test.stalling", stall_seconds=0.3, max_attempts=1)
def stalling(ctx):
    """Say something, then nothing more."""
    ctx.progress(1)
    time.sleep(ctx.payload.get("seconds", 60))


@handler("test.stalling_ends", stall_seconds=0.3, end_stalled=True, max_attempts=1)
def stalling_ends(ctx):
    stalling(ctx)


@handler("test.chatty", stall_seconds=0.5, end_stalled=True, max_attempts=1)
def chatty(ctx):
    """Go on for longer than a stall, and say so all the time."""
    for n in range(12):
        ctx.progress(n, stage=str(n))
        time.sleep(0.1)


@handler("test.three_helpers", memory_mb=128, max_attempts=1)
def three_helpers(ctx):
    """Three programs, each within the limit, together beyond it."""
    text = "import time; x = b'x' * (60 << 20); time.sleep(60)"
    for program in [subprocess.Popen([sys.executable, "-c", text]) for _ in range(3)]:
        program.wait()


_leak: list[bytes] = []


@handler("test.grow")
def grow(ctx):
    """Keep what it has made for good: a leak."""
    _leak.append(b"x" * (ctx.payload["mb"] << 20))
    return os.getpid()


@handler("test.idle_in_complete", max_attempts=1)
def idle_in_complete(ctx):
    """Write, then think for too long."""
    with ctx.complete():
        Effect.objects.create(item_id=ctx.id, attempt=ctx.attempt)
        time.sleep(7)


@handler("test.wait", isolation="thread", retry=Fixed(0))
def wait(ctx):
    """Wait for somebody else, as a request would; say which process and thread it is."""
    mark_line(ctx, "start")
    time.sleep(ctx.payload.get("seconds", 0))
    if ctx.payload.get("effect"):
        with ctx.complete(result=[os.getpid(), threading.get_ident()]):
            Effect.objects.create(item_id=ctx.id, attempt=ctx.attempt)
    mark_line(ctx, "end")
    return [os.getpid(), threading.get_ident()]


@handler("test.wait_and_die", isolation="thread", retry=Fixed(0))
def wait_and_die(ctx):
    """Kill the process, once the marks say that so many have started."""
    mark_line(ctx, "start")
    while Path(ctx.payload["file"]).read_text().count("start") < ctx.payload["count"]:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


@handler("test.wait_and_leave", isolation="thread", retry=Fixed(0))
def wait_and_leave(ctx):
    """End the thread that it runs in: close what it talks to its supervisor with."""
    mark_line(ctx, "start")
    ctx._channel.connection.close()


@handler("test.wait_and_close", isolation="thread", retry=Fixed(0))
def wait_and_close(ctx):
    """Close every descriptor, as what makes itself a daemon does: nobody in the process can be heard any more."""
    mark_line(ctx, "start")
    while Path(ctx.payload["file"]).read_text().count("start") < ctx.payload["count"]:
        time.sleep(0.01)
    os.closerange(3, 500)
    time.sleep(60)


@handler("test.keep_a_server", memory_mb=400)
def keep_a_server(ctx):
    """Start a large program and leave it running for the next items."""
    text = "import time; x = b'x' * (200 << 20); print('up', flush=True); time.sleep(60)"
    server = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE)
    server.stdout.readline()


@handler("test.modest", memory_mb=100, max_attempts=1)
def modest(ctx):
    """Long enough to be watched, and small."""
    time.sleep(0.8)


@handler("test.while_there", retry=Fixed(0.1))
def while_there(ctx):
    """Fail as long as a file is there."""
    if Path(ctx.payload["file"]).exists():
        raise Retry("still down")
