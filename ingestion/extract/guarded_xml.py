"""XML from strangers, event by event: no tree, no entities, no other file, no absurd nesting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lxml import etree

from ingestion.errors import CorruptFile, XmlForbiddenEntity

_MAX_DEPTH = 1_000
_AMPERSAND = "&#38;"  # how a parser that resolves no entities hands over the "&amp;" of an attribute


class XmlTarget:
    """Receives the events of an XML text; what is not overridden is ignored."""

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        """An element begins; `tag` is "{namespace}name"."""

    def end(self, tag: str) -> None:
        """An element ends."""

    def data(self, data: str) -> None:
        """Text, possibly in several pieces."""


def parse_xml(
    blocks: Iterable[bytes],
    target: XmlTarget,
    named: str,
    *,
    stop: Callable[[], bool] = lambda: False,
    plain_doctype: bool = False,
) -> None:
    """Send the events to `target` until `stop()`; `named` is what an error calls the text.

    Raises XmlForbiddenEntity at a DOCTYPE, before any entity is declared, and CorruptFile for XML that is not
    well-formed. With `plain_doctype` a DOCTYPE passes; the caller has seen that it declares nothing.
    """
    _feed(blocks, _Guarded(target, plain_doctype), named, stop=stop)


def check_xml(blocks: Iterable[bytes], named: str, look: Callable[[bytes], None] | None = None) -> None:
    """What `parse_xml` refuses, for XML that another reader will read; `look` is shown the bytes on the way."""
    _feed(blocks, _NoDoctype(), named, look=look)


def _feed(
    blocks: Iterable[bytes],
    target: Any,  # lxml's types ask for a method for every event; a target may leave some out
    named: str,
    *,
    stop: Callable[[], bool] = lambda: False,
    look: Callable[[bytes], None] | None = None,
) -> None:
    parser = etree.XMLParser(target=target, resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)
    try:
        for block in blocks:
            parser.feed(block)
            if look is not None:
                look(block)
            if stop():
                return
        parser.close()
    except etree.XMLSyntaxError as error:
        raise CorruptFile(f"The file is damaged: {named} is not valid XML: {error}") from error


class _NoDoctype:
    """Refuses a DOCTYPE. lxml sends no other events to it, so it costs nothing."""

    def doctype(self, name: str | None, public_id: str | None, system_url: str | None) -> None:
        raise XmlForbiddenEntity

    def close(self) -> None:
        """lxml asks for it; there is nothing to hand over."""


class _Guarded(_NoDoctype):
    """Passes events on; refuses absurd nesting."""

    def __init__(self, target: XmlTarget, plain_doctype: bool) -> None:
        self._target = target
        self._plain_doctype = plain_doctype
        self._depth = 0
        self.data = target.data

    def doctype(self, name: str | None, public_id: str | None, system_url: str | None) -> None:
        if not self._plain_doctype:
            raise XmlForbiddenEntity

    def start(self, tag: str, attrib: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise CorruptFile("The file is damaged: its XML is nested absurdly deeply.")
        if attrib and any(_AMPERSAND in value for value in attrib.values()):
            attrib = {name: value.replace(_AMPERSAND, "&") for name, value in attrib.items()}
        self._target.start(tag, attrib)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._target.end(tag)
