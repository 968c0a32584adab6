"""kill -9 of executors and supervisors."""

from __future__ import annotations

from docqueue.chaos.ledger import now
from docqueue.chaos.storm import Storm

SUPERVISORS = 0.2
UNTIL = 0.9  # of the backlog: behind that hardly anybody has a hand full


class Kill(Storm):
    """Four of five strikes hit an executor, one a supervisor, which is started again at once.

    They are spread over the whole backlog, so that there is one until the last of them.
    """

    about = "kill -9: four of five strikes hit an executor, one a supervisor, which is started again at once"

    def strike(self) -> None:
        """`Storm`."""
        self.await_work()
        for number in range(self.strikes):
            self.await_share((number + self.dice.random()) / self.strikes * UNTIL)
            if self.over(number):
                return
            self.kill_one()

    def kill_one(self) -> None:
        """Kill somebody, as the dice fall."""
        if self.dice.random() < SUPERVISORS:
            worker, killed = self.dice.choice(self.fleet.workers), now()
            self.fleet.kill_worker(worker)
            self.fleet.start()
            self.note_held(worker.pid, killed)
        elif victim := self.victim():
            self.fleet.kill(victim, "child")
