"""What is drawn on the sheets of a workbook: text boxes, diagrams, charts' titles."""

from __future__ import annotations

from collections.abc import Callable

from ingestion.extract.container import Container, XmlTarget
from ingestion.extract.drawing import DrawingTarget, local
from ingestion.extract.relations import relations_of

_SHEETS = (
    "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}",
    "{http://purl.oclc.org/ooxml/spreadsheetml/main}",
)
_BESIDE = ("diagramData", "chart")


class Sheets:
    """The sheets of a workbook by name, those that are one chart too."""

    def __init__(self, container: Container, main: str) -> None:
        self._container = container
        listed = _ListTarget()
        container.parse(main, listed)
        parts = {relation.id: relation.target for relation in relations_of(container, main)}
        self._parts = {name: parts[reference] for name, reference in listed.sheets if reference in parts}
        self._seen: set[str] = set()  # a part is read once, however many sheets refer to it

    @property
    def names(self) -> list[str]:
        """The names in the order of the tabs."""
        return list(self._parts)

    def draw(self, name: str, put: Callable[[str], None], *, stop: Callable[[], bool]) -> None:
        """Put the lines of what is drawn on a sheet."""
        if name not in self._parts:
            return
        drawings = [each.target for each in relations_of(self._container, self._parts[name]) if each.kind == "drawing"]
        for drawing in drawings:
            beside = [each.target for each in relations_of(self._container, drawing) if each.kind in _BESIDE]
            for part in (drawing, *beside):
                if part not in self._seen and not stop():
                    self._seen.add(part)
                    self._container.parse(part, DrawingTarget(put), stop=stop)


class _ListTarget(XmlTarget):
    """Name and reference of each sheet."""

    def __init__(self) -> None:
        self.sheets: list[tuple[str, str]] = []

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if local(tag, _SHEETS) == "sheet":
            reference = next((value for key, value in attrib.items() if key.endswith("}id")), "")
            self.sheets.append((attrib.get("name", ""), reference))
