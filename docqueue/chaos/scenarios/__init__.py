"""What can be done to workers and their database: one scenario a file, each seeded, so that it can be run again."""

from __future__ import annotations

from docqueue.chaos.scenarios.clock import Clock
from docqueue.chaos.scenarios.failover import Asynchronous, Failover
from docqueue.chaos.scenarios.kill import Kill
from docqueue.chaos.scenarios.network import Network
from docqueue.chaos.scenarios.poison import Poison
from docqueue.chaos.scenarios.pooler import Pooler
from docqueue.chaos.scenarios.restart import Restart, Unflushed
from docqueue.chaos.scenarios.rollback import Rollback
from docqueue.chaos.scenarios.zombie import Zombie
from docqueue.chaos.storm import Storm

SCENARIOS: dict[str, type[Storm]] = {
    scenario.__name__.lower(): scenario
    for scenario in (Kill, Zombie, Restart, Unflushed, Poison, Rollback, Clock, Pooler, Network, Failover, Asynchronous)
}
