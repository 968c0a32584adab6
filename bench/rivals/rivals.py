"""The queues that are compared: where their items stand, how an end is seen, what they do by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.peers import BY_NAME, Peer

DRIVERS = Path(__file__).resolve().parent / "drivers"
STALE_SECONDS = 1.0
ENDED, FAILED, OPEN = "ended", "failed", "open"


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One queue.

    `ends`: a trigger's timing and table that see each item end well; `number` and `who`: SQL for the item's number and
    for what ended it, of the row `new`. `states`: a query of every item's number and status. `told`: the environment
    that makes it notice a dead worker within `STALE_SECONDS`. `defaults`: what is known of a worker's death without.
    """

    name: str
    label: str
    ends: str
    number: str
    states: str
    who: str = "current_setting('application_name')"
    well: tuple[str, ...]
    badly: tuple[str, ...]
    told: Mapping[str, str] = field(default_factory=dict)
    how: str
    defaults: str

    @property
    def peer(self) -> Peer:
        """What its environment is installed from."""
        return BY_NAME[self.name]

    @property
    def driver(self) -> Path:
        """The program that speaks for it."""
        return DRIVERS / f"{self.name.replace('-', '_')}_storm.py"

    def state(self, status: str) -> str:
        """A status of its own as one of three."""
        return ENDED if status in self.well else FAILED if status in self.badly else OPEN


RIVALS = (
    Rival(
        name="docqueue",
        label="docqueue",
        ends="after insert on docqueue_history for each row when (new.status = 'completed')",
        number="(new.payload->>'n')::bigint",
        who="new.claim_no::text",
        states="select (payload->>'n')::bigint, status from docqueue_any_item where operation = 'rivals.document'",
        well=("completed",),
        badly=("dead", "cancelled"),
        told={"DOCQUEUE_LEASE_SECONDS": str(STALE_SECONDS)},
        how="DOCQUEUE_LEASE_SECONDS = 1; one executor in each worker; the effect inside `ctx.complete()`",
        defaults="a worker's death: after its lease of 30 s; its handler's process: seen at once",
    ),
    Rival(
        name="procrastinate",
        label="Procrastinate",
        ends="after update of status on procrastinate_jobs for each row when (new.status = 'succeeded')",
        number="(new.args->>'n')::bigint",
        states="select (args->>'n')::bigint, status::text from procrastinate_jobs where task_name = 'document'",
        well=("succeeded",),
        badly=("failed", "cancelled", "aborted"),
        told={"RIVALS_STALE_SECONDS": str(STALE_SECONDS)},
        how=(
            "concurrency 1, a heartbeat each 1/3 s, stalled after 1 s, and the rescue task of its manual each second"
            " (there: every 10 minutes), before the backlog; the effect is a plain insert"
        ),
        defaults="never without a rescue task of one's own; with its manual's: 30 s and up to 10 min",
    ),
    Rival(
        name="django-tasks-db",
        label="django-tasks-db",
        ends=(
            "after update of status on django_tasks_database_dbtaskresult for each row when (new.status = 'SUCCESSFUL')"
        ),
        number="(new.args_kwargs->'kwargs'->>'n')::bigint",
        states="select (args_kwargs->'kwargs'->>'n')::bigint, status from django_tasks_database_dbtaskresult",
        well=("SUCCESSFUL",),
        badly=("FAILED",),
        how="as it comes, idle workers look ten times a second; the effect is a plain insert",
        defaults="never: it has neither lease nor heartbeat, and no setting for one",
    ),
)
