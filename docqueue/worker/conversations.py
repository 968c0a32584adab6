"""What a work loop says to the database, and to whom: talks under way, and their answers."""

from __future__ import annotations

from collections.abc import Iterator

from docqueue.worker.scribe import Scribe
from docqueue.worker.talk import Answer, Request
from docqueue.worker.talker import Talker


class Conversation:
    """A talker and the request that it is at."""

    def __init__(self, talker: Talker) -> None:
        self.talker = talker
        self.under_way: Request | None = None

    def ask(self, request: Request) -> None:
        """Start a talk. Only when no other is under way."""
        self.under_way = request
        self.talker.submit(request)

    def answer(self) -> tuple[Request, Answer] | None:
        """What was asked, and the answer, once it is there."""
        answer, request = self.talker.take(), self.under_way
        if answer is None or request is None:
            return None
        self.under_way = None
        return request, answer


class Conversations:
    """The claimer's, in which everything is said, and the scribe's, where there is one: it only writes."""

    def __init__(self, claimer: Talker, scribe: Scribe | None) -> None:
        self.claimer = Conversation(claimer)
        self._free = scribe.reserve if scribe else None
        self._scribe = Conversation(scribe) if scribe else None

    def __iter__(self) -> Iterator[Conversation]:
        yield self.claimer
        if self._scribe is not None:
            yield self._scribe

    @property
    def under_way(self) -> bool:
        """Whether any talk is."""
        return any(conversation.under_way is not None for conversation in self)

    @property
    def listening(self) -> bool:
        """Whether notifications arrive."""
        return self.claimer.talker.listening

    def free_scribe(self) -> Conversation | None:
        """The scribe, unless it is busy. If it is free, it must be asked."""
        scribe = self._scribe
        return scribe if scribe and self._free and scribe.under_way is None and self._free() else None

    def wake(self) -> list[int]:
        """Descriptors that become readable when there is an answer or a notification."""
        return [fd for conversation in self for fd in conversation.talker.wake]

    def hurry(self) -> None:
        """Have the answers soon: nobody waits for new items any more."""
        for conversation in self:
            conversation.talker.hurry()

    def close(self) -> None:
        """Wait for the talks that are under way and end."""
        for conversation in self:
            conversation.talker.close()
