"""kill -9 at the boundaries of all stages, fifty times by chance: every file is completed, once; nothing is left."""

from __future__ import annotations

from collections import Counter
from email.message import EmailMessage
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.db.models import Count

from docqueue.models import QueueItem
from ingestion import storage
from ingestion.models import Blob, Chunk, Document, IngestFile, Intake, Outcome
from ingestion.services import search
from tests.ingestion.factories import UserFactory, accept, accept_zip, upload, zipped
from tests.ingestion.running import WorkerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(600)]

DEATHS = 50
FILES = {"completed": 33, "unpacked": 2, "duplicate": 2, "failed": 1, "skipped": 1}
"""What becomes of one round's files."""


@pytest.fixture
def env(project_env, tmp_path):
    """Workers that die, with a short lease."""
    graves = tmp_path / "graves"
    graves.mkdir()
    dying = {"DJANGO_SETTINGS_MODULE": "tests.ingestion.dying.settings", "DYING_DIR": str(graves)}
    return project_env | dying | {"DYING_TIMES": str(DEATHS), "DOCQUEUE_LEASE_SECONDS": "2"}


def mail(n: int) -> bytes:
    message = EmailMessage()
    message["Subject"] = f"mail {n}"
    message.set_content(f"A mail about newt{n}.")
    message.add_attachment(f"attached is stoat{n}".encode(), maintype="text", subtype="plain", filename="stoat.txt")
    return bytes(message)


def send_round(owner, n: int) -> None:
    """Archives in archives, mails, duplicates and a broken file, each content with a word of its own."""
    inner = zipped({f"{k}.txt": f"inner paper walrus{n}x{k}" for k in range(8)})
    deep = zipped({"more.zip": zipped({"deep.txt": f"deep paper lemur{n}"}), "again.txt": f"inner paper walrus{n}x0"})
    papers = {f"{k}.txt": f"paper heron{n}x{k} " * 20 for k in range(12)}
    accept_zip(owner, papers | {"inner.zip": inner, "cut.pdf": b"%PDF-1.7 cut", ".DS_Store": b"\0"})
    accept(owner, upload("deep.zip", deep))
    accept(owner, *(upload(f"{k}.eml", mail(n * 100 + k)) for k in range(6)), upload("copy.txt", papers["0.txt"]))


def test_fifty_deaths_at_the_boundaries_of_stages_lose_nothing_and_double_nothing(root, env):
    owner, graves, rounds, before = UserFactory(), Path(env["DYING_DIR"]), 0, stored()
    while len(list(graves.iterdir())) < DEATHS:
        assert rounds < 8, f"only {len(list(graves.iterdir()))} deaths"
        send_round(owner, rounds)
        rounds += 1
        until_all_has_ended(root, env)
    deaths = [note.read_text() for note in graves.iterdir()]
    assert len(deaths) == DEATHS
    assert len({death.partition(",")[0] for death in deaths}) >= 15, "they were at all kinds of places"
    assert {death.rpartition(", ")[2] for death in deaths} == {"alone", "with its worker"}

    assert not IngestFile.objects.filter(outcome="").exists()
    assert not QueueItem.objects.exclude(status="dead").exists()
    outcomes = Counter(IngestFile.objects.values_list("outcome", flat=True))
    assert outcomes == {outcome: count * rounds for outcome, count in FILES.items()}
    assert set(IngestFile.objects.filter(outcome="failed").values_list("safe_name", flat=True)) == {"cut.pdf"}
    assert Document.objects.exclude(receipt_sha256=None).count() == FILES["completed"] * rounds
    twice = Chunk.objects.values("document").annotate(n=Count("pk")).exclude(n=1)
    assert not twice.exists(), "each of these texts is one chunk"
    for n in range(rounds):
        for word in (f"heron{n}x3", f"walrus{n}x0", f"lemur{n}", f"newt{n * 100 + 5}", f"stoat{n * 100 + 5}"):
            assert len(search(owner.pk, word).hits) == 1, word
    nothing_is_left(before)


def until_all_has_ended(root, env) -> None:
    """Run workers, one after the other as they die, until every intake has ended."""
    for _ in range(DEATHS + 2):
        with WorkerProcess(root, env, "--processes", "2") as worker:
            worker.until(all_has_ended, 240, dies=True)
        if all_has_ended():
            return
    raise AssertionError("it never ended")


def all_has_ended() -> bool:
    return not Intake.objects.filter(finished_at=None).exists()


def stored() -> set[str]:
    """The names of the files in the document storage, which other tests use as well."""
    folder = Path(storages["documents"].location)
    return {path.name for path in folder.rglob("*") if path.is_file()}


def nothing_is_left(before: set[str]) -> None:
    """No unfinished file, no stored bytes that nothing refers to, and no reference without its bytes."""
    storage.remove_stale_parts(-60)
    ours, known = stored() - before, set(Blob.objects.values_list("sha256", flat=True))
    assert ours <= known
    assert known <= ours | before
    used = Blob.objects.filter(pk__in=IngestFile.objects.exclude(blob=None).values("blob"))
    assert set(Blob.objects.values_list("pk", flat=True)) == {
        *used.values_list("pk", flat=True),
        *Intake.objects.exclude(blob=None).values_list("blob", flat=True),
    }
    assert Outcome.COMPLETED in set(IngestFile.objects.values_list("outcome", flat=True))
