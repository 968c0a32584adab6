"""Damaged PDFs through a real worker: each ends with text or with a code that says what is wrong; no worker is lost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from docqueue.models import Attempt, QueueItem, Worker
from ingestion import storage
from ingestion.models import IngestFile, Intake, Outcome
from ingestion.services import search
from tests.ingestion.adversarial import pdfs
from tests.ingestion.adversarial.conftest import WORDS, siblings
from tests.ingestion.factories import UserFactory, accept, upload
from tests.ingestion.running import WorkerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

MUTATIONS = 100
FAILED_FOR_ITSELF = {"corrupt_file", "password_required", "parser_crashed", "extract_timeout", "out_of_memory"}


@pytest.fixture
def sender(transactional_db: None) -> User:
    """Whose documents they are. They lie where the worker process looks: not in a folder of this test alone."""
    user: User = UserFactory()
    return user


def originals(corpus: Path) -> list[bytes]:
    """The corpus's PDFs that are not too large to be sent a hundred times."""
    paths = [*sorted((corpus / "pdf-horrors").glob("*.pdf")), *sorted((corpus / "tika").glob("*.pdf"))]
    return [path.read_bytes() for path in paths if path.stat().st_size < 400_000]


def mutated(seed: random.Random, content: bytes) -> bytes:
    """The file with bytes changed, runs of it taken out or doubled, or its end cut off."""
    data = bytearray(content)
    for _ in range(seed.randint(1, 12)):
        at, length = seed.randrange(len(data)), seed.randint(1, 200)
        match seed.randrange(5):
            case 0:
                data[at] = seed.randrange(256)
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length]
            case 3:
                data[at : at + length] = seed.randbytes(length)
            case _:
                number = seed.choice([b"0", b"-1", b"99999999999", b"2147483647", b"/Kids", b"<<", b"endobj", b"["])
                data[at : at + len(number)] = number
        if len(data) < 100:
            break
    if seed.random() < 0.1:
        del data[seed.randrange(50, max(51, len(data))) :]
    return bytes(data)


@pytest.mark.slow
def test_a_hundred_damaged_pdfs_end_with_text_or_a_code_and_no_worker_is_lost(
    corpus: Path, root: Path, project_env: dict[str, str], sender: User
) -> None:
    seed, whole = random.Random(2026), originals(corpus)
    damaged = [mutated(seed, seed.choice(whole)) for _ in range(MUTATIONS)]
    intake = accept(sender, *(upload(f"{n}.pdf", data) for n, data in enumerate(damaged)), *siblings())
    ended = Counter(_ended(intake, root, project_env))
    assert sum(ended.values()) == MUTATIONS + 3
    fine = {Outcome.COMPLETED.value, Outcome.COMPLETED_NO_TEXT.value, Outcome.DUPLICATE.value}
    assert set(ended) <= fine | FAILED_FOR_ITSELF, ended
    assert ended["corrupt_file"] > 5, "the damage was real"
    assert ended["completed"] > 20, "and not all of it deadly"
    for word in WORDS.values():
        assert len(search(sender.pk, word).hits) == 1
    assert not Worker.objects.filter(lost_at__isnull=False).exists()


def test_a_pdf_cut_anywhere_is_corrupt_in_a_real_worker_and_its_neighbours_are_completed(
    root: Path, project_env: dict[str, str], sender: User
) -> None:
    whole = pdfs.one_page(pdfs.written(b"a rare quokka"))
    cut = [upload(f"{n}.pdf", whole[: len(whole) * n // 10]) for n in range(2, 9)]
    intake = accept(sender, *cut, upload("whole.pdf", whole), *siblings())
    ended = Counter(_ended(intake, root, project_env))
    assert ended == {"corrupt_file": 7, Outcome.COMPLETED: 4}
    assert not Attempt.objects.filter(outcome__in=["crashed", "timed_out", "lease_lost"]).exists()


@pytest.mark.slow
def test_a_pdf_that_unpacks_to_gigabytes_is_given_up_after_two_tries_and_its_neighbours_are_completed(
    root: Path, project_env: dict[str, str], sender: User
) -> None:
    intake = accept(sender, upload("bomb.pdf", pdfs.bomb(2_000)), *siblings())
    ended = Counter(_ended(intake, root, project_env))
    assert ended["completed"] == 3
    # PDFium takes all memory and ends the process, or is ended; the second reader sees how far it would grow.
    assert ended["out_of_memory"] + ended["parser_crashed"] + ended["ratio_exceeded"] == 1, ended
    assert Attempt.objects.count() <= 3
    assert not Worker.objects.filter(lost_at__isnull=False).exists()


def _ended(intake: Intake, root: Path, env: dict[str, str]) -> Iterator[str]:
    """Let a real worker run everything to its end. Yields each file's code or outcome."""
    storage.remove_stale_parts(-60)  # of tests that kill workers and share this folder
    with WorkerProcess(root, env) as worker:
        worker.until(lambda: not Intake.objects.filter(finished_at=None).exists(), 240)
    assert storage.remove_stale_parts(-60) == 0
    assert not QueueItem.objects.exclude(status="dead").exists()
    for file in IngestFile.objects.filter(intake=intake):
        assert file.outcome != Outcome.FAILED or file.hint, file.source_path
        yield file.error_code or file.outcome
