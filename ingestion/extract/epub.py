"""Books (EPUB): one page a chapter, in the order of reading, each read as the web page that it is.

A chapter is XHTML, and may have the DOCTYPE that older books do: the parser of web pages reads it, which expands no
entities but its own.
"""

from __future__ import annotations

import posixpath
from pathlib import Path
from urllib.parse import unquote

from ingestion.errors import CorruptFile, EncodingUnreadable, PasswordRequired
from ingestion.extract.container import Container, XmlTarget
from ingestion.extract.contract import Extractor, PageWriter
from ingestion.extract.decode import text_of
from ingestion.extract.html import html_to_lines, named_in

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_PACKAGE_TYPE = "application/oebps-package+xml"
# What publishers do to fonts is encryption by name only; everybody may undo it.
_FONTS = frozenset({"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"})
_TEXTS = ("html", "dtbook")  # in the media types of chapters


def read(path: Path, out: PageWriter) -> None:
    """Write each chapter as a page; the title is the book's, else what its first page says."""
    container = Container(path, out.limits)
    if _ENCRYPTION in container:
        _refuse_protected(container)
    package = _package(container)
    book = _BookTarget(posixpath.dirname(package))
    container.parse(package, book)
    out.title(book.title)
    chapters = book.chapters()
    skipped = 0
    for index in out.expect_pages(len(chapters)):
        name, kind = chapters[index]
        if any(word in kind for word in _TEXTS):
            _chapter(container, name, out)
        else:
            skipped += 1
        out.end_page()
        if out.full:
            break
    if skipped:
        out.warn("chapters_not_read", f"chapters that are no text, such as pictures: {skipped}")


def _chapter(container: Container, name: str, out: PageWriter) -> None:
    named = named_in(next(container.read(name), b""))
    try:
        text = text_of(lambda: container.read(name), out, named=named)
    except EncodingUnreadable:
        out.warn("encoding_unreadable", f"a chapter could not be read as text: {name}")
        return
    html_to_lines(text, out)


def _package(container: Container) -> str:
    """The name of the part that lists the others."""
    if _CONTAINER not in container:
        raise CorruptFile("The file is damaged: what says where the book inside of it begins is missing.")
    target = _RootTarget()
    container.parse(_CONTAINER, target)
    name = next((name for name in target.packages if name in container), None)
    if name is None:
        raise CorruptFile("The file is damaged: the book inside of it is missing.")
    return name


def _refuse_protected(container: Container) -> None:
    target = _EncryptionTarget()
    container.parse(_ENCRYPTION, target)
    if not target.methods <= _FONTS:
        raise PasswordRequired(
            "The book is protected against copying: its text can be read only by programs that were given its key.",
            hint="Upload a copy without protection, if its publisher offers one.",
        )


class _RootTarget(XmlTarget):
    """Where the book begins. There may be several versions; the first is the one to read."""

    def __init__(self) -> None:
        self.packages: list[str] = []

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if _local(tag) == "rootfile" and attrib.get("media-type", _PACKAGE_TYPE) == _PACKAGE_TYPE:
            self.packages.append(_part("", attrib.get("full-path", "")))


class _BookTarget(XmlTarget):
    """The title, the parts by their id, and the ids in the order of reading."""

    def __init__(self, folder: str) -> None:
        self.title = ""
        self._folder = folder
        self._parts: dict[str, tuple[str, str]] = {}
        self._spine: list[str] = []
        self._in_title = False

    def chapters(self) -> list[tuple[str, str]]:
        """Name and media type of each, once: nobody reads a chapter a second time."""
        if any(each not in self._parts for each in self._spine):
            raise CorruptFile("The file is damaged: a chapter of the book inside of it is missing.")
        return list(dict.fromkeys(self._parts[each] for each in self._spine))

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        self._in_title = tag == _TITLE and not self.title
        name = _local(tag)
        if name == "item":
            href = unquote(attrib.get("href", "").partition("#")[0])
            self._parts[attrib.get("id", "")] = (_part(self._folder, href), attrib.get("media-type", "").lower())
        elif name == "itemref":
            self._spine.append(attrib.get("idref", ""))

    def end(self, tag: str) -> None:
        self._in_title = False

    def data(self, data: str) -> None:
        if self._in_title:
            self.title += data


class _EncryptionTarget(XmlTarget):
    """How the parts are encrypted that are."""

    def __init__(self) -> None:
        self.methods: set[str] = set()

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if _local(tag) == "EncryptionMethod":
            self.methods.add(attrib.get("Algorithm", ""))


def _part(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join("/", folder, path)).lstrip("/")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


EXTRACTOR = Extractor(name="epub", version=2, read=read)
