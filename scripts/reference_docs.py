"""Write the pages that are tables of the code: docs/states.md and those in docs/reference/. `make docs` runs it."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from django.conf import settings

from docqueue import exceptions
from docqueue.states import FINISHED, LIVE, TRANSITIONS, Status, WaitReason
from ingestion.codes import MessageCode, WaitingReason
from ingestion.errors import IngestionError, error_classes

ROOT = Path(__file__).resolve().parent.parent

MEANING = {
    Status.WAITING: "held back by a rule of admission; `wait_reason` says which",
    Status.PENDING: "may run now, in the order (priority, position) of its queue",
    Status.IN_PROGRESS: "claimed; only the newest claim can change it",
    Status.DEAD: "in the dead-letter queue, until a person requeues or discards it",
    Status.COMPLETED: "done, in the history; final",
    Status.CANCELLED: "given up on request, in the history; final",
}

ELSEWHERE = [
    ("queued, ready, available, todo", "pending"),
    ("active, running, processing, executing, doing", "in_progress"),
    ("delayed, scheduled", "waiting (`delayed`)"),
    ("retryable, retrying", "waiting (`retry`)"),
    ("blocked", "waiting (`ordering`)"),
    ("failed, discarded (by the system), dead", "dead"),
    ("completed, succeeded, successful, finished", "completed"),
    ("cancelled, aborted, discarded (by a person)", "cancelled"),
    ("failed attempt, error", "a row of `docqueue_attempt`; the item itself is waiting or dead"),
]


def states() -> str:
    """docs/states.md."""
    lines = ["# The states of an item", "", "Made from `docqueue/states.py` by `make docs`; a test compares.", ""]
    lines += ["| state | table | meaning |", "|---|---|---|"]
    for status in Status:
        table = "docqueue_history" if status in FINISHED else "docqueue_item"
        lines.append(f"| `{status.value}` | {table} | {MEANING[status]} |")
    lines += ["", "```mermaid", "stateDiagram-v2", "    [*] --> waiting: enqueue, not due or its key is taken"]
    lines.append("    [*] --> pending: enqueue, due at once")
    edges: dict[tuple[Status, Status], list[str]] = {}
    for move in TRANSITIONS:
        edges.setdefault((move.source, move.target), []).append(move.verb)
    lines += [f"    {a.value} --> {b.value}: {', '.join(verbs)}" for (a, b), verbs in edges.items()]
    lines += [f"    {status.value} --> [*]" for status in Status if status in FINISHED]
    lines += ["```", "", "| verb | from | to |", "|---|---|---|"]
    lines += [f"| {m.verb} | {m.source.value} | {m.target.value} |" for m in TRANSITIONS]
    lines += ["", "`cancel` of a running item only asks its handler to stop; whatever way the run then ends, except"]
    lines += ["by completing, leads to `cancelled`. A trigger in the database refuses every other change."]
    lines += ["", "## Why an item waits", "", "| `wait_reason` | meaning |", "|---|---|"]
    lines += [f"| `{reason.value}` | {reason.label} |" for reason in WaitReason]
    lines += [
        "",
        "An item joins the line of its ordering key when it is due, so a delayed item holds nobody back before.",
    ]
    lines += [
        "The head of a line holds its key through retries, snoozes, releases and lost leases; a dead or cancelled"
    ]
    lines += ["head lets the next one pass, and a requeued one takes its turn again.", ""]
    lines += ["## Words of other queues", "", "| elsewhere | here |", "|---|---|"]
    lines += [f"| {theirs} | {ours} |" for theirs, ours in ELSEWHERE]
    assert {s.value for s in LIVE | FINISHED} == set(Status.values)
    return "\n".join(lines) + "\n"


def errors() -> str:
    """docs/reference/errors.md."""
    lines = ["# Errors", "", "Made by `make docs`; a test compares.", ""]
    lines += ["## Of the queue", "", "From `docqueue/exceptions.py`.", ""]
    lines += ["| code | HTTP | class | meaning | next step |", "|---|---|---|---|---|"]
    for name, kind in inspect.getmembers(exceptions, inspect.isclass):
        if issubclass(kind, exceptions.DocqueueError):
            meaning = (kind.__doc__ or "").strip().splitlines()[0]
            lines.append(f"| `{kind.code}` | {kind.status} | {name} | {meaning} | {kind.hint or '–'} |")
    return "\n".join([*lines, *_ingestion_errors()]) + "\n"


def _ingestion_errors() -> list[str]:
    """The same of ingestion: a code that several classes share once, as its first class has it."""
    lines = ["", "## Of ingestion", "", "From `ingestion/errors/`. `error_code` of a file or an intake, `code` of a"]
    lines += ["refusal. *again*: it is tried again by itself.", ""]
    lines += ["| code | HTTP | again | meaning | next step |", "|---|---|---|---|---|"]
    found: dict[str, type[IngestionError]] = {}
    for kind in error_classes():
        if kind.__module__.startswith("ingestion.errors"):
            found.setdefault(kind.code, kind)
    for code, kind in sorted(found.items()):
        meaning = (kind.__doc__ or "").strip().splitlines()[0]
        again = "yes" if kind.retryable else "–"
        lines.append(f"| `{code}` | {kind.status} | {again} | {meaning} | {kind.hint or '–'} |")
    return lines


def progress() -> str:
    """docs/reference/progress.md."""
    lines = ["# Progress codes", "", "Made from `ingestion/codes.py` by `make docs`; a test compares. How to use them:"]
    lines += [
        "[show how an upload goes on](../how-to/progress.md). Both sets are closed; a code never changes its meaning."
    ]
    lines += ["", "## `message_code`", "", "| code | what is going on |", "|---|---|"]
    lines += [f"| `{code.value}` | {code.label} |" for code in MessageCode]
    lines += ["", "A failure comes with its error code: `failed:password_required`, `failed:timed_out`, or"]
    lines += ["`failed:every_file_failed` of an intake whose files failed for several reasons.", ""]
    lines += ["## `waiting_reason`", "", "| code | it waits for |", "|---|---|"]
    lines += [f"| `{reason.value}` | {reason.label} |" for reason in WaitingReason]
    return "\n".join(lines) + "\n"


PAGES = {"docs/states.md": states, "docs/reference/errors.md": errors, "docs/reference/progress.md": progress}


def main() -> int:
    """Write every page. Returns an exit status."""
    for path, page in PAGES.items():
        target = ROOT / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page(), encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    settings.configure(USE_I18N=False)
    sys.exit(main())
