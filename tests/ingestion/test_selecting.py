"""Which files a selection is about, and its preview: counted, bounded, by index, and nothing changed."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from docqueue.models import QueueItem
from ingestion import selecting
from ingestion.admin.filters import FAILED_CODES, failed_codes
from ingestion.errors import CorruptFile, InvalidSelection
from ingestion.extract.registry import current_versions
from ingestion.models import Document, IngestFile, Outcome
from ingestion.reprocess import REPROCESSABLE
from ingestion.selecting import Preview, Selection, preview
from tests.ingestion.factories import UserFactory, accept, accept_document, accept_zip, upload

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def papers(owner, worker, monkeypatch):
    """An upload with two texts, a corrupt one, an unsupported one; and one text of somebody else."""
    intake = accept(owner, upload("bad.txt", "bad"))
    with monkeypatch.context() as patch:
        patch.setattr("ingestion.pipeline.extract", _raise(CorruptFile()))
        worker.run()
    rest = accept(owner, upload("a.txt", "alpha"), upload("b.md", "# beta"), upload("x.exe", b"MZ" + b"\0" * 200))
    accept_document(UserFactory(), "theirs")
    worker.run()
    return intake, rest


def names(selection):
    return sorted(IngestFile.objects.filter(selection.condition()).values_list("safe_name", flat=True))


def test_a_selection_is_about_the_files_that_fit_all_that_is_given(owner, papers):
    _, rest = papers
    mine = {"owner": owner.pk}
    assert names(Selection(**mine, error_code="corrupt_file")) == ["bad.txt"]
    assert names(Selection(**mine, outcome=Outcome.FAILED)) == ["bad.txt", "x.exe"]
    assert names(Selection(**mine, intakes=(rest.pk,))) == ["a.txt", "b.md", "x.exe"]
    assert names(Selection(**mine, intakes=(rest.pk,), error_code="corrupt_file")) == []
    assert names(Selection(**mine, type="text")) == ["a.txt"]
    assert names(Selection(**mine, extractor="markdown")) == ["b.md"]
    file = rest.files.get(safe_name="a.txt")
    assert names(Selection(**mine, files=(file.pk,))) == ["a.txt"]
    assert names(Selection(**mine, documents=(file.document_id,))) == ["a.txt"]


def test_other_users_files_are_in_no_selection_but_that_of_everybody(owner, papers):
    theirs = IngestFile.objects.exclude(intake__owner=owner).get()
    for given in ({"files": (theirs.pk,)}, {"documents": (theirs.document_id,)}, {"intakes": (theirs.intake_id,)}):
        assert names(Selection(owner=owner.pk, **given)) == []
        assert names(Selection(**given)) == ["note.txt"]


def test_outdated_are_documents_that_an_older_version_read(owner, papers):
    version = current_versions()["text"]
    assert names(Selection(owner=owner.pk, outdated=True)) == []
    Document.objects.filter(owner=owner).update(extractor_version=0)
    assert names(Selection(owner=owner.pk, outdated=True)) == ["a.txt", "b.md"]
    assert names(Selection(owner=owner.pk, outdated=True, extractor="text")) == ["a.txt"]
    assert names(Selection(owner=owner.pk, extractor="text", extractor_version_below=version)) == ["a.txt"]
    assert names(Selection(owner=owner.pk, extractor="text", extractor_version_below=version + 9)) == ["a.txt"]
    Document.objects.filter(owner=owner).update(extractor_version=version + 9)
    assert names(Selection(owner=owner.pk, extractor="text", extractor_version_below=version + 9)) == []


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"owner": 1},
        {"error_code": "x" * 101},
        {"error_code": "a\0b"},
        {"error_code": "corrupt_file", "outcome": "completed"},
        {"outcome": "lost"},
        {"documents": ("1",)},
        {"documents": (True,)},
        {"files": (2**63,)},
        {"files": tuple(range(1001))},
        {"extractor_version_below": 2},
        {"extractor": "pdf", "extractor_version_below": 0},
        {"extractor": "pdf", "extractor_version_below": 2, "outdated": True},
        {"outdated": "yes"},
    ],
)
def test_a_selection_that_says_nothing_or_nonsense_is_refused(given):
    with pytest.raises(InvalidSelection):
        Selection(**given)


def test_a_selection_survives_the_way_through_json():
    selection = Selection(owner=7, documents=(1, 2), error_code="timed_out", extractor="pdf", outdated=True)
    assert Selection.from_mapping(json.loads(json.dumps(selection.as_dict()))) == selection
    with pytest.raises(InvalidSelection):
        Selection.from_mapping({"error_codes": ["timed_out"]})


def test_a_preview_counts_and_changes_nothing(owner, papers):
    accept(owner, upload("waiting.txt", "waiting"))
    before = list(IngestFile.objects.order_by("pk").values())
    items = list(QueueItem.objects.values_list("pk", "status"))
    pks = tuple(IngestFile.objects.filter(intake__owner=owner).values_list("pk", flat=True))
    counts = preview(Selection(owner=owner.pk, files=pks))
    assert (counts.total, counts.reprocessable, counts.under_way, counts.not_reprocessable) == (5, 4, 1, 0)
    assert counts.by_outcome == {"completed": 2, "failed": 2, "under_way": 1}
    assert counts.by_error_code == {"corrupt_file": 1, "unsupported_type": 1}
    assert [(kind["type"], kind["files"]) for kind in counts.by_extractor] == [("markdown", 1), ("text", 1)]
    assert counts.bytes == sum(len(text) for text in ("bad", "alpha", "# beta")) + 202
    assert list(IngestFile.objects.order_by("pk").values()) == before
    assert list(QueueItem.objects.values_list("pk", "status")) == items


def test_a_preview_tells_what_has_no_bytes_and_which_archives_would_be_unzipped(owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha", ".DS_Store": b"\0", "lost.txt": "lost"})
    worker.run()
    lost = intake.files.filter(safe_name="lost.txt")
    lost.update(
        document=None, blob=None, item_id=None, outcome="failed", stage="unzip_failed", error_code="crc_mismatch"
    )
    selection = Selection(owner=owner.pk, intakes=(intake.pk,))
    counts = preview(selection)
    assert (counts.reprocessable, counts.not_reprocessable, counts.archives) == (1, 2, 1)
    assert preview(selection, archives=False).archives == 0
    assert preview(Selection(owner=owner.pk, outcome="completed", intakes=(intake.pk,))).archives == 0
    assert preview(Selection(owner=owner.pk, error_code="crc_mismatch")).archives == 1
    assert preview(Selection(owner=UserFactory().pk, error_code="crc_mismatch")).archives == 0
    assert preview(selection, documents=False) == _without_documents(counts)


def _without_documents(counts):
    return Preview(**{**vars(counts), "reprocessable": 0, "bytes": 0})


def test_a_preview_counts_so_far_and_no_further(owner, papers, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(selecting, "COUNTED", 2)
    with django_assert_num_queries(3):
        counts = preview(Selection(owner=owner.pk, intakes=tuple(intake.pk for intake in papers)))
    assert (counts.total, counts.at_least) == (2, True)


LOAD = """
insert into ingestion_blob (sha256, size, storage_key) values ('x', 1, 'x');
insert into ingestion_intake (owner_id, kind, status, stage, percent, message, waiting_reason, filename, size,
    planned_files, tags, priority, options, counts, client_digest, correlation_id, error_code, error_message)
