"""The no-op that the drain benchmark runs."""

from docqueue.context import Context
from docqueue.handlers import handler


@handler("bench.noop", queue="bench")
def noop(ctx: Context) -> None:
    """Do nothing."""
