"""How the parts of an office file refer to each other, and the properties they share."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from ingestion.extract.container import Container, XmlTarget


@dataclass(frozen=True, slots=True)
class Relation:
    """A reference from one part to another: its id, the last word of its type, and the part's name."""

    id: str
    kind: str
    target: str


def relations_of(container: Container, part: str) -> list[Relation]:
    """The references of a part ("" for the file as a whole) to other parts that are really there, in order."""
    folder, _, name = part.rpartition("/")
    source = posixpath.join(folder, "_rels", f"{name}.rels")
    if source not in container:
        return []
    target = _RelationsTarget(folder)
    container.parse(source, target)
    return [relation for relation in target.relations if relation.target in container]


def main_part(container: Container) -> str | None:
    """The name of the part that holds the document itself."""
    return next((each.target for each in relations_of(container, "") if each.kind == "officeDocument"), None)


def document_title(container: Container) -> str | None:
    """The title in the document's properties, if it has one."""
    name = next((each.target for each in relations_of(container, "") if each.kind == "core-properties"), None)
    return None if name is None else title_in(container, name)


def title_in(container: Container, part: str) -> str:
    """The title that a part with properties has."""
    target = _TitleTarget()
    container.parse(part, target)
    return "".join(target.title)


class _RelationsTarget(XmlTarget):
    def __init__(self, folder: str) -> None:
        self.relations: list[Relation] = []
        self._folder = folder

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        if tag.endswith("}Relationship") and attrib.get("TargetMode") != "External":
            name = posixpath.normpath(posixpath.join("/", self._folder, attrib.get("Target", "")))
            kind = attrib.get("Type", "").rpartition("/")[2]
            self.relations.append(Relation(attrib.get("Id", ""), kind, name.lstrip("/")))


class _TitleTarget(XmlTarget):
    def __init__(self) -> None:
        self.title: list[str] = []
        self._inside = False

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        self._inside = tag == "{http://purl.org/dc/elements/1.1/}title"

    def end(self, tag: str) -> None:
        self._inside = False

    def data(self, data: str) -> None:
        if self._inside:
            self.title.append(data)
