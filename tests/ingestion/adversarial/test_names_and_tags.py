"""Names and tags that mean harm, or that systems do not agree on: kept as labels, escaped wherever they are shown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from django.utils.html import escape

from ingestion import storage
from ingestion.models import IngestFile, Intake, IntakeStatus, Outcome
from tests.ingestion import hostile_zips as zips
from tests.ingestion.adversarial.conftest import DOCUMENTS, SIBLINGS, Door, among_siblings, codes, siblings
from tests.ingestion.factories import upload

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = "<script>alert(1)</script>"
HOSTILE_NAMES = [
    f"{SCRIPT}.txt",
    "<img src=x onerror=alert(1)>.txt",
    "'; drop table ingestion_document; --.txt",
    "100%_{{ 7*7 }}{% debug %}.txt",
    "=cmd|'calc'!A0.txt",
    "+1+1.txt",
    "@SUM(A1).txt",
]


def test_a_nul_in_a_name_is_a_bad_name_and_the_names_are_compared_as_they_are(door: Door) -> None:
    cut = zips.entry(b"nul\0hid.txt", b"behind the NUL\n")
    other = replace(zips.entry("shown.txt", b"two names\n"), local_name=b"shown.tx\0")
    intake = door.finish(door.accepts(upload("papers.zip", among_siblings(cut, zips.entry("nul", b"nul\n"), other))))
    found = codes(intake)
    assert (found["nul\\x00hid.txt"], found["nul"], found["shown.txt"]) == ("bad_name", "completed", "header_mismatch")


def test_names_that_are_equal_differ_in_case_or_name_a_folder_too_are_all_kept(door: Door) -> None:
    names = ["same.txt", "same.txt", "SAME.TXT", "thing", "thing/", "thing/inner.txt"]
    entries = [
        zips.entry(name, b"" if name.endswith("/") else b"content number %d\n" % n) for n, name in enumerate(names)
    ]
    intake = door.finish(door.accepts(upload("papers.zip", among_siblings(*entries))))
    kept = list(intake.files.exclude(safe_name__in=SIBLINGS).order_by("ordinal").values_list("source_path", "outcome"))
    assert kept == [(name, Outcome.COMPLETED) for name in names if not name.endswith("/")]
    assert intake.files.values("ordinal").distinct().count() == 5 + len(SIBLINGS)
    assert {hit["filename"] for hit in door.search("content number")} >= {"same.txt", "SAME.TXT", "thing", "inner.txt"}


ODD_NAMES = {
    "invoice\u202efdp.exe.txt": ("invoice\\u202efdp.exe.txt", "invoicefdp.exe.txt"),
    "n" * 300 + ".txt": ("n" * 300 + ".txt", "n" * 251 + ".txt"),
    "CON.txt": ("CON.txt", "_CON.txt"),
    "dots.txt. .": ("dots.txt. .", "dots.txt"),
    "two\nlines.txt": ("two\\nlines.txt", "twolines.txt"),
}


def test_names_that_mislead_or_that_no_system_can_store_get_a_safe_name_and_a_label(door: Door) -> None:
    entries = [zips.entry(name, b"odd number %d\n" % n) for n, name in enumerate(ODD_NAMES)]
    intake = door.finish(door.accepts(upload("papers.zip", among_siblings(*entries))))
    rows = intake.files.exclude(safe_name__in=SIBLINGS).order_by("ordinal").values_list("source_path", "safe_name")
    assert list(rows) == list(ODD_NAMES.values())
    assert set(intake.files.values_list("outcome", flat=True)) == {Outcome.COMPLETED}
    shown = {file["source_path"] for file in door.shown(intake)}
    assert shown >= {label for label, _ in ODD_NAMES.values()}
    titles = {document["title"] for document in door.api.get(DOCUMENTS).json()["results"]}
    assert titles >= {name for _, name in ODD_NAMES.values()}


def test_the_same_names_sent_as_files_of_their_own_are_safe_too(door: Door) -> None:
    files = [upload(name, f"odd number {n}") for n, name in enumerate(ODD_NAMES)]
    intake = door.finish(door.accepts(*files, *siblings()))
    assert intake.status == IntakeStatus.COMPLETED
    names = set(intake.files.values_list("safe_name", flat=True))
    assert names >= {"_CON.txt", "dots.txt"}
    assert all(len(name.encode()) <= 255 and name.isprintable() for name in names)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Übergröße – résumé.txt".replace("–", "-"), "cp437"),
        ("文章テスト資料.txt", "cp932"),
        ("审计压缩包文件检索测试.txt", "gbk"),
        ("ÀÉÎõü.txt", "latin-1"),
    ],
    ids=["cp437", "Shift-JIS", "GBK", "Latin-1"],
)
def test_a_name_in_an_old_encoding_is_readable_and_its_bytes_are_kept(door: Door, name: str, encoding: str) -> None:
    raw = name.encode(encoding)
    intake = door.finish(door.accepts(upload("papers.zip", among_siblings(zips.entry(raw, b"a quokka\n")))))
    (hit,) = door.search("quokka")
    if encoding == "latin-1":  # nothing tells it from cp437: a label, if not the right one
        assert hit["filename"].endswith(".txt")
    else:
        assert hit["filename"] == name
    assert intake.blob is not None
    with storage.open(intake.blob.storage_key) as archive:
        assert raw in archive.read(), "the archive itself is kept, and with it the name as it came"


def test_what_an_operating_system_left_behind_is_skipped_and_counted_by_itself(door: Door) -> None:
    left = ["__MACOSX/._first.txt", ".DS_Store", "folder/.DS_Store", "Thumbs.db", "folder/desktop.ini"]
    junk = [zips.entry(name, b"\0\5\26\7 junk of %d" % n) for n, name in enumerate(left)]
    intake = door.finish(door.accepts(upload("papers.zip", among_siblings(*junk))))
    shown = door.api.get(f"/api/v1/intakes/{intake.pk}").json()
    assert [shown[f"files_{name}"] for name in ("total", "completed", "skipped", "failed")] == [8, 3, 5, 0]
    assert shown["status"] == "completed"
    skipped = intake.files.filter(outcome=Outcome.SKIPPED)
    assert (set(skipped.values_list("source_path", flat=True)), set(skipped.values_list("blob", flat=True))) == (
        set(left),
        {None},
    )


def test_a_tag_of_ten_thousand_characters_is_refused_wherever_it_is_given(door: Door) -> None:
    long = "x" * 10_000
    assert door.refuses(*siblings(), tags=long)["code"] == "invalid_tags"
    assert door.refuses(*siblings(), file_tags=json.dumps({"*": [long]}))["code"] == "invalid_tags"
    intake = door.finish(door.accepts(*siblings()))
    file = intake.files.get(ordinal=0)
    for address in (f"intakes/{intake.pk}", f"files/{file.pk}", f"documents/{file.document_id}"):
        answer = door.api.put(f"/api/v1/{address}/tags", {"tags": [long]}, format="json")
        assert (answer.status_code // 100, Intake.objects.get().tags) == (4, [])
    assert not IngestFile.objects.exclude(tags=[]).exists()


@pytest.mark.parametrize("label", ["half \ud800 a character", "a NUL \0 in it"])
def test_tags_that_no_database_can_store_are_refused(door: Door, label: str) -> None:
    assert door.refuses(*siblings(), file_tags=json.dumps({"*": [label]}))["code"] == "invalid_tags"
    assert door.refuses(*siblings(), file_tags=json.dumps({label: ["tag"]}))["code"] == "invalid_tags"
    intake = door.finish(door.accepts(*siblings()))
    body = json.dumps({"tags": [label]})
    answer = door.api.put(f"/api/v1/intakes/{intake.pk}/tags", body, content_type="application/json")
    assert (answer.status_code // 100, Intake.objects.get().tags) == (4, [])


def test_sql_html_and_formulas_in_names_and_tags_are_only_words(door: Door) -> None:
    tags = [SCRIPT, "'; drop table ingestion_document; --", "=1+1", "{{ 7*7 }}"]
    entries = [zips.entry(name, f"an innocent wombat, number {n}\n".encode()) for n, name in enumerate(HOSTILE_NAMES)]
    patterns = json.dumps({HOSTILE_NAMES[2]: ["'; select 1; --"], "*": ["everything"]})
    intake = door.finish(door.accepts(upload("papers.zip", among_siblings(*entries)), tags=tags, file_tags=patterns))
    assert intake.status == IntakeStatus.COMPLETED
    assert set(codes(intake)) == {*HOSTILE_NAMES, *SIBLINGS}, "names are shown as they came"
    assert set(intake.files.get(source_path=HOSTILE_NAMES[2]).tags) == {*tags, "'; select 1; --", "everything"}
    assert len(door.search("wombat")) == len(HOSTILE_NAMES)
    for tag in tags:
        assert len(door.api.get(DOCUMENTS, {"tag": tag}).json()["results"]) == len(HOSTILE_NAMES) + len(SIBLINGS)
    assert door.api.get(f"/api/v1/intakes/{intake.pk}")["X-Content-Type-Options"] == "nosniff"


def test_hostile_names_of_the_upload_itself_and_of_what_fails_are_escaped(door: Door) -> None:
    failing = [replace(zips.entry(f"{n}{SCRIPT}.txt", b"text\n" * 9), crc=1) for n in range(2)]
    program = zips.entry("<img src=x onerror=alert(1)>", b"MZ" + bytes(200))
    archive = upload("<img src=x onerror=alert(1)>.zip", among_siblings(*failing, program))
    intake = door.finish(door.accepts(archive, tags=SCRIPT))
    assert intake.filename == "<img src=x onerror=alert(1)>.zip"
    assert sorted(intake.files.exclude(error_code="").values_list("error_code", flat=True)) == [
        "crc_mismatch", "crc_mismatch", "unsupported_type"
    ]  # fmt: skip
    problem = door.refuses(upload("evil.zip", zips.named(f"../{SCRIPT}")))
    assert SCRIPT in problem["detail"]


UNCLOSED = f"a numbat, 1 < 2 & {SCRIPT} and <img src=x onerror=alert(1)"
MAIL = "Message-ID: <1@x>\nFrom: a@x\nTo: b@x\nSubject: {0}\nMIME-Version: 1.0\n\n{0}"
PAGE = "<html><title>{0}</title><body><p>{0}</body></html>"


def test_html_in_a_text_or_title_is_escaped_in_snippets_and_pages(door: Door) -> None:
    page, mail = PAGE.format(escape(UNCLOSED)), MAIL.format(UNCLOSED)
    files = [upload("text.txt", UNCLOSED), upload("page.html", page), upload("mail.eml", mail)]
    door.finish(door.accepts(*files, *siblings()))
    hits = door.search("numbat")
    assert {hit["filename"] for hit in hits} == {"text.txt", "page.html", "mail.eml"}
    for hit in hits:
        assert "<mark>numbat</mark>" in hit["snippet"]
        plain = hit["snippet"].replace("<mark>", "").replace("</mark>", "")
        assert "<" not in plain
        assert "1 &lt; 2 &amp;" in plain
