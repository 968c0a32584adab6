"""docqueue's handler: the database effect goes through `ctx.complete()`, as its documentation tells users."""

import time

from django.db import connections

from bench.rivals import witness
from docqueue.context import Context
from docqueue.handlers import handler


@handler("rivals.document")
def document(ctx: Context) -> None:
    """Take a while, act outside, write to the database."""
    with witness.run(ctx.payload["n"], ctx.item.claim_no, poison=ctx.payload["poison"]) as run:
        time.sleep(ctx.payload["seconds"])
        run.outside()
        with ctx.complete():
            with connections[ctx.using].cursor() as cursor:
                cursor.execute(witness.EFFECT, (run.n, run.token))
            run.written()
            time.sleep(ctx.payload["after"])
            run.end()
