"""Items as text for COPY: https://www.postgresql.org/docs/current/sql-copy.html, "Text Format"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from docqueue import rules
from docqueue.rules import Gates
from docqueue.states import Status, WaitReason
from docqueue.validation import Checked, Kind

COLUMNS: Final = (
    "id, position, status, wait_reason, enqueued_at, queue, priority, operation, max_attempts, timeout_seconds, "
    "document_id, ordering_key, unique_key, payload, metadata, run_after, next_retry_at"
)
GATED_COLUMNS: Final = f"{COLUMNS}, {', '.join(rules.COLUMNS)}"
CHUNK_LINES: Final = 200
"""How many lines are handed over at once: some 64 KiB of ordinary items, which PostgreSQL takes in meanwhile."""
NULL: Final = r"\N"
PENDING: Final = f"{Status.PENDING.value}\t{NULL}"
IN_LINE: Final = f"{Status.WAITING.value}\t{WaitReason.ORDERING.value}"
DELAYED: Final = f"{Status.WAITING.value}\t{WaitReason.DELAYED.value}"


def field(value: str | None) -> str:
    """A text as one field: the backslash, which begins an escape, and what would end the field or line are escaped."""
    if value is None:
        return NULL
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


class Lines:
    """The lines of one bulk insert, and what it leaves to do: keys that got somebody in line, queues that got work.

    `gated`: some of the items have rules, and the lines their columns; `moved` are those that a rule has to look at.
    """

    def __init__(self, now: datetime, *, gated: bool = False, fair: bool = False) -> None:
        self.now = now
        self.gated, self.fair = gated, fair
        self.keys: dict[str, None] = {}  # in the order of the items, so that the heads get their places in it
        self.queues: set[str] = set()
        self.limits: set[str | None] = set()
        self.moved: list[tuple[int, str, str, str, str | None, str | None]] = []
        self._kinds: dict[int, tuple[Kind, str]] = {}

    def chunks(self, items: Iterable[tuple[Checked, int, int]]) -> Iterator[bytes]:
        """Blocks of lines for these items, each with the id and the lane position drawn for it."""
        lines = []
        for checked, item_id, position in items:
            lines.append(self._line(checked, item_id, position))
            if len(lines) == CHUNK_LINES:
                yield "".join(lines).encode()
                lines.clear()
        yield "".join(lines).encode()

    def _line(self, checked: Checked, item_id: int, position: int) -> str:
        kind, document_id, ordering_key, unique_key, _, _, payload, metadata, run_after, delay_seconds = checked
        known = self._kinds.get(id(kind))
        common = known[1] if known is not None else self._common(kind)
        # JSON is ASCII here and has its control characters escaped already: only the backslash is left.
        own = (
            f"{common}\t{field(document_id)}\t{field(ordering_key)}\t{field(unique_key)}\t"
            + payload.replace("\\", "\\\\")
            + "\t"
            + metadata.replace("\\", "\\\\")
        )
        if self.gated:
            return self._gated(checked, item_id, position, own)
        if delay_seconds is not None:
            run_after = self.now + timedelta(seconds=delay_seconds)
        if run_after is not None and run_after > self.now:
            return f"{item_id}\t{NULL}\t{DELAYED}\t{own}\t{run_after}\t{run_after}\n"
        asked = NULL if run_after is None else run_after
        if ordering_key is not None:
            self.keys[ordering_key] = None
            return f"{item_id}\t{NULL}\t{IN_LINE}\t{own}\t{asked}\t{NULL}\n"
        self.queues.add(kind.queue)
        return f"{item_id}\t{position}\t{PENDING}\t{own}\t{asked}\t{NULL}\n"

    def _gated(self, checked: Checked, item_id: int, position: int, own: str) -> str:
        """The line of an item that may have rules: it waits for the first of them."""
        gates, run_after = checked.gates or Gates(), checked.run_after
        self.limits.add(gates.limit_key)
        if checked.delay_seconds is not None:
            run_after = self.now + timedelta(seconds=checked.delay_seconds)
        later = run_after is not None and run_after > self.now
        reason = self._reason(checked, gates, later=later)
        if reason is None:
            place = f"{item_id}\t{position}\t{PENDING}"
            self.queues.add(checked.kind.queue)
        else:
            place = f"{item_id}\t{NULL}\t{Status.WAITING.value}\t{reason.value}"
            about = (checked.kind.queue, checked.ordering_key, gates.slot_key)
            self.moved.append((item_id, Status.WAITING.value, reason.value, *about))
        asked = NULL if run_after is None else run_after
        due = run_after if reason is WaitReason.DELAYED else NULL
        values = (getattr(gates, name) for name in rules.COLUMNS)
        more = "".join(f"\t{field(None if value is None else str(value))}" for value in values)
        return f"{place}\t{own}\t{asked}\t{due}{more}\n"

    def _reason(self, checked: Checked, gates: Gates, *, later: bool) -> WaitReason | None:
        """As `docqueue_gate` has it, behind what may still happen to the item before: its parents and its time."""
        chosen = (
            (bool(gates.after), WaitReason.DEPENDENCY),
            (later, WaitReason.DELAYED),
            (checked.ordering_key is not None, WaitReason.ORDERING),
            (gates.slot_key is not None, WaitReason.CONCURRENCY),
            (gates.limit_key is not None, WaitReason.LIMITED),
            (self.fair and gates.tenant is not None, WaitReason.FAIR_SHARE),
        )
        return next((reason for applies, reason in chosen if applies), None)

    def _common(self, kind: Kind) -> str:
        text = (
            f"{self.now}\t{field(kind.queue)}\t{int(kind.priority)}\t{field(kind.operation)}\t"
            f"{int(kind.max_attempts)}\t{kind.timeout_seconds}"
        )
        self._kinds[id(kind)] = (kind, text)  # with the kind itself: its id stays its own as long as it lives
        return text
