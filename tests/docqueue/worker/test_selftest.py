"""The probe: sent through a real worker, and honest when nobody is there to take it."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from docqueue import selftest
from docqueue.exceptions import InvalidOption
from docqueue.models import HistoryItem, QueueItem

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = ["enqueue", "claim", "run", "complete", "read"]


def test_a_probe_comes_back_through_a_worker_with_the_time_of_each_step(manage):
    manage.worker("--processes", 1)
    probe = selftest.run(seconds=10)
    assert probe.ok
    assert list(probe.steps) == STEPS
    assert all(value >= 0 for value in probe.steps.values()), probe.steps
    assert sum(probe.steps.values()) == pytest.approx(probe.seconds * 1000, rel=0.5)
    out = StringIO()
    call_command("queue_selftest", "--json", stdout=out)
    assert json.loads(out.getvalue())["ok"] is True
    out = StringIO()
    call_command("queue_selftest", stdout=out)
    assert [line.split()[0] for line in out.getvalue().splitlines()[1:]] == STEPS


def test_without_a_worker_it_says_why_and_leaves_nothing_behind():
    probe = selftest.run(seconds=0.05)
    assert (probe.ok, probe.steps) == (False, {})
    assert "run_queue_worker" in probe.why
    assert not QueueItem.objects.exists()
    assert HistoryItem.objects.get().status == "cancelled"
    with pytest.raises(CommandError, match="run_queue_worker"):
        call_command("queue_selftest", "--seconds", "0.05", "--queue", "other")


def test_a_queue_that_no_worker_serves_is_told_from_one_that_is_served(manage):
    manage.worker("--processes", 1, "--queue", "served")
    assert selftest.run(queue="served").ok
    assert "No worker serves queue other" in selftest.run(queue="other", seconds=0.05).why


@pytest.mark.parametrize("seconds", [0, -1, 61])
def test_an_endless_wait_is_refused(seconds):
    with pytest.raises(InvalidOption):
        selftest.run(seconds=seconds)


def test_inside_a_transaction_it_is_refused():
    with transaction.atomic(), pytest.raises(InvalidOption, match="transaction"):
        selftest.run()
