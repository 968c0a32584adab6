"""Write the pages that are tables of the code: docs/states.md and those in docs/reference/. `make docs` runs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

from docqueue import codes
from docqueue.states import FINISHED, LIVE, TRANSITIONS, Status, WaitReason
from ingestion.codes import MessageCode, WaitingReason
from ingestion.errors import error_classes

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
    from docqueue.api import problems  # Django REST framework asks for settings

    lines = ["# Error codes", "", "Made from the classes of the errors by `make docs`; a test compares."]
    lines += ["`GET /api/v1/errors` answers with the same. A code never changes its meaning."]
    lines += ["", "## Of the queue", "", *_table(codes.of(codes.QUEUE, codes.own()))]
    lines += ["", "## Of documents and uploads", "", *_table(codes.of("ingestion", _shipped()))]
    about = [
        codes.Code(code, "http", "–", status, code in problems.RETRYABLE, meaning, problems.HINTS[code])
        for code, (status, meaning) in sorted(problems.MEANINGS.items())
    ]
    return "\n".join([*lines, "", "## Of any request", "", *_table(about)]) + "\n"


def _shipped() -> list[type[Exception]]:
    """Wherever they stand, without what a test has made."""
    import ingestion.api.urls  # noqa: F401 - leads to all of them

    return [kind for kind in error_classes() if kind.__module__.startswith("ingestion.")]


def _table(rows: list[codes.Code]) -> list[str]:
    head = ["| code | HTTP | class | may succeed later | meaning | next step |", "|---|---|---|---|---|---|"]
    return head + [
        f"| `{c.code}` | {c.status} | {c.name} | {'yes' if c.retryable else 'no'} | {c.meaning} | {c.hint or '–'} |"
        for c in rows
    ]


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
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    sys.exit(main())
