"""The thread of the duties outlives everything that goes wrong in it: without it nothing is promoted or reaped."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from docqueue import duties, store
from docqueue.service import DocumentQueueService
from docqueue.worker.duties import Duties
from tests.docqueue.helpers import OPERATION, row, rows, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def thread() -> Iterator[Duties]:
    thread = Duties("default", lambda: True)
    yield thread
    thread.stop()
    duties.forget("test.broken")


def promotes(service: DocumentQueueService) -> None:
    """Something that only a duty does is done."""
    late = service.enqueue(None, OPERATION, delay_seconds=0.01).id
    until(lambda: row(late)["status"] == "pending")


@pytest.mark.parametrize("says", [True, False], ids=["and the duty notices", "and the duty does not notice"])
def test_an_apps_duty_during_which_the_connection_breaks_ends_no_other(
    service: DocumentQueueService, thread: Duties, says: bool
) -> None:
    """Around it the session is made as it came, and ours again: those statements fail then, too."""
    backends: list[int] = []

    def broken(using: str) -> int:
        backends.append(store.backend(using))
        until(lambda: bool(gone))
        return store.backend(using) if says else 0

    gone: list[bool] = []
    duties.duty("test.broken", every_seconds=0.2)(broken)
    thread.start()
    for n in range(1, 4):
        until(lambda n=n: len(backends) >= n)
        [ended] = rows("select pg_terminate_backend(%s, 5000) as ended", [backends[-1]])
        gone.append(ended["ended"])
        promotes(service)
        gone.clear()
    assert thread.is_alive()


@pytest.mark.parametrize("place", ["_prepared", "_perform"])
def test_a_fault_of_the_thread_itself_is_reported_and_it_goes_on(
    service: DocumentQueueService, thread: Duties, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    whole: Callable[..., object] = getattr(thread, place)
    left = [1, 1, 1]

    def faulty(*args: object) -> object:
        if left:
            left.pop()
            raise ValueError("no good")
        return whole(*args)

    monkeypatch.setattr(thread, place, faulty)
    thread.start()
    promotes(service)
    assert not left
