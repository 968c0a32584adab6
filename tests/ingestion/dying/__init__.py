"""An app for worker processes that are to be killed: at the boundaries of every stage, by chance, with kill -9.

Whether the executor alone dies or its whole worker is chance, too; with DYING_POSTMASTER, the file in which PostgreSQL
notes its process, PostgreSQL dies in their stead. One item is hit once at most: the second death that
is charged to an item ends its file, as it must, and here every file is to be completed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

CHANCE, WHOLE = 0.12, 0.3
BOUNDARIES = (
    "ingestion.queue_handlers.start_file",
    "ingestion.queue_handlers.process_document_content",
    "ingestion.queue_handlers.finish_intake",
    "ingestion.queue_handlers.enqueue_unpacking",
    "ingestion.unpack.plan_archive",
    "ingestion.unpack._write_plan",
    "ingestion.unpack._store",
    "ingestion.unpack._flush",
    "ingestion.unpack._end",
    "ingestion.storage._publish",
    "ingestion.pipeline.look_at",
    "ingestion.pipeline._extract",
    "ingestion.pipeline._end_as_completed",
    "ingestion.pipeline._end_otherwise",
    "ingestion.attachments.store",
    "ingestion.attachments.enqueue",
    "docqueue.settling.complete",
)
"""What is done at once: a process may die right before it and right after it."""


def arm() -> None:
    """Put a chance to die before and after each of them."""
    for path in BOUNDARIES:
        module, _, name = path.rpartition(".")
        where = import_module(module)
        setattr(where, name, _deadly(getattr(where, name), path))


def _deadly(function: Callable[..., Any], path: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def either_side(*args: Any, **options: Any) -> Any:
        maybe_die(f"before {path}")
        result = function(*args, **options)
        maybe_die(f"after {path}")
        return result

    return either_side


def maybe_die(where: str) -> None:
    """Die here, if chance says so. Leaves a note of where, named by the item."""
    from docqueue import correlation

    item = correlation.current().get("item_id")
    folder = Path(os.environ["DYING_DIR"])
    supervisor = os.getsid(0)
    if item is None or supervisor == os.getpid() or random.random() > CHANCE:
        return
    if len(list(folder.iterdir())) >= int(os.environ["DYING_TIMES"]):
        return
    postmaster = os.environ.get("DYING_POSTMASTER")
    whole = random.random() < WHOLE
    kind = "PostgreSQL" if postmaster else "with its worker" if whole else "alone"
    draft = folder.with_name(f"note-{os.getpid()}")
    draft.write_text(f"{where}, {kind}")
    try:
        os.link(draft, folder / str(item))  # whole or not at all: the other executor may be killing us meanwhile
    except FileExistsError:
        return
    finally:
        draft.unlink()
    if postmaster:  # the database alone; this process goes on without it
        with contextlib.suppress(ProcessLookupError):  # the other executor was quicker
            os.kill(int(Path(postmaster).read_text().split()[0]), signal.SIGKILL)
        return
    if whole:
        os.kill(supervisor, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
