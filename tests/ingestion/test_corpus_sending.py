"""Sending files as the corpus is sent, and what is found of them: paths, outcomes, and the pages of a phrase."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from samples import office
from tests.corpus import sending
from tests.corpus.judge import Found
from tests.corpus.sending import look, send
from tests.corpus.table import Expected

BOOK = office.xlsx("", {"One": [["grey heron"]], "Two": [["white whale"], ["grey whale"]], "Three": [["white whale"]]})
MAIL = (
    b"From: a@example.org\r\nSubject: a mail\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nsee the attachment\r\n"
    b'--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="note.txt"\r\n\r\n'
    b"call me\r\n--b--\r\n"
)


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


def row(path: str, phrase: str) -> Expected:
    return Expected(path=path, type="", sha256="", outcome="completed", phrase=phrase, page=1)


@pytest.fixture
def found(owner, worker, tmp_path: Path):
    """Send these files and look for these phrases."""

    def run(files: dict[str, bytes], phrases: dict[str, str]) -> dict[str, Found]:
        for path, content in files.items():
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_bytes(content)
        sent = send(owner.pk, tmp_path, list(files))
        assert sent.unfinished() == [path for path in files if path not in sent.refused]
        worker.run()
        assert sent.unfinished() == []
        return look(sent, [row(path, phrase) for path, phrase in phrases.items()])

    return run


def test_a_phrase_is_found_on_the_pages_of_its_own_document_alone(found):
    files = {"tika/a.xlsx": BOOK, "tika/b.txt": b"of a white whale", "tika/c.txt": b"white and whale"}
    seen = found(files, dict.fromkeys(files, "white whale"))
    assert {path: each.pages for path, each in seen.items()} == {
        "tika/a.xlsx": {2, 3},
        "tika/b.txt": {1},
        "tika/c.txt": frozenset(),
    }
    assert seen["tika/a.xlsx"].sha256 == hashlib.sha256(BOOK).hexdigest()


def test_a_phrase_is_found_in_the_last_of_many_documents_with_it(found, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sending, "HITS_A_PAGE", 2)
    files = {f"tika/{number}.txt": f"white whale {number}".encode() for number in range(5)}
    seen = found(files, dict.fromkeys(files, "white whale"))
    assert all(each.pages == {1} for each in seen.values())


def test_files_inside_of_others_have_the_path_of_these_before_theirs(found):
    inner = zipped(deep__txt=b"deep inside")
    files = {"zips/a.zip": zipped(inner__zip=inner, empty__txt=b""), "tika/mail.eml": MAIL, "zips/cut.zip": inner[:-30]}
    seen = found(files, {"zips/a.zip!inner.zip/deep.txt": "deep inside", "tika/mail.eml!note.txt": "call me"})
    deep, note = seen.pop("zips/a.zip!inner.zip/deep.txt"), seen.pop("tika/mail.eml!note.txt")
    assert (deep.outcome, deep.pages, note.outcome, note.pages) == ("completed", {1}, "completed", {1})
    assert {path: replace(each, sha256="") for path, each in seen.items()} == {
        "zips/a.zip": Found(outcome="unpacked"),
        "zips/a.zip!inner.zip": Found(outcome="unpacked"),
        "zips/a.zip!empty.txt": Found(outcome="failed", code="empty_file"),
        "tika/mail.eml": Found(outcome="completed"),
        "zips/cut.zip": Found(outcome="refused", code="truncated_archive"),
    }


def test_why_a_document_has_no_text_is_its_code(found):
    assert found({"tika/a.html": b"<html><body></body></html>"}, {})["tika/a.html"].code == "empty"
