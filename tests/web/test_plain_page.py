"""The page without a browser's script: forms, links, refusals, and what is nobody else's business."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from ingestion.models import Document, IngestFile, Intake
from tests.ingestion.conftest import documents_dir, owner, worker  # noqa: F401 - fixtures
from tests.ingestion.factories import accept, accept_document, accept_zip, upload, zipped

pytestmark = pytest.mark.usefixtures("documents_dir")


@pytest.fixture
def page(owner):  # noqa: F811 - the fixture
    client = Client()
    client.force_login(owner)
    return client


def send(page, *files, **fields):
    return page.post("/", {"file": list(files), "form": "one-form", **fields})


def test_a_stranger_is_asked_to_log_in_and_comes_back(client, owner):  # noqa: F811 - the fixture
    owner.set_password("a long pass phrase")
    owner.save()
    assert client.get("/?q=heron").url == "/login/?next=/%3Fq%3Dheron"
    form = client.get("/login/?next=/%3Fq%3Dheron")
    assert form.context["next"] == "/?q=heron"
    sent = {"username": owner.username, "password": "a long pass phrase", "next": form.context["next"]}
    assert client.post("/login/", sent).url == "/?q=heron"
    assert client.get("/").context["user"] == owner  # who is no member of the staff
    assert "/admin/" not in client.get("/").content.decode()
    assert client.post("/logout/").url == "/login/"
    assert client.get("/").status_code == 302


def test_a_wrong_password_is_told_in_words(client, owner):  # noqa: F811 - the fixture
    answer = client.post("/login/", {"username": owner.username, "password": "no"})
    assert "Please enter a correct username and password" in answer.content.decode()


def test_the_form_takes_an_upload_and_leads_to_its_page(page, worker):  # noqa: F811 - the fixture
    answer = send(page, upload("a.txt"), upload("b.txt", "another"), tags="bill, 2027")
    intake = Intake.objects.get()
    assert (answer.status_code, answer.url) == (303, f"/uploads/{intake.pk}/")
    assert intake.tags == ["bill", "2027"]
    before = page.get(answer.url).content.decode()
    assert "Waiting" in before
    assert '<noscript><meta http-equiv="refresh"' in before
    worker.run()
    after = page.get(answer.url).content.decode()
    assert "2 files: 2 completed" in after
    assert "http-equiv" not in after


def test_a_form_that_is_sent_twice_is_one_upload_and_other_files_from_it_are_another(page):
    first = send(page, upload("a.txt"))
    assert send(page, upload("a.txt")).url == first.url
    assert send(page, upload("b.txt", "something else")).url != first.url
    assert Intake.objects.count() == 2


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ([], 422, "empty_file"),
        ([("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(100))], 415, "unsupported_archive"),
        ([("a.zip", zipped({"../evil.txt": "x"}))], 422, "unsafe_path"),
    ],
)
def test_a_refusal_stands_on_the_page_with_its_code_hint_and_status(page, files, status, code):
    answer = send(page, *[SimpleUploadedFile(name, content) for name, content in files], tags="kept")
    body = answer.content.decode()
    assert (answer.status_code, answer.context["refused"].code) == (status, code)
    assert f"<code>{code}</code>" in body
    assert "Next step:" in body
    assert 'value="kept"' in body
    assert not Intake.objects.exists()


def test_what_is_too_large_is_refused_while_it_comes(page, settings):
    settings.INGESTION = {"MAX_UPLOAD_BYTES": 1000}
    answer = send(page, upload("a.txt", "x" * 5000))
    assert (answer.status_code, answer.context["refused"].code) == (413, "too_large")
    answer = page.post("/", b"x" * 10, content_type="multipart/form-data; boundary=b", CONTENT_LENGTH=str(10**9))
    assert answer.status_code == 413
    assert not Intake.objects.exists()


def test_more_files_than_a_form_may_have_are_refused_in_words(page, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    answer = send(page, *[upload(f"{n}.txt") for n in range(3)])
    assert (answer.status_code, answer.context["refused"].code) == (413, "too_many_files")


def test_the_form_and_the_buttons_need_the_token_against_forged_requests(owner):  # noqa: F811 - the fixture
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    intake = accept(owner)
    for address in ("/", f"/uploads/{intake.pk}/cancel/", f"/uploads/{intake.pk}/delete/"):
        refused = client.post(address, {"file": upload("x.txt")})
        assert refused.status_code == 403, address
        assert "Open the page again" in refused.content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get("/").content.decode())
    assert token
    assert client.post("/", {"file": upload("x.txt"), "csrfmiddlewaretoken": token[1]}).status_code == 303


def test_cancel_is_done_and_said_and_a_second_time_refused(page, owner):  # noqa: F811 - the fixture
    intake = accept(owner, upload("a.txt"), upload("b.txt", "b"))
    answer = page.post(f"/uploads/{intake.pk}/cancel/", follow=True)
    assert "What had not ended was cancelled." in answer.content.decode()
    intake.refresh_from_db()
    assert intake.status == "cancelled"
    again = page.post(f"/uploads/{intake.pk}/cancel/")
    assert (again.status_code, again.context["refused"].code) == (409, "already_finished")


def test_failed_files_are_shown_with_the_reason_and_retried(page, owner, worker):  # noqa: F811 - the fixtures
    intake = accept(owner, upload("a.txt"), upload("bad.pdf", "%PDF-1.4 nothing"))
    worker.run()
    body = page.get(f"/uploads/{intake.pk}/?outcome=failed").content.decode()
    assert "bad.pdf" in body
    assert body.count('<li class="file"') == 1
    assert "<code>corrupt_file</code>" in body
    assert "Next step: Open it in its own program" in body
    bad = IngestFile.objects.get(safe_name="bad.pdf")
    assert page.post(f"/uploads/files/{bad.pk}/retry/").url == f"/uploads/{intake.pk}/?watch=1"
    bad.refresh_from_db()
    assert bad.outcome == ""
    worker.run()
    assert page.post(f"/uploads/{intake.pk}/retry/").status_code == 302
    assert worker.run() >= 2
    good = IngestFile.objects.get(safe_name="a.txt")
    assert page.post(f"/uploads/files/{good.pk}/retry/").context["refused"].code == "nothing_to_retry"


def test_deleting_asks_first_and_says_how_much_goes(page, owner, worker):  # noqa: F811 - the fixtures
    intake = accept_zip(owner, {"a.txt": "one", "b.txt": "two"})
    worker.run()
    question = page.get(f"/uploads/{intake.pk}/delete/")
    assert "Delete “papers.zip”: 2 files" in question.content.decode()
    assert Document.objects.count() == 2
    gone = page.post(f"/uploads/{intake.pk}/delete/", follow=True)
    assert "its 2 files are deleted" in gone.content.decode()
    assert not Document.objects.exists()


def test_another_users_uploads_and_documents_do_not_exist(page, owner, worker):  # noqa: F811 - the fixtures
    other = get_user_model().objects.create_user("other")
    document = accept_document(other, "a secret heron", name="secret.txt")
    worker.run()
    intake = document.file.intake_id
    for address in (f"/uploads/{intake}/", f"/uploads/{intake}/delete/", f"/documents/{document.pk}/"):
        assert page.get(address).status_code == 404, address
    assert "There is nothing here" in page.get(address).content.decode()
    for address in (f"/uploads/{intake}/cancel/", f"/uploads/{intake}/retry/", f"/uploads/{intake}/delete/"):
        assert page.post(address).status_code == 404, address
    assert page.post(f"/uploads/files/{document.file.pk}/retry/").status_code == 404
    assert "secret" not in page.get("/?q=heron").content.decode()
    news = page.get(f"/uploads/news?card={intake}:&key=x").json()
    assert (news["cards"], news["gone"]) == ([], [intake])


def test_a_large_upload_is_shown_page_by_page_and_older_uploads_too(page, owner, worker):  # noqa: F811
    accept_zip(owner, {f"{n:03}.txt": f"file {n}" for n in range(55)})
    worker.run()
    intake = Intake.objects.get()
    first = page.get(f"/uploads/{intake.pk}/").content.decode()
    assert first.count('<li class="file"') == 50
    link = re.search(r'href="(\?after=\d+)"', first)
    assert link
    rest = page.get(f"/uploads/{intake.pk}/{link[1]}").content.decode()
    assert rest.count('<li class="file"') == 5
    assert "054.txt" in rest
    for n in range(20):
        accept(owner, upload(f"later{n}.txt", str(n)))
    home = page.get("/").content.decode()
    assert home.count("<article") == 20
    assert "papers.zip" not in home
    older = page.get(re.search(r'href="(\?before=\d+)"', home)[1]).content.decode()  # type: ignore[index]
    assert "papers.zip" in older
    assert "Show more files" in older


def test_names_and_texts_with_html_are_inert(page, owner, worker):  # noqa: F811 - the fixtures
    name = '<img src=x onerror=alert(1)>".txt'
    document = accept_document(owner, "heron < stork & more", name=name, tags=["<b>tag"])
    several = accept(owner, upload(name, "%PDF-1.4 not one"), upload("b.txt", "b"), tags=["<b>tag"])
    worker.run()
    pages = (
        "/",
        "/?q=heron",
        f"/documents/{document.pk}/",
        f"/uploads/{several.pk}/",
        f"/uploads/{several.pk}/delete/",
    )
    for address in pages:
        body = page.get(address).content.decode()
        assert "<img src=x" not in body, address
        assert "<b>tag" not in body, address
    assert "<mark>heron</mark> &lt; stork &amp; more" in page.get("/?q=heron").content.decode()
    assert "“&lt;i&gt;x”" in page.get("/?q=<i>x").content.decode()


def test_search_narrows_pages_teaches_and_refuses(page, owner, worker):  # noqa: F811 - the fixtures
    for n in range(12):
        accept_document(owner, f"the heron number {n}", name=f"{n}.txt", tags=["even" if n % 2 == 0 else "odd"])
    worker.run()
    first = page.get("/?q=heron")
    assert len(first.context["hits"]) == 10
    more = page.get("/?" + first.context["next_hits"])
    assert len(more.context["hits"]) == 2
    assert len(page.get("/?q=heron&tag=odd").context["hits"]) == 6
    assert len(page.get("/?q=heron&type=pdf").context["hits"]) == 0
    assert "Fewer words find more" in page.get("/?q=stork").content.decode()
    refused = page.get("/?q=heron&cursor=made-up")
    assert (refused.status_code, refused.context["search_refused"].code) == (400, "invalid_search")


def test_news_tells_only_of_cards_that_look_different(page, owner, worker, django_assert_max_num_queries):  # noqa: F811
    ids = [accept(owner, upload(f"{n}.txt", str(n))).pk for n in range(5)]
    asked = "&".join(f"card={pk}:" for pk in ids)
    told = page.get(f"/uploads/news?{asked}").json()["cards"]
    assert [card["id"] for card in told] == ids
    asked = "&".join(f"card={card['id']}:{card['tag']}" for card in told)
    with django_assert_max_num_queries(16):
        assert page.get(f"/uploads/news?{asked}").json()["cards"] == []
    worker.run()
    told = page.get(f"/uploads/news?{asked}&card=nonsense&card=99999999999999999999").json()["cards"]
    assert [(card["id"], card["finished"]) for card in told] == [(pk, True) for pk in ids]
    assert Client().get("/uploads/news").status_code == 401


def test_news_knows_whether_a_key_has_arrived(page, owner):  # noqa: F811 - the fixture
    intake = accept(owner, client_key="page-1")
    assert page.get("/uploads/news?key=page-1&key=page-2").json()["keys"] == {"page-1": intake.pk}


def test_the_files_of_a_folder_keep_their_paths(page, owner):  # noqa: F811 - the fixture
    sent = {"file": [upload("a.txt"), upload("b.txt", "b")], "path": ["bills/2027/a.txt", "bills/b.txt"]}
    assert page.post("/api/v1/documents", sent).status_code == 202
    files = IngestFile.objects.order_by("ordinal").values_list("source_path", "safe_name")
    assert list(files) == [("bills/2027/a.txt", "a.txt"), ("bills/b.txt", "b.txt")]


@pytest.mark.parametrize(
    ("paths", "code"),
    [
        (["a/a.txt"], "invalid_paths"),
        (["../a.txt", "b.txt"], "bad_name"),
        (["C:/a.txt", "b.txt"], "bad_name"),
        (["/etc/passwd", "b.txt"], "bad_name"),
        (["x/" * 40 + "a.txt", "b.txt"], "bad_name"),
        (["", "b.txt"], "bad_name"),
    ],
)
def test_paths_that_lead_elsewhere_are_refused(page, owner, paths, code):  # noqa: F811 - the fixture
    answer = page.post("/api/v1/documents", {"file": [upload("a.txt"), upload("b.txt", "b")], "path": paths})
    assert answer.json()["code"] == code
    assert not Intake.objects.exists()


def test_documents_and_files_are_downloaded_from_where_they_are_shown(page, owner, worker):  # noqa: F811 - the fixtures
    document = accept_document(owner, "the heron", name="a.txt")
    accept_zip(owner, {"x.txt": "an x", "y.txt": "a y"})
    worker.run()
    shown = {"/": 3, f"/documents/{document.pk}/": 1, "/?q=heron": 4}
    for address, number in shown.items():
        links = re.findall(r'href="(?:http://testserver)?([^"]*/content)" download', page.get(address).content.decode())
        assert len(links) == number, address
    assert b"".join(page.get(links[0]).streaming_content) == b"the heron"
