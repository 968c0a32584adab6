"""The peers: what each is installed from, how much work suits its speed, and in which rows it appears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

DRIVERS = Path(__file__).resolve().parent / "drivers"
PSYCOPG = "psycopg[binary,pool]"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One queue. `drain`: items by number of workers; `steady`: items in w6, 0 where it does not take part."""

    name: str
    label: str
    kind: Literal["project", "python", "node"] = "python"
    packages: tuple[str, ...] = ()
    needs: tuple[int, int] = (3, 11)
    single: int = 1_500
    bulk: int = 20_000
    drain: Mapping[int, int] = field(default_factory=dict)
    steady: int = 0
    rounds: int = 3
    note: str = ""

    @property
    def driver(self) -> Path:
        """The program that speaks for it."""
        ending = "mjs" if self.kind == "node" else "py"
        return DRIVERS / f"{self.name.replace('-', '_')}_driver.{ending}"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A row of the drain: a peer, how its worker is started and how its items look. `slots`: handlers at once."""

    label: str
    peer: str
    work: tuple[str, ...] = ()
    fill: tuple[str, ...] = ()
    drain: Mapping[int, int] | None = None
    slots: int = 1


PEERS = (
    Peer(
        name="docqueue", label="docqueue, in-process", kind="project",
        single=5_000, bulk=200_000, drain={1: 120_000, 4: 250_000, 10: 500_000}, steady=1_000_000,
    ),
    Peer(
        name="floor", label="floor (psycopg)", kind="project",
        single=5_000, bulk=300_000, drain={1: 150_000, 4: 250_000}, steady=500_000,
        note="a reference, no peer: neither retries nor leases nor hooks",
    ),
    Peer(
        name="graphile-worker", label="Graphile Worker, batched", kind="node", packages=("graphile-worker",),
        single=3_000, bulk=100_000, drain={1: 120_000, 4: 150_000}, steady=300_000,
        note="deletes finished jobs",
    ),
    Peer(
        name="pg-boss", label="pg-boss, batch 500", kind="node", packages=("pg-boss",),
        single=2_000, bulk=100_000, drain={1: 60_000, 4: 80_000},
    ),
    Peer(
        name="pgqueuer", label="PgQueuer, batch 250", packages=("pgqueuer[asyncpg]", "uvloop"),
        single=3_000, bulk=60_000, drain={1: 30_000, 4: 60_000},
        note="deletes finished jobs, keeps a log row per state",
    ),
    Peer(
        name="oban", label="Oban for Python, limit 100", packages=("oban",), needs=(3, 12), rounds=2,
        bulk=10_000, drain={1: 8_000, 4: 12_000},
    ),
    Peer(
        name="django-ox", label="django-ox, 8 threads", packages=("django-ox", PSYCOPG), needs=(3, 12), rounds=2,
        bulk=20_000, drain={1: 1_500, 4: 2_000},
    ),
    Peer(
        name="dj-queue", label="dj_queue, 8 threads", packages=("dj-queue[postgres]", PSYCOPG), needs=(3, 12), rounds=2,
        single=800, bulk=10_000, drain={1: 2_500, 4: 3_000},
    ),
    Peer(
        name="procrastinate", label="Procrastinate, concurrency 50", packages=("procrastinate", PSYCOPG), rounds=2,
        bulk=20_000, drain={1: 1_500, 4: 2_000},
    ),
    Peer(
        name="django-tasks-db", label="django-tasks-db", packages=("django-tasks-db", "django>=6.0", PSYCOPG),
        needs=(3, 12), rounds=2,
        bulk=3_000, drain={1: 600, 4: 1_200},
    ),
)  # fmt: skip

BY_NAME = {peer.name: peer for peer in PEERS}

VARIANTS = (
    Variant(label="docqueue, in-process", peer="docqueue", work=("--in-process",)),
    Variant(
        label="docqueue, in-process, a document each", peer="docqueue", work=("--in-process",), fill=("keyed",),
        drain={1: 50_000},
    ),
    Variant(
        label="docqueue, executors (--processes 2)", peer="docqueue", work=("--processes", "2"), slots=2,
        drain={1: 40_000},
    ),
    Variant(
        label="docqueue, executors, ctx.complete() in each", peer="docqueue", work=("--processes", "2"), slots=2,
        fill=("completing",), drain={1: 10_000},
    ),
    *(Variant(label=peer.label, peer=peer.name) for peer in PEERS if peer.name != "docqueue"),
)  # fmt: skip
