"""A knowledge store that is away, and workers that are killed: real processes, judged by what the store received."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import signal
import time
from collections import Counter
from functools import partial

import pytest

from docqueue.models import Attempt, HistoryItem, QueueItem
from ingestion.km.fake import FakeKM
from ingestion.km.fake_moods import Mood
from ingestion.models import IngestFile, Intake, Outcome
from tests.ingestion.factories import UserFactory, accept_zip
from tests.ingestion.running import WorkerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(600)]

OUTAGE_SECONDS = float(os.environ.get("KM_OUTAGE_SECONDS", "10"))
OUTAGE_FILES = int(os.environ.get("KM_OUTAGE_FILES", "200"))
KILLS = int(os.environ.get("KM_KILLS", "20"))
"""KM_OUTAGE_SECONDS=120 KM_OUTAGE_FILES=1000 KM_KILLS=30 are the whole proofs; scaled ones are enough for each day."""
LARGE = 300 * 1024


def papers(count: int, start: int = 0, *, large: int = 20) -> dict[str, str]:
    """Texts that no other is like; one in `large` is too large to go with others."""
    texts = {f"{n}.txt": f"paper {n} about heron{n}. " for n in range(start, start + count)}
    return {name: text * (LARGE // len(text)) if int(name[:-4]) % large == 0 else text for name, text in texts.items()}


def hashes(files: dict[str, str]) -> Counter:
    return Counter(hashlib.sha256(text.encode()).hexdigest() for text in files.values())


def received(km: FakeKM) -> Counter:
    """By the store's own account."""
    return Counter(one.sha256 for one in km.shelf.objects.values())


def env_for(project_env, km: FakeKM, **more: str) -> dict[str, str]:
    store = {"INGESTION_KM": "ingestion.km.http.HttpKM", "INGESTION_KM_URL": km.url, "INGESTION_KM_TOKEN": km.token}
    return project_env | store | {"DOCQUEUE_LEASE_SECONDS": "3"} | more


def unfinished() -> int:
    return IngestFile.objects.filter(outcome="").count() + Intake.objects.filter(unpacked_at=None).count()


def until_over(worker: WorkerProcess, seconds: float) -> None:
    worker.until(lambda: not unfinished() and not QueueItem.objects.exclude(status="dead").exists(), seconds)


def test_files_wait_while_the_store_is_down_and_all_complete_when_it_is_back(root, project_env, tmp_path, capsys):
    files, seconds = OUTAGE_FILES, OUTAGE_SECONDS
    texts = papers(files)
    with FakeKM(folder=tmp_path, token="a-secret") as first:
        env, port = env_for(project_env, first), first.server.server_address[1]
        first.behave(Mood(kind="slow", path="/documents*", delay_seconds=0.05))
        accept_zip(UserFactory(), texts)
        with WorkerProcess(root, env, "--processes", "2") as worker:
            worker.until(lambda: 0 < len(first.shelf.objects) < files, 60)
            first.__exit__()
            began = time.monotonic()
            worker.until(lambda: time.monotonic() - began >= seconds and bool(_waiting()), seconds + 60)
            done = len(first.shelf.objects)
            assert done < files, "it went down too late to prove anything"
            with FakeKM(port=port, folder=tmp_path, token="a-secret") as second:
                back = time.monotonic()
                worker.until(lambda: len(second.shelf.objects) > done, 40)
                first_after = time.monotonic() - back
                until_over(worker, 120 + files / 5)
                all_after = time.monotonic() - back
                assert received(second) == hashes(texts)
                assert {one.bodies for one in second.shelf.objects.values()} == {1}
    assert set(IngestFile.objects.values_list("outcome", "waiting_reason")) == {(Outcome.COMPLETED.value, "")}
    assert not Attempt.objects.exists(), "none was spent"
    assert set(HistoryItem.objects.values_list("status", "attempt")) == {("completed", 1)}
    assert first_after < 35
    said = f"{files} files, {seconds:.0f} s down after {done}"
    with capsys.disabled():
        print(f"\n{said}: it goes on {first_after:.1f} s after that, all are there after {all_after:.1f} s")


def _far_enough(km: FakeKM, requests: int, everything: int) -> bool:
    return len(km.log) >= requests or len(km.shelf.objects) == everything


def _waiting() -> int:
    return IngestFile.objects.filter(outcome="", waiting_reason="km_unavailable").count()


def test_workers_killed_at_random_moments_bring_each_file_to_the_store_once(root, project_env, capsys):
    rng = random.Random(int(os.environ.get("KM_KILL_SEED", "38")))
    owner, texts, deaths = UserFactory(), {}, Counter()
    with FakeKM(token="a-secret") as km:
        env = env_for(project_env, km)
        km.behave(
            Mood(kind="slow", path="/documents", bytes_per_second=2_000_000), Mood(kind="slow", delay_seconds=0.02)
        )
        # Most run their handlers themselves, as such workers start sooner; each fifth has processes for them.
        kinds = itertools.cycle([("--processes", "2"), *[("--in-process",)] * 4])
        workers = [WorkerProcess(root, env, *next(kinds)).__enter__() for _ in range(2)]
        try:
            while deaths.total() < KILLS:
                if len(texts) - len(km.shelf.objects) < 40:
                    more = papers(60, len(texts), large=6)
                    accept_zip(owner, more)
                    texts |= more
                wanted, everything = len(km.log) + rng.randint(1, 25), len(texts)
                workers[0].until(partial(_far_enough, km, wanted, everything), 60)
                at = time.monotonic() + rng.uniform(0, 0.08)
                while time.monotonic() < at:
                    time.sleep(0.001)
                os.killpg(workers[0].process.pid, signal.SIGKILL)
                workers[0].process.wait()
                last = km.log[-1]
                deaths["in a request" if last["status"] is None else "between requests"] += 1
                workers[0].__exit__()
                workers = [workers[1], WorkerProcess(root, env, *next(kinds)).__enter__()]
            until_over(workers[0], 120)
        finally:
            for worker in workers:
                worker.__exit__()
        assert received(km) == hashes(texts), "each file, and each once"
        assert len(km.shelf.objects) == len(texts)
        again = sum(one.bodies - 1 for one in km.shelf.objects.values())
    assert set(IngestFile.objects.values_list("outcome", flat=True)) == {Outcome.COMPLETED}
    with capsys.disabled():
        print(f"\n{len(texts)} files, kills {dict(deaths)}, {again} bodies came to a store that had just taken them")
