"""Short storms on real workers, with fixed seeds: the command, its ledger, its verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from docqueue.chaos.ledger import read
from tests.docqueue.worker.processes import ROOT, Manage

pytestmark = pytest.mark.django_db(transaction=True)


def storm(manage: Manage, folder: Path, *arguments: object) -> tuple[int, str]:
    """Run a storm to its end; exit code and what it said."""
    running = manage("queue_chaos", *arguments, "--folder", folder, "--workers", 2, "--processes", 3)
    return running.wait(110), running.log.read_text()


@pytest.mark.slow
def test_a_storm_of_kills_loses_nothing_doubles_nothing_and_explains_every_repeat(
    manage: Manage, tmp_path: Path
) -> None:
    folder = tmp_path / "chaos"
    code, said = storm(manage, folder, "kill", "--seed", 1, "--items", 600, "--strikes", 25, "--lease-seconds", 2)
    assert code == 0, said
    assert "no violation" in said
    strikes = [entry for entry in read(folder / "ledger.jsonl") if entry["e"] == "kill"]
    assert len(strikes) >= 25
    assert sum(entry["phase"] == "handler" for entry in strikes) >= 0.3 * len(strikes)
    assert any(entry["phase"] == "complete" for entry in strikes)
    assert any(entry["why"] == "supervisor" for entry in strikes)
    again = StringIO()
    call_command("queue_chaos", "--replay", str(folder / "ledger.jsonl"), stdout=again)
    assert "no violation" in again.getvalue()


@pytest.mark.slow
def test_zombies_change_nothing_and_their_items_run_elsewhere(manage: Manage, tmp_path: Path) -> None:
    folder = tmp_path / "chaos"
    code, said = storm(manage, folder, "zombie", "--seed", 2, "--items", 300, "--strikes", 8, "--lease-seconds", 1.5)
    assert code == 0, said
    found = list(read(folder / "ledger.jsonl"))
    assert [entry for entry in found if entry["e"] == "stop"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        ("restart", ["--items", 800, "--strikes", 2]),
        ("unflushed", ["--items", 800, "--strikes", 2]),
        ("poison", ["--items", 300, "--strikes", 5]),
        ("rollback", ["--items", 600]),
        ("clock", ["--items", 300, "--strikes", 8]),
        ("pooler", ["--items", 300, "--strikes", 8]),
        ("network", ["--items", 900, "--strikes", 3]),
        ("failover", ["--items", 500, "--strikes", 2]),
        ("asynchronous", ["--items", 600, "--strikes", 1]),
    ],
)
def test_a_short_storm_of_each_kind_on_a_server_of_its_own(tmp_path: Path, scenario: str, told: list[object]) -> None:
    """`make chaos`, which also knows that the asynchronous one has to lose something."""
    own = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "VAR_DIR": str(tmp_path),
        "EMBEDDED_POSTGRES_DIR": str(tmp_path / "postgres"),
        "DATABASE_URL": "",
    }
    chosen = ["--scenarios", scenario, "--seeds", 3, "--workers", 2, *told]
    command = [sys.executable, "-m", "config.chaos", *map(str, chosen)]
    done = subprocess.run(command, env=os.environ | own, cwd=ROOT, capture_output=True, text=True, timeout=110)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert ("× lost" if scenario == "asynchronous" else "no violation") in said


def test_a_replayed_ledger_with_a_violation_fails_in_words(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text(json.dumps({"e": "enqueued", "t": 0, "id": 7}) + "\n")
    with pytest.raises(CommandError, match="1 × lost, 1 × no storm"):
        call_command("queue_chaos", "--replay", str(path), stdout=StringIO())


def test_a_database_that_is_not_marked_for_tests_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docqueue.management.commands.queue_chaos.MARKS", ("nowhere",))
    with pytest.raises(CommandError, match="not marked for tests"):
        call_command("queue_chaos", "kill")


def test_a_queue_that_is_not_empty_is_refused(service) -> None:
    service.enqueue(None, "test.noop")
    with pytest.raises(CommandError, match="live items"):
        call_command("queue_chaos", "kill")


def test_without_a_scenario_it_says_which_there_are() -> None:
    with pytest.raises(CommandError, match="zombie: SIGSTOP"):
        call_command("queue_chaos")


def test_a_storm_that_needs_more_workers_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="needs 2 workers"):
        call_command("queue_chaos", "zombie", "--workers", 1, "--folder", str(tmp_path / "chaos"), stdout=StringIO())
