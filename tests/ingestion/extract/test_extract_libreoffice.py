"""Formats by way of LibreOffice: absent unless asked for; the program alone with each file, and bound hand and foot."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion import formats
from ingestion.errors import CorruptFile, ProgramFailed
from ingestion.extract import extract, libreoffice, set_formats, supported_types
from ingestion.limits import Limits
from ingestion.sniff import sniff
from samples import slides
from samples.opendocument import odt
from tests.ingestion.extract.making import changed, part_of

installed = pytest.mark.skipif(shutil.which("soffice") is None, reason="the program soffice is not installed")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    formats.install()


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "soffice"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return program


def test_its_formats_are_absent_by_default_and_there_when_they_are_named(settings) -> None:
    wanted = {each.type for each in libreoffice.FORMATS}
    assert not wanted & set(supported_types())
    settings.INGESTION = {**settings.INGESTION, "FORMATS": ["ingestion.extract.libreoffice.FORMATS"]}
    formats.install()
    assert wanted <= set(supported_types())
    assert formats.load(settings.INGESTION["FORMATS"])[1] == []


@installed
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_presentation_of_before_2007_is_read(tmp_path: Path) -> None:
    set_formats(libreoffice.FORMATS)
    source = tmp_path / "slides.pptx"
    source.write_bytes(slides.pptx("Birds", [["The heron", "waits"], ["An egret", "flies"]]))
    libreoffice.run([libreoffice.PROGRAM, "--headless", "--convert-to", "ppt", "--outdir", str(tmp_path), str(source)])
    document = (tmp_path / "slides.ppt").rename(tmp_path / "no-name")
    detected = sniff(document)
    assert detected.type == "ppt"
    extraction = extract(document, detected)
    assert [page.text.split("\n")[0] for page in extraction.pages] == ["The heron", "An egret"]
    assert extraction.extractor == "libreoffice"


@installed
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_link_to_another_machine_is_not_followed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x.png"
        plain = odt("", ["words"])
        picture = (
            f'<draw:frame svg:width="2cm" svg:height="2cm"><draw:image xlink:href="{address}" xlink:type="simple" '
            'xlink:show="embed" xlink:actuate="onLoad" xmlns:xlink="http://www.w3.org/1999/xlink"/></draw:frame>'
        )
        spaces = (
            '<office:document-content xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" '
            'xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" '
        )
        content = part_of(plain, "content.xml").replace("words", f"words{picture}")
        if "xmlns:draw" not in content:
            content = content.replace("<office:document-content ", spaces)
        path = tmp_path / "linked"
        path.write_bytes(changed(plain, {"content.xml": content.encode()}))
        set_formats([libreoffice.Format(type="ppt", extractor=libreoffice.EXTRACTOR)])
        assert "words" in extract(path, "ppt").pages[0].text
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_file_that_the_program_makes_nothing_of_is_corrupt(tmp_path: Path, stand_in: Path) -> None:
    set_formats(libreoffice.FORMATS)
    stand_in.write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "x").write_bytes(b"words")
    with pytest.raises(CorruptFile):
        extract(tmp_path / "x", "ppt", Limits())


def test_each_file_gets_a_profile_of_its_own_without_macros_and_links_and_nothing_is_left(
    tmp_path: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_formats(libreoffice.FORMATS)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(libreoffice.tempfile, "tempdir", str(scratch))
    stand_in.write_text('#!/bin/sh\ncat "${1#*file://}/user/registrymodifications.xcu" >&2\nexit 7\n')
    (tmp_path / "x").write_bytes(b"words")
    with pytest.raises(ProgramFailed, match=r"ended with 7: .*BlockUntrustedRefererLinks.*<value>true"):
        extract(tmp_path / "x", "ppt", Limits())
    assert list(scratch.iterdir()) == []


def test_a_file_that_is_not_there_is_the_storages_fault(tmp_path: Path) -> None:
    set_formats(libreoffice.FORMATS)
    with pytest.raises(FileNotFoundError):
        extract(tmp_path / "missing", "ppt")
