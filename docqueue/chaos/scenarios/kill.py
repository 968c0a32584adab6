"""kill -9 of executors and supervisors."""

from __future__ import annotations

import time

from docqueue.chaos.storm import Storm

SUPERVISORS = 0.2


class Kill(Storm):
    """Four of five strikes hit an executor, one a supervisor, which is started again at once."""

    about = "kill -9: four of five strikes hit an executor, one a supervisor, which is started again at once"

    def strike(self) -> None:
        """`Storm`."""
        self.await_work()
        for number in range(self.strikes):
            time.sleep(self.dice.uniform(0.05, 0.35))
            if self.over(number):
                return
            self.kill_one()

    def kill_one(self) -> None:
        """Kill somebody, as the dice fall."""
        if self.dice.random() < SUPERVISORS:
            self.fleet.kill_worker(self.dice.choice(self.fleet.workers))
            self.fleet.start()
        elif victim := self.victim():
            self.fleet.kill(victim, "child")
