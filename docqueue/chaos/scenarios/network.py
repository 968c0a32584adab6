"""A network that fails: an answer lost in COMMIT, a black hole, peers that vanish without a word."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from docqueue.chaos.handlers import DATABASE
from docqueue.chaos.proxy import Proxy
from docqueue.chaos.storm import Storm
from docqueue.store import connection

HOLE_SECONDS = 30.0
HALF_OPEN_SECONDS = 25.0  # after so long the kernel's keepalives end such a connection


class Network(Storm):
    """Workers reach the database through a proxy. Most strikes lose the answers to some commits."""

    about = (
        "a proxy before the database: cut in COMMIT, all connections cut, a black hole of 30 s, half-open connections"
    )
    usual = {"items": 3000, "strikes": 60}
    _proxy: Proxy | None = None

    def environment(self, number: int) -> Mapping[str, str]:
        """`Storm`."""
        assert self._proxy is not None
        return {DATABASE: json.dumps({"HOST": "127.0.0.1", "PORT": self._proxy.port})}

    def prepare(self) -> None:
        """`Storm`."""
        self._proxy = Proxy(connection(self.using).get_connection_params())
        super().prepare()

    def strike(self) -> None:
        """`Storm`: one black hole and one vanishing of all peers among the strikes, each where the dice put it."""
        assert self._proxy is not None
        hole, vanishing = self.dice.sample(range(self.strikes), 2) if self.strikes > 1 else (0, -1)
        for number in range(self.strikes):
            time.sleep(self.dice.uniform(0.2, 0.8))
            if self.over(number):
                break
            if number == hole:
                self.ledger.write("cut", how="hole")
                self._proxy.freeze()
                time.sleep(HOLE_SECONDS)
                self._proxy.thaw()
                self.ledger.write("mended")
            elif number == vanishing:
                self.ledger.write("cut", how="half-open")
                self._proxy.forget_peers(HALF_OPEN_SECONDS)
            elif self.dice.random() < 0.2:
                self.ledger.write("cut", how="all")
                self._proxy.reset()
            else:
                self._proxy.cut_next_commits(self.dice.randint(1, 5))
        self.ledger.write("cut", how="commit", count=self._proxy.cut_in_commit)
        self.say(f"{self._proxy.cut_in_commit:,} commits lost their answers")

    def clear_away(self) -> None:
        """`Storm`."""
        if self._proxy is not None:
            self._proxy.cut()
