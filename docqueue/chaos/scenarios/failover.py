"""A primary that dies and a standby that takes over, again and again."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from django.core.management import call_command
from django.db import connections

from docqueue import store
from docqueue.chaos.cluster import DATABASE as NAME
from docqueue.chaos.cluster import PORT, ROLE, ClusterError, Pair, account, programs
from docqueue.chaos.handlers import DATABASE
from docqueue.chaos.scenarios.restart import Restart
from docqueue.exceptions import ConfigurationError

PAUSE_SECONDS = (2.0, 5.0)
UNSEEN_ITEMS = 100


class Failover(Restart):
    """kill -9 of the primary; the standby takes over, and the dead one comes back as its standby.

    It makes two clusters of its own. Workers and clients know both, by libpq's list of hosts.
    """

    about = "two clusters of its own with a synchronous standby: the primary dies, the other takes over"
    usual = {"items": 3000, "strikes": 10}
    synchronous: ClassVar[bool] = True
    _pair: Pair | None = None
    _at: dict[str, Any] = {}

    def environment(self, number: int) -> Mapping[str, str]:
        """`Storm`."""
        return {DATABASE: json.dumps(self._at)}

    def prepare(self) -> None:
        """`Storm`: the clusters, this process's connections to them, the tables."""
        place = Path(tempfile.mkdtemp(prefix="docqueue-pair-"))  # sockets need a short path that others may enter
        place.chmod(0o755)
        try:
            self._pair = Pair(bin=programs(), folder=place / "pair", account=account(), synchronous=self.synchronous)
            self._pair.start()
        except (OSError, KeyError, ClusterError) as error:
            raise ConfigurationError(f"The two clusters of this storm do not start: {error}") from error
        hosts = f"{self._pair.primary.folder},{self._pair.standby.folder}"
        options = {"target_session_attrs": "read-write"}
        self._at = {
            "HOST": hosts,
            "PORT": f"{PORT},{PORT}",
            "NAME": NAME,
            "USER": ROLE,
            "PASSWORD": "",
            "OPTIONS": options,
        }
        store.close(self.using)
        settings = connections.settings[self.using]
        settings["OPTIONS"] = {**settings["OPTIONS"], **options}
        settings.update({name: value for name, value in self._at.items() if name != "OPTIONS"})
        call_command("migrate", database=self.using, verbosity=0)
        self._newest = 0
        super().prepare()

    def strike(self) -> None:
        """`Storm`."""
        self.storm_with_clients(PAUSE_SECONDS)

    def restart(self) -> None:
        """`Restart`: one switch."""
        assert self._pair is not None
        self.before_switch(self._pair)
        self.ledger.write("crash", lossy=not self.synchronous)
        switch = self._pair.switch()
        self.ledger.write("back", promoted=switch.promoted_seconds, redundant=switch.redundant_seconds)
        store.close(self.using)

    def before_switch(self, pair: Pair) -> None:
        """What is done to the pair just before."""

    def clear_away(self) -> None:
        """`Storm`."""
        if self._pair is not None:
            store.close(self.using)
            self._pair.stop()
            shutil.rmtree(self._pair.folder.parent, ignore_errors=True)


class Asynchronous(Failover):
    """The same with a standby that is behind: what was acknowledged is lost, and the checker must say so."""

    about = "as failover, with an asynchronous standby that is behind: items ARE lost, and the checker must show it"
    usual = {"items": 1500, "strikes": 3}
    synchronous = False

    def before_switch(self, pair: Pair) -> None:
        """`Failover`: items that the standby does not get."""
        pair.hold()
        self.patiently(lambda: self.enqueue(UNSEEN_ITEMS))