select %(owner)s, 'files', 'completed', 'completed', 100, '', '', '', 0, 100, '{}', 0, '{}', '{}', '', '', '', ''
from generate_series(1, 300);
insert into ingestion_document (owner_id, title, blob_id, tags, type, content_type, text_status, text_reason, text_note,
    text_length, chunk_count, extractor, extractor_version, warnings, km_ref)
select %(owner)s, 'd' || n, (select max(id) from ingestion_blob), '{}', 'pdf', '', 'ok', '', '', 0, 0,
    case when n %% 3 = 0 then 'pdf' else 'docx' end, case when n %% 500 = 0 then 1 else 2 end, '[]', ''
from generate_series(1, 30000) n;
insert into ingestion_ingestfile (intake_id, ordinal, depth, source_path, safe_name, tags, size, blob_id, document_id,
    stage, outcome, percent, message, waiting_reason, error_code, error_message, hint, finished_at)
select i.low + row %% 300, row, 0, 'n', 'n', '{}', 1, d.blob_id, d.id, 'completed',
    case when row %% 100 = 0 then 'failed' else 'completed' end, 100, '', '',
    case when row %% 100 = 0 then 'code' || row %% 7 else '' end, '', '', now()
from (select *, row_number() over (order by id) as row from ingestion_document) d,
    (select min(id) as low from ingestion_intake) i;
analyze ingestion_document, ingestion_ingestfile, ingestion_intake;
"""


PAGES = 480  # of 8 KiB: what reading one of the two tables would take


@pytest.fixture
def crowd(owner):
    """30,000 files, of which few have failed and few are outdated."""
    with connection.cursor() as cursor:
        cursor.execute(LOAD, {"owner": owner.pk})


@pytest.mark.parametrize(
    ("given", "index"),
    [
        ({"error_code": "code3"}, "ingestion_file_failed"),
        ({"error_code": "there is none"}, "ingestion_file_failed"),
        ({"extractor": "pdf", "extractor_version_below": 2}, "ingestion_document_extractor"),
    ],
)
def test_a_slice_is_found_by_index_and_not_by_reading_the_tables(owner, crowd, given, index):
    for whose in (None, owner.pk):
        rows = IngestFile.objects.filter(REPROCESSABLE, Selection(owner=whose, **given).condition(), pk__gt=0)
        plan = rows.order_by("pk").values("pk")[:500].explain(analyze=True, format="json", buffers=True)
        assert index in plan
        top = json.loads(plan)[0]["Plan"]
        assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < PAGES / 2, plan


@pytest.mark.parametrize("given", [{"error_code": "code3"}, {"extractor": "pdf", "extractor_version_below": 2}])
def test_a_preview_reads_what_it_counts_and_not_the_tables(owner, crowd, given):
    with CaptureQueriesContext(connection) as seen:
        counts = preview(Selection(owner=owner.pk, **given))
    assert 0 < counts.total < 100
    for query in seen.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute("explain (analyze, buffers, format json) " + query["sql"])
            top = cursor.fetchone()[0][0]["Plan"]
        assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < PAGES, query["sql"]


def test_the_codes_of_failed_files_are_looked_up_in_the_index(crowd):
    assert failed_codes() == [f"code{n}" for n in range(7)]
    with connection.cursor() as cursor:
        cursor.execute("explain (analyze, buffers, format json) " + FAILED_CODES)
        plan = cursor.fetchone()[0]
    assert json.dumps(plan).count("ingestion_file_failed") == 2
    assert plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"] < 100


def _raise(error):
    def fail(*args, **kwargs):
        raise error

    return fail
