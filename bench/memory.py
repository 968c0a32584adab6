"""w7: does a worker grow, and how much does an idle one take?"""

from __future__ import annotations

import re
import time
from pathlib import Path

from bench.measure import Workers
from bench.peers import BY_NAME
from bench.run import Run

ITEMS = 1_000_000
FILL = 250_000  # at a time: the fill is not what is measured
SECONDS = 240.0
IDLE_SECONDS = 4.0


def measure(run: Run) -> None:
    """w7."""
    peer = BY_NAME["docqueue"]
    if not run.there(peer.name):
        return
    with run.results.row("w7", "docqueue, in-process"):
        speaker, count = run.speaker(peer), run.size(ITEMS)
        for _ in range(count // min(FILL, count)):
            speaker.ask("fill", min(FILL, count))
        count -= count % min(FILL, count)
        run.settle(speaker)
        with Workers(speaker=speaker, count=1, arguments=("--in-process",)) as crew:
            pid = crew.processes[0].pid
            crew.wait(count // 10, SECONDS)
            before = _kib(pid, "status", "VmRSS")
            crew.wait(count, SECONDS, pause=0.05)
            after = _kib(pid, "status", "VmRSS")
        run.say("w7", "docqueue, in-process", growth_percent=100 * (after / before - 1), rss_mib=after / 1024)
    with run.results.row("w7", "docqueue, idle supervisor"):
        with Workers(speaker=run.speaker(peer), count=1, arguments=("--processes", "2")) as crew:
            time.sleep(IDLE_SECONDS)
            pss = _kib(crew.processes[0].pid, "smaps_rollup", "Pss") / 1024
        run.say("w7", "docqueue, idle supervisor", pss_mib=pss)


def _kib(pid: int, file: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"/proc/{pid}/{file} has no {name}")
    return int(found[1])
