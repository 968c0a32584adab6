"""What a worker says of ended items: a line each, and one for many where they are quick."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from docqueue import events, outcomes
from docqueue.states import Status
from docqueue.worker import tally as tallies
from docqueue.worker.protocol import Report
from docqueue.worker.tally import QUICK_LINES_A_SECOND, Tally
from tests.docqueue.worker.pools import work


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(tallies, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def told() -> Iterator[list[events.Event]]:
    heard: list[events.Event] = []
    events.subscribe(heard.append, lambda _name, level: level >= 20)
    yield heard
    events.unsubscribe(heard.append)


def ended(seconds: float, count: int) -> list[tuple[Report, Status]]:
    report = Report(work("test.noop", document_id="d"), outcomes.Completed(result="null"), seconds)
    return [(report, Status.COMPLETED)] * count


def lines(told: list[events.Event]) -> int:
    return sum(event.name == events.EventName.ITEM_FINISHED for event in told)


def test_an_item_that_took_ten_milliseconds_has_a_line_of_its_own_always(
    clock: list[float], told: list[events.Event]
) -> None:
    Tally().count(ended(0.010, 300))
    assert lines(told) == 300
    assert {(e.fields["operation"], e.fields["document"], e.fields["outcome"], e.fields["seconds"]) for e in told} == {
        ("test.noop", "d", "completed", 0.01)
    }


def test_the_run_of_a_probe_has_the_number_that_its_handler_sees(clock: list[float], told: list[events.Event]) -> None:
    probe = work("test.noop")._replace(attempt=0)
    Tally().count([(Report(probe, outcomes.Completed(result="null"), 1.0), Status.COMPLETED)])
    assert [event.fields["attempt"] for event in told] == [1]


def test_quick_items_are_summed_up_once_a_second_also_when_nothing_comes_after_them(
    clock: list[float], told: list[events.Event]
) -> None:
    tally = Tally()
    tally.count(ended(0.001, 500))
    assert lines(told) == QUICK_LINES_A_SECOND
    clock[0] += 1.0
    tally.count([])
    assert [e.fields["count"] for e in told if e.name == events.EventName.ITEMS_FINISHED] == [480]
    tally.count([])
    assert len(told) == QUICK_LINES_A_SECOND + 1
    assert tally.completed == 500
