"""The handlers that the benchmarks run: a no-op that counts, one that sleeps, one that asks for a retry at times."""

import os
import time
from pathlib import Path

from bench.drivers import driving
from docqueue.context import Context
from docqueue.exceptions import Retry
from docqueue.handlers import handler


@handler("bench.noop", queue="bench")
def noop(ctx: Context) -> None:
    """Count."""
    driving.hit(ctx.payload["n"])


@handler("bench.complete", queue="bench")
def complete(ctx: Context) -> None:
    """Count, and complete in a transaction of its own, as a handler with database effects does."""
    with ctx.complete():
        driving.hit(ctx.payload["n"])


@handler("bench.sleep", queue="slow")
def sleep(ctx: Context) -> None:
    """Count apart from the no-ops, and sleep."""
    driving.hit(ctx.payload["n"], "slow")
    time.sleep(ctx.payload["seconds"])


@handler("bench.soak", queue="bench")
def soak(ctx: Context) -> None:
    """Count; on the first attempt of an item that asks for it, note when it is due again and ask for a retry."""
    n, retry = ctx.payload["n"], ctx.payload.get("retry_seconds")
    if retry is None:
        driving.hit(n)
    elif ctx.attempt == 1:
        due = driving.shared(Path(os.environ["BENCH_DUE"]))
        due[n] = time.monotonic_ns() + int(retry * 1e9)
        raise Retry("as the benchmark asked", after=retry)
    else:
        driving.hit(n)
