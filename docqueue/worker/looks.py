"""When a work loop looks at the lanes, and when it compares what it holds with what the database says."""

from __future__ import annotations

from docqueue.conf import get_settings
from docqueue.worker.pace import Pace, jittered
from docqueue.worker.talk import Answer, Request

LOOK_SECONDS = 0.7  # how often lanes, pauses and cancels are read by one that has work: a pause is to hold in a second
RECOVER_SECONDS = 5.0  # how often what we hold is compared; at once when an answer was lost
FIRST_PAUSE_SECONDS = 0.005  # an enqueue that follows another at once does not notify: look again soon, then less often


class Looks:
    """Two paces, and the growing pause of one that finds nothing."""

    def __init__(self) -> None:
        self.look = Pace(LOOK_SECONDS)
        self.recover = Pace(RECOVER_SECONDS)
        self._pause = 0.0

    def lost_an_answer(self) -> None:
        """Something failed on the way: look at once, and find what a lost answer gave us."""
        self.look.soon()
        self.recover.soon()

    def talked(self, request: Request, answer: Answer, now: float, *, busy: bool, listening: bool, over: bool) -> None:
        """A talk went well. `over`: what just ended may have let its followers go, so look afresh.

        `busy`: nothing could be claimed anyway; `listening`: we shall be told of what comes.
        """
        if request.known is not None:
            self.recover.took(now, answer.recover_seconds)
        if answer.claimed or answer.followed:
            self._pause = 0.0
        if over:
            self.look.soon()
        elif request.look or answer.vain:
            self.look.took(now, answer.look_seconds, self._next(answer, busy=busy, listening=listening))
        elif answer.asked and not answer.open:
            self.look.took(now, 0.0, self._next(answer, busy=busy, listening=listening))

    def _next(self, answer: Answer, *, busy: bool, listening: bool) -> float:
        """How long until the next look: short after the last item, longer and longer while nothing comes."""
        if answer.again_seconds is not None and not busy:
            return min(LOOK_SECONDS, answer.again_seconds)
        if answer.open or answer.suspects or busy:
            return LOOK_SECONDS
        most = LOOK_SECONDS if listening else get_settings().POLL_SECONDS
        self._pause = min(most, max(FIRST_PAUSE_SECONDS, self._pause * 2))
        return jittered(self._pause)

    def every(self, *, listening: bool) -> float:
        """How often the talker is to look by itself: where nobody tells it, once nothing has come for a while."""
        poll = get_settings().POLL_SECONDS
        return poll if not listening and self._pause >= poll else 0.0
