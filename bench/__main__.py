"""`python -m bench`: the queue beside its peers; one table, one file of results, exit code 1 for a missed target."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import (
    desk,
    drain,
    enqueue,
    fairness,
    history,
    ingest,
    keys,
    km,
    machine,
    memory,
    pickup,
    report,
    resumable,
    s3,
    search,
    snapshot,
    soak,
    targets,
    upload,
)
from bench.peers import PEERS
from bench.report import APART
from bench.results import Results
from bench.run import Run
from bench.server import Server, bench_dir

WORKLOADS: dict[str, Callable[[Run], None]] = {
    "w1": enqueue.single,
    "w2": enqueue.bulk,
    "w3": drain.measure,
    "w4": pickup.measure,
    "w5": history.measure,
    "w6": snapshot.measure,
    "w7": memory.measure,
    "w8": fairness.measure,
    "w9": keys.measure,
    "soak": soak.measure,
    "upload": upload.measure,
    "resumable": resumable.measure,
    "ingest": ingest.measure,
    "search": search.measure,
    "s3": s3.measure,
    "km": km.measure,
    "desk": desk.measure,
}
QUICK_PEERS = ("docqueue", "floor")
QUICK_SCALE, QUICK_SECONDS = 0.25, 130.0
NOT_QUICK = ("w5",)  # filling the history alone takes a minute
ALONE = {"w5", "w7", "w8", "w9", *APART}  # docqueue's own


def arguments() -> argparse.Namespace:
    """The command line."""
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; default: w1 to w9"
    )
    parser.add_argument("--quick", action="store_true", help="docqueue and the floor only, one round, smaller counts")
    parser.add_argument("--peers", help=f"separated by commas, of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, help="default 3")
    parser.add_argument(
        "--scale", type=float, help="factor on all counts, for trying out; the targets mean nothing then"
    )
    parser.add_argument("--minutes", type=float, default=15.0, help="of the soak")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    unknown = (set(given.workloads) - set(WORKLOADS)) | (set((given.peers or "").split(",")) - set(names) - {""})
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return given


def main() -> int:
    """Measure and report; 1 when a target is missed."""
    given = arguments()
    began = time.monotonic()
    chosen = given.peers.split(",") if given.peers else QUICK_PEERS if given.quick else [p.name for p in PEERS]
    workloads = given.workloads or [n for n in WORKLOADS if n not in (*APART, *(NOT_QUICK if given.quick else ()))]
    if set(workloads) <= ALONE:
        chosen = ["docqueue"]
    scale = given.scale or (QUICK_SCALE if given.quick else 1.0)
    server = Server()
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    run = Run(
        server=server,
        results=Results(date=date, machine=machine.describe(server.describe(), bench_dir())),
        peers=[peer for peer in PEERS if peer.name in chosen],
        rounds=given.rounds or (1 if given.quick else 3),
        scale=scale,
        minutes=given.minutes,
        ends=began + QUICK_SECONDS if given.quick else float("inf"),
    )
    print(machine.one_line(run.results.machine, date))
    run.clean()
    run.prepare()
    for name in workloads:
        print(f"  {name} ({time.monotonic() - began:.0f} s)", flush=True)
        if run.left() < 0:
            print("    left out: the time is up", flush=True)
            continue
        with run.results.row(name, "all"):
            WORKLOADS[name](run)
    run.clean()
    run.results.notes["seconds"] = f"{time.monotonic() - began:.0f}"
    if not given.quick and not given.peers and scale == 1.0:
        print(f"Written: {run.results.write()}")
    verdicts = targets.judge(run.results)
    text = report.table(run.results, verdicts)
    print(text)
    if given.markdown:
        given.markdown.write_text(text)
    own_failed = any(f["row"] == "all" or f["row"].startswith("docqueue") for f in run.results.failed)
    return 1 if own_failed or any(verdict.missed for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
