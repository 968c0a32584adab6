"""What a search is narrowed by: tags, types, the upload, dates; over HTTP, where each is checked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rest_framework.test import APIClient

from ingestion.models import Chunk, Document
from ingestion.search import facets
from tests.ingestion.factories import UserFactory, accept_document, index_text

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def find(owner):
    """Search as the owner; ids of the documents found."""
    client = APIClient()
    client.force_authenticate(owner)

    def find(**params):
        answer = client.get("/api/v1/search", {"q": "heron", **params})
        assert answer.status_code == 200, answer.json()
        return {hit["document_id"] for hit in answer.json()["results"]}

    return find


@pytest.fixture
def refused(owner):
    """Search as the owner, in vain; the problem's detail."""
    client = APIClient()
    client.force_authenticate(owner)

    def refused(**params):
        answer = client.get("/api/v1/search", {"q": "heron", **params})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_search")
        return answer.json()["detail"]

    return refused


def uploaded(owner, at):
    """A document about herons that was taken in then."""
    document = accept_document(owner, f"a heron at {at}")
    Document.objects.filter(pk=document.pk).update(created_at=at)
    document.refresh_from_db()
    index_text(document, "a heron")
    return document.pk


def test_of_several_tags_all_must_be_there(owner, worker, find):
    both = accept_document(owner, "a heron in spring", tags=["birds", "spring"])
    one = accept_document(owner, "a heron in autumn", tags=["birds"])
    worker.run()
    assert find(tag="birds") == {both.pk, one.pk}
    assert find(tag=["birds", "spring"]) == {both.pk}
    assert find(tag=["birds", "fish"]) == set()


def test_of_several_types_one_is_enough(owner, worker, find):
    text = accept_document(owner, "a heron")
    page = accept_document(owner, "<!doctype html><html><body><p>one heron</p></body></html>", "page.html")
    worker.run()
    assert find(type="text") == {text.pk}
    assert find(type="html") == {page.pk}
    assert find(type=["text", "html"]) == {text.pk, page.pk}
    assert find(type="pdf") == set()


def test_a_tag_is_never_taken_for_a_type_or_an_owner(owner, worker, find):
    accept_document(UserFactory(), "their heron", tags=[f"owner:{owner.pk}"])
    mine = accept_document(owner, "my heron", tags=["type:pdf"])
    worker.run()
    assert find() == {mine.pk}
    assert find(type="pdf") == set()


def test_an_upload_narrows_to_its_own_documents(owner, worker, find):
    mine, other, theirs = (accept_document(who, f"heron {n}") for n, who in enumerate((owner, owner, UserFactory())))
    worker.run()
    assert find(intake=mine.file.intake_id) == {mine.pk}
    assert find(intake=theirs.file.intake_id) == set()
    assert other.pk in find()


def test_dates_take_in_their_whole_day_and_times_end_before_themselves(owner, find, settings):
    settings.TIME_ZONE = "UTC"
    evening, midnight, later = (
        uploaded(owner, at)
        for at in (
            datetime(2025, 1, 31, 23, 59, tzinfo=UTC),
            datetime(2025, 2, 1, tzinfo=UTC),
            datetime(2025, 2, 14, 12, tzinfo=UTC),
        )
    )
    assert find(since="2025-02-01") == {midnight, later}
    assert find(until="2025-01-31") == {evening}
    assert find(since="2025-01-31", until="2025-02-01") == {evening, midnight}
    assert find(since="2025-02-01T00:00:01Z") == {later}
    assert find(until="2025-02-14T12:00:00Z") == {evening, midnight}
    assert find(since="2025-02-14T13:30:00+02:00", until="2025-02-14T12:00:01Z") == {later}


def test_a_range_of_dates_may_be_as_long_as_one_likes(owner, find):
    old = uploaded(owner, datetime(1999, 6, 1, tzinfo=UTC))
    new = uploaded(owner, datetime.now(UTC) - timedelta(days=1))
    assert find(since="1990-01-01") == {old, new}
    assert find(until="9999-12-30") == {old, new}
    assert find(since="1999-06-01", until="1999-06-01") == {old}


def test_everything_together_must_hold(owner, worker, find):
    first = accept_document(owner, "a heron", tags=["birds"])
    accept_document(owner, "another heron", tags=["birds"])
    worker.run()
    ask = {"tag": "birds", "type": "text", "intake": first.file.intake_id, "since": "2000-01-01"}
    assert find(**ask) == {first.pk}
    assert find(**ask | {"tag": "fish"}) == set()
    assert find(**ask | {"type": "pdf"}) == set()


def test_empty_values_ask_for_nothing(owner, worker, find):
    document = accept_document(owner, "a heron")
    worker.run()
    assert find(tag="", type=" ", intake="", since="", until="") == {document.pk}


@pytest.mark.parametrize(
    "params",
    [
        {"tag": "x" * 65},
        {"tag": "a\0b"},
        {"tag": [f"t{n}" for n in range(51)]},
        {"type": "x" * 33},
        {"type": "a\0b"},
        {"intake": "x"},
        {"intake": "-1"},
        {"intake": "²"},
        {"intake": str(2**63)},
        {"intake": "9" * 5000},
        {"since": "yesterday"},
        {"since": "2025-02-30"},
        {"until": "2025-01-01T25:00:00Z"},
        {"until": "9999-12-31"},
        {"since": "0001-01-01T00:00:00+23:00"},
        {"since": "2025-02-01", "until": "2025-01-01"},
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_its_name(refused, params):
    assert any(name in refused(**params) for name in params)


def test_a_chunk_has_the_facets_of_its_document(owner, worker):
    document = accept_document(owner, "a heron", tags=["birds"])
    worker.run()
    document.refresh_from_db()
    assert set(Chunk.objects.get().facets) == {
        f"owner:{owner.pk}",
        "type:text",
        "tag:birds",
        f"intake:{document.file.intake_id}",
        f"month:{document.created_at:%Y-%m}",
        f"shelf:{document.pk // 256}",
    }


def test_months_go_from_the_first_to_the_last_in_utc():
    since, until = (datetime.fromisoformat(at) for at in ("2024-11-30T23:30:00-01:00", "2025-02-01T00:30:00+01:00"))
    assert facets.months(since, until) == ["month:2024-12", "month:2025-01"]
    assert facets.months(since, until.replace(year=2040)) is None
