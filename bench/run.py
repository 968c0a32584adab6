"""One run: the server, the peers that are there, a database of its own for each, the order of rounds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench import install
from bench.measure import Failed, Speaker
from bench.peers import Peer
from bench.results import Results
from bench.server import Server, bench_dir


@dataclass(kw_only=True)
class Run:
    """What every workload is given. `scale` makes all counts smaller, for trying out."""

    server: Server
    results: Results
    peers: Sequence[Peer]
    rounds: int = 3
    scale: float = 1.0
    minutes: float = 15.0
    ends: float = float("inf")  # time.monotonic() at which no further workload begins
    commands: dict[str, list[str]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Install each peer and make its schema, once, in a template database. Who fails is a failed row."""
        for peer in self.peers:
            print(f"  {peer.label}: ", end="", flush=True)
            try:
                self.commands[peer.name] = install.command(peer)
                self.server.fresh(_template(peer))
                speaker = self._speaker(peer, _template(peer))
                self.results.versions[peer.name] = speaker.ask("version")["version"]
                speaker.ask("setup")
            except (install.CanNotInstall, Failed) as error:
                self.commands.pop(peer.name, None)
                self.results.fail("install", peer.label, str(error))
            else:
                print(self.results.versions[peer.name], flush=True)

    def there(self, name: str) -> bool:
        """Whether this peer takes part and could be installed."""
        return name in self.commands

    def speaker(self, peer: Peer, suffix: str = "") -> Speaker:
        """The peer's driver on a fresh database. Raises `Failed` when it could not be installed."""
        if peer.name not in self.commands:
            raise Failed("not installed, see install")
        database = f"bench_{peer.name}{suffix}"
        self.server.fresh(database, _template(peer))
        return self._speaker(peer, database)

    def _speaker(self, peer: Peer, database: str) -> Speaker:
        env = self.server.env(database) | {"BENCH_PEER_DIR": str(install.folder(peer))}
        return Speaker(command=self.commands[peer.name], env=env, log=bench_dir() / "logs" / f"{peer.name}.log")

    def settle(self, speaker: Speaker) -> None:
        """Fresh statistics and a checkpoint, before a clock starts."""
        self.server.settle(speaker.env["PGDATABASE"])

    def left(self) -> float:
        """Seconds until then."""
        return self.ends - time.monotonic()

    def size(self, count: int) -> int:
        """`count` at this run's scale."""
        return max(20, int(count * self.scale))

    def turns(self, peers: Sequence[Peer], rounds: int | None = None) -> Iterator[Peer]:
        """A-B-A-B: each peer once a round; slow ones have fewer rounds. Those that are not there are left out."""
        for number in range(rounds or self.rounds):
            for peer in peers:
                if self.there(peer.name) and number < max(1, min(peer.rounds, self.rounds)):
                    yield peer

    def clean(self) -> None:
        """Drop what the run made on the server."""
        with self.server.connect() as connection:
            names = connection.execute("select datname from pg_database where datname like 'bench\\_%'").fetchall()
        for (name,) in names:
            self.server.drop(name)

    def say(self, workload: str, row: str, **metrics: float) -> None:
        """Note values and show that the run goes on."""
        self.results.add(workload, row, **metrics)
        shown = ", ".join(
            f"{name} {value:,.2f}" if value < 100 else f"{name} {value:,.0f}" for name, value in metrics.items()
        )
        print(f"    {workload} {row}: {shown}", flush=True)


def _template(peer: Peer) -> str:
    return f"bench_{peer.name}_template"


def note(results: Results, name: str, value: object) -> None:
    """Something that is no figure but belongs to the results."""
    results.notes[name] = value if isinstance(value, str) else json.dumps(value)
