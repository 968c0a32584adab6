"""`python -m bench.rivals --seed 1`: docqueue and its peers under the same storms, reported as they fall."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from bench import install, machine
from bench.measure import BASE, Speaker
from bench.results import Results
from bench.rivals import storms
from bench.rivals.judge import judge
from bench.rivals.rivals import RIVALS, Rival
from bench.rivals.table import Outcome, note, table
from bench.server import Server, bench_dir
from docqueue.chaos.ledger import read

ITEMS, KILLS, STOPS = 2_000, 30, 16
PATHS = os.pathsep.join(map(str, (BASE, BASE / "bench" / "drivers")))


def arguments() -> argparse.Namespace:
    """The command line."""
    names = [rival.name for rival in RIVALS]
    parser = argparse.ArgumentParser(prog="python -m bench.rivals", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", default=",".join(names), help=f"separated by commas, of {', '.join(names)}")
    parser.add_argument("--items", type=int, default=ITEMS, help="in the storm of kills; half of it in that of stops")
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--stops", type=int, default=STOPS)
    given = parser.parse_args()
    given.peers = given.peers.split(",")
    if unknown := set(given.peers) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return given


class Comparison:
    """All storms over all queues, each on a database of its own."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.began = time.monotonic()
        self.server = Server()
        date = f"{datetime.now(UTC):%Y-%m-%d}"
        self.results = Results(date=date, machine=machine.describe(self.server.describe(), bench_dir()))
        self.rivals = [rival for rival in RIVALS if rival.name in given.peers]
        self.outcomes: dict[str, dict[str, Outcome]] = {"kill": {}, "zombie": {}, "poison": {}, "default": {}}

    def run(self) -> None:
        """Whatever goes wrong with a queue is said, and the others go on."""
        print(machine.one_line(self.results.machine, self.results.date), flush=True)
        for rival in self.rivals:
            with self.results.row("rivals", rival.label):
                self.server.fresh(_template(rival))
                speaker = self.speaker(rival, _template(rival), "setup")
                self.results.versions[rival.name] = speaker.ask("version")["version"]
                speaker.ask("setup")
        there = [rival for rival in self.rivals if not self.results.broken("rivals", rival.label)]
        for rival in there:
            self.storm(rival, storms.kill, self.given.items, self.given.kills)
        for rival in there:
            self.storm(rival, storms.zombie, self.given.items // 2, self.given.stops)
        with ThreadPoolExecutor(max_workers=2 * len(RIVALS)) as pool:  # they wait for most of the time
            waiting = [
                pool.submit(self.storm, rival, strike, items, count, told=strike is not storms.default)
                for strike, items, count in (
                    (storms.default, storms.DEFAULT_ITEMS, 1),
                    (storms.poison, storms.POISON_ITEMS, storms.POISONS),
                )
                for rival in there
            ]
        for done in waiting:
            done.result()
        for rival in self.rivals:
            self.server.drop(_template(rival))

    def speaker(self, rival: Rival, database: str, log: str) -> Speaker:
        """The queue's driver on this database. Raises `CanNotInstall`."""
        program = install.command(rival.peer)[0]
        return Speaker(
            command=[program, str(rival.driver)],
            env=self.server.env(database) | {"PYTHONPATH": PATHS},
            log=bench_dir() / "logs" / f"rivals-{rival.name}-{log}.log",
        )

    def storm(
        self, rival: Rival, strike: Callable[[storms.Storm], None], items: int, strikes: int, *, told: bool = True
    ) -> None:
        """One storm over one queue, judged by its ledger."""
        name = strike.__name__
        with self.results.row(f"rivals {name}", rival.label):
            database = f"bench_rivals_{rival.name}_{name}"
            self.server.fresh(database, _template(rival))
            storm = storms.Storm(
                server=self.server, rival=rival, speaker=self.speaker(rival, database, name),
                folder=bench_dir() / "rivals" / f"{rival.name}-{name}",
                seed=self.given.seed, items=items, strikes=strikes, told=told,
            )  # fmt: skip
            with storm.database:
                storm.run(strike)
            self.server.drop(database)
            outcome = Outcome(verdict=judge(read(storm.ledger.path)), seconds=storm.seconds)
            self.outcomes[name][rival.name] = outcome
            note(self.results, name, rival, outcome)
            passed = time.monotonic() - self.began
            print(f"  {name}, {rival.label}: done ({passed:.0f} s)", flush=True)


def _template(rival: Rival) -> str:
    return f"bench_rivals_{rival.name}_template"


def main() -> int:
    """Compare and report; 1 when a storm could not be run."""
    given = arguments()
    comparison = Comparison(given)
    comparison.run()
    results = comparison.results
    seconds = time.monotonic() - comparison.began
    size = f"seed {given.seed}, {given.items:,} items and {given.kills} kills, {given.items // 2:,} items and"
    size += f" {given.stops} stops, {storms.WORKERS} workers, stale after {storms.STALE_SECONDS:g} s;"
    size += f" {seconds:.0f} s in all, load average of the last 15 minutes {os.getloadavg()[2]:.1f}"
    results.notes["rivals"] = size
    print(f"\n{machine.one_line(results.machine, results.date)}\n\n{size}.\n")
    print(table(comparison.rivals, comparison.outcomes))
    versions = [f"{r.label}: {results.versions[r.name]}" for r in comparison.rivals if r.name in results.versions]
    print(f"\nVersions: {'; '.join(versions)}.")
    for failed in results.failed:
        print(f"FAILED {failed['workload']}, {failed['row']}: {failed['reason']}")
    whole = (given.items, given.kills, given.stops) == (ITEMS, KILLS, STOPS)
    if whole and len(comparison.rivals) == len(RIVALS):
        print(f"Written: {results.write()}")
    return 1 if results.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
