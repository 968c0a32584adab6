"""Tags: for the upload, for files by their paths, changed later on any of the three."""

from __future__ import annotations

import json

import pytest

from ingestion.models import Document, IngestFile, Intake
from ingestion.services import Narrowing, search
from ingestion.tags import InvalidTags, clean_file_tags, set_intake_tags
from tests.ingestion.factories import UserFactory, accept, accept_document, accept_zip, upload, zipped

pytestmark = pytest.mark.django_db(transaction=True)

PAPERS = {
    "bills/jan.txt": "the heron's bill",
    "bills/old/feb.txt": "another heron",
    "letters/jan.txt": "a heron's letter",
    "more.zip": zipped({"bills/deep.txt": "a deep heron"}),
}


def tags(model=Document, name="title"):
    return dict(model.objects.values_list(name, "tags"))


def test_files_get_the_tags_of_the_patterns_that_their_paths_match(owner, worker):
    patterns = {"bills/*": ["bill", "money"], "jan.txt": "january", "*/deep.txt": ["deep"], "nothing/*": ["none"]}
    accept_zip(owner, PAPERS, tags=["2026"], file_tags=patterns)
    worker.run()
    assert tags(IngestFile, "source_path") == {
        "bills/jan.txt": ["2026", "bill", "money", "january"],
        "bills/old/feb.txt": ["2026", "bill", "money"],
        "letters/jan.txt": ["2026", "january"],
        "more.zip": ["2026"],
        "more.zip/bills/deep.txt": ["2026", "deep"],
    }
    assert Document.objects.get(title="feb.txt").tags == ["2026", "bill", "money"]
    assert {hit.filename for hit in search(owner.pk, "heron", narrowing=Narrowing(tags=("money",))).hits} == {
        "jan.txt",
        "feb.txt",
    }


def test_an_upload_gives_the_patterns_as_json(client, owner, worker):
    client.force_login(owner)
    form = {
        "file": [upload("a.txt", "a"), upload("b.md", "b")],
        "tags": "all",
        "file_tags": json.dumps({"*.md": ["m"]}),
    }
    assert client.post("/api/v1/documents", form).status_code == 202
    assert tags() == {"a.txt": ["all"], "b.md": ["all", "m"]}


@pytest.mark.parametrize(
    "given",
    [
        "[]",
        "{",
        '{"*": 3}',
        '{"*": [3]}',
        '{"": ["x"]}',
        {"*": ["x" * 10_000]},
        {"*": ["a\0b"]},
        {f"{n}": ["x"] for n in range(1_001)},
        "[" * 100_000,
    ],
)
def test_patterns_that_make_no_sense_are_refused_before_a_byte_is_stored(owner, documents_dir, given):
    with pytest.raises(InvalidTags):
        accept(owner, upload(), file_tags=given)
    assert not Intake.objects.exists()
    assert not documents_dir.exists()


def test_patterns_without_tags_are_no_patterns():
    assert clean_file_tags("") == clean_file_tags("{}") == clean_file_tags({}) == {}


def put(client, path, *labels):
    return client.put(f"/api/v1/{path}/tags", json.dumps({"tags": labels}), content_type="application/json")


def test_tags_of_a_document_are_replaced_and_search_filters_by_the_new_ones(client, owner, worker):
    client.force_login(owner)
    document = accept_document(owner, "the heron", tags=["old"])
    worker.run()
    answer = put(client, f"documents/{document.pk}", "new", "<b>bold</b>")
    assert (answer.status_code, answer.json()["tags"]) == (200, ["new", "<b>bold</b>"])
    assert IngestFile.objects.get().tags == ["new", "<b>bold</b>"]
    assert search(owner.pk, "heron", narrowing=Narrowing(tags=("new",))).hits
    assert not search(owner.pk, "heron", narrowing=Narrowing(tags=("old",))).hits


def test_tags_of_a_file_are_changed_before_it_is_a_document(client, owner, worker):
    client.force_login(owner)
    accept_zip(owner, {"a.txt": "alpha", "inner.zip": zipped({"b.txt": "beta"})})
    worker.run_claimed(worker.claim())
    file = IngestFile.objects.get(safe_name="a.txt")
    assert put(client, f"files/{file.pk}", "mine").json()["tags"] == ["mine"]
    worker.run()
    assert Document.objects.get(title="a.txt").tags == ["mine"]


def test_new_tags_of_an_intake_reach_its_files_and_their_own_ones_stay(client, owner, worker):
    client.force_login(owner)
    intake = accept_zip(owner, {"a.txt": "alpha", "b.txt": "beta"}, tags=["old", "kept"], file_tags={"a.*": ["own"]})
    worker.run_claimed(worker.claim())
    assert put(client, f"intakes/{intake.pk}", "kept", "new").json()["tags"] == ["kept", "new"]
    worker.run()
    assert tags() == {"a.txt": ["kept", "own", "new"], "b.txt": ["kept", "new"]}


def test_tags_set_before_an_archive_is_unpacked_reach_its_files(owner, worker):
    intake = accept_zip(owner, {"a.txt": "alpha"})
    set_intake_tags(intake, ["late"])
    worker.run()
    assert tags() == {"a.txt": ["late"]}


@pytest.mark.parametrize("body", ["[]", "{}", '{"tags": "x"}', '{"tags": [1]}', '{"tags": [], "more": 1}', "nothing"])
def test_a_body_that_is_no_list_of_tags_is_refused(client, owner, body):
    client.force_login(owner)
    document = accept_document(owner, tags=["old"])
    answer = client.put(f"/api/v1/documents/{document.pk}/tags", body, content_type="application/json")
    assert answer.status_code in (400, 422)
    assert Document.objects.get().tags == ["old"]


@pytest.mark.parametrize("label", ["x" * 10_000, "a\0b"])
def test_a_tag_that_is_too_long_is_refused_by_its_code(client, owner, label):
    client.force_login(owner)
    document = accept_document(owner)
    assert put(client, f"documents/{document.pk}", label).json()["code"] == "invalid_tags"


@pytest.mark.parametrize("kind", ["documents", "files", "intakes"])
def test_what_belongs_to_others_can_not_be_tagged(client, owner, kind):
    intake = accept(owner, upload())
    pk = {"documents": Document.objects.get().pk, "files": intake.files.get().pk, "intakes": intake.pk}[kind]
    client.force_login(UserFactory())
    assert put(client, f"{kind}/{pk}", "mine").status_code == 404
    assert tags() == {"note.txt": []}
