"""The XML of Word 2003 and Excel 2003: whole documents in one file of XML, settings and pictures included.

Of all that only what a reader of the document sees is text.
"""

from __future__ import annotations

import datetime as dt

from ingestion.extract.contract import PageWriter
from ingestion.extract.docx import BodyTarget
from ingestion.extract.guarded_xml import XmlTarget
from ingestion.extract.sheets import SheetWriter

_WORD = "{http://schemas.microsoft.com/office/word/2003/wordml}wordDocument"
_SHEETS = "{urn:schemas-microsoft-com:office:spreadsheet}"
_TITLE = "{urn:schemas-microsoft-com:office:office}Title"


def target_for(root: str, out: PageWriter) -> XmlTarget | None:
    """What reads a file with this first element, if it is of Word or Excel 2003."""
    if root == _WORD:
        return _Titled(BodyTarget(out, {}), out)
    if root == _SHEETS + "Workbook":
        return _Titled(_Workbook(out), out)
    return None


class _Titled(XmlTarget):
    """Takes the title out of the properties and passes the rest on."""

    def __init__(self, target: XmlTarget, out: PageWriter) -> None:
        self._target = target
        self._out = out
        self._title: list[str] | None = None

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if tag == _TITLE:
            self._title = []
        self._target.start(tag, attrib)

    def end(self, tag: str) -> None:
        if tag == _TITLE and self._title is not None:
            self._out.title("".join(self._title))
            self._title = None
        self._target.end(tag)

    def data(self, data: str) -> None:
        if self._title is not None:
            self._title.append(data)
        self._target.data(data)


class _Workbook(XmlTarget):
    """One page a sheet, one line a row; a comment stands behind its cell."""

    def __init__(self, out: PageWriter) -> None:
        self._out = out
        self._sheet: SheetWriter | None = None
        self._cells: list[object] = []
        self._text: list[str] | None = None  # of the value that is open now
        self._kind = ""

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        match tag.removeprefix(_SHEETS):
            case "Worksheet":
                self._sheet = SheetWriter(attrib.get(_SHEETS + "Name", ""), self._out)
            case "Row":
                self._cells = []
            case "Data":
                self._text = []
                self._kind = attrib.get(_SHEETS + "Type", "String")

    def end(self, tag: str) -> None:
        name = tag.removeprefix(_SHEETS)
        if name == "Data" and self._text is not None:
            self._cells.append(_value(self._kind, "".join(self._text)))
            self._text = None
        elif name == "Row" and self._sheet is not None:
            self._sheet.row(self._cells)
        elif name == "Worksheet" and self._sheet is not None:
            self._sheet.end()
            self._sheet = None

    def data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)


def _value(kind: str, text: str) -> object:
    """The value as the type that the cell names; as it stands there where it is none."""
    try:
        match kind:
            case "Number":
                return float(text)
            case "DateTime":
                return dt.datetime.fromisoformat(text)
            case "Boolean":
                return text.strip() == "1"
    except ValueError:
        pass
    return text
