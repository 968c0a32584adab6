"""The handler as a task of Django: importable by its path, as the task framework asks for."""

import os
import time

from django.db import connection
from django.tasks import task

from bench.rivals import witness


@task
def document(n: int, seconds: float, after: float, poison: bool) -> None:
    """Take a while, act outside, write to the database."""
    with witness.run(n, os.getpid(), poison=poison) as run:
        time.sleep(seconds)
        run.outside()
        with connection.cursor() as cursor:
            cursor.execute(witness.EFFECT, (run.n, run.token))
        run.written()
        time.sleep(after)
        run.end()
