"""What stands above and below the pages of an OpenDocument file: headers and footers of its kinds of pages."""

from __future__ import annotations

import re

from ingestion.extract.container import Container
from ingestion.extract.odf import STYLE, OdfTarget

_STYLES = "styles.xml"
_AROUND = ("style:header", "style:footer")
# Filled in for each page anew: what the file has in their place is no text of its author.
_FIELDS = frozenset(f"text:{name}" for name in ("sheet-name", "page-number", "page-count", "date", "time", "title"))
_WORD = re.compile(r"\w+")


def around_pages(container: Container, *, fields: bool = True) -> dict[str, list[str]]:
    """The headers and footers by the kind of page, each text once; without `fields` no dates and page numbers."""
    if _STYLES not in container:
        return {}
    target = _AroundTarget(fields)
    container.parse(_STYLES, target)
    return {page: list(dict.fromkeys(texts)) for page, texts in target.texts.items()}


class _AroundTarget(OdfTarget):
    """Collects the headers and footers that are shown."""

    def __init__(self, fields: bool) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {}
        self._fields = fields
        self._without_field = False  # the open paragraph has lost one
        self._page = ""

    def skips(self, name: str, attrib: dict[str, str]) -> bool:
        if name in _FIELDS and not self._fields:
            self._without_field = True
            return True
        unseen = name.startswith(_AROUND) and attrib.get(STYLE + "display") == "false"
        return unseen or super().skips(name, attrib)

    def begin(self, name: str, attrib: dict[str, str]) -> None:
        if name == "style:master-page":
            self._page = attrib.get(STYLE + "name", "")
        elif name.startswith(_AROUND):
            self._inside.append([])
        elif name == "text:p":
            self._without_field = False

    def finish(self, name: str) -> None:
        if name == "text:p" and self._without_field and self._inside and self._inside[-1]:
            if len(_WORD.findall(self._inside[-1][-1])) < 2:  # "Page", without its number
                self._inside[-1].pop()
        elif name.startswith(_AROUND) and (text := "\n".join(self._inside.pop()).strip()):
            self.texts.setdefault(self._page, []).append(text)
