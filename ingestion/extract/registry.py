"""Which module reads which type, and the one way to run it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Protocol

from django.utils.module_loading import import_string

from ingestion.errors import CorruptFile, IngestionError, PasswordRequired, UnsupportedFile
from ingestion.extract.contract import Extraction, Extractor, Format, NoText, PageWriter, Read, Tell
from ingestion.limits import Limits
from ingestion.sniffing import kinds

# Imported when first needed: a web process that extracts nothing loads no parser.
_MODULES = {
    "pdf": "pdf",
    "docx": "docx",
    "xlsx": "xlsx",
    "pptx": "pptx",
    "odt": "odt",
    "ods": "ods",
    "odp": "odp",
    "epub": "epub",
    "csv": "csv_table",
    "html": "html",
    "markdown": "markdown",
    "text": "text",
    "json": "json_values",
    "eml": "eml",
    "rtf": "rtf",
    "xml": "xml_text",
    "xls": "xls",
    "doc": "doc",
}
_LOCKED = frozenset({"encrypted_office"})  # a document with a password, whatever kind it is inside


_added: dict[str, Extractor] = {}  # of the formats that the project adds


class HasType(Protocol):
    """What sniffing gives: at least the type."""

    @property
    def type(self) -> str: ...


def builtin_types() -> frozenset[str]:
    """The types that are read without anything added."""
    return frozenset(_MODULES) | _LOCKED


def supported_types() -> tuple[str, ...]:
    """The types that text can be taken from."""
    return (*_MODULES, *_added)


def is_readable(detected_type: str) -> bool:
    """Whether text can be taken from a type, at least with a password."""
    return detected_type in _MODULES or detected_type in _added or detected_type in _LOCKED


def set_formats(formats: Iterable[Format]) -> None:
    """Make these, and no others, the formats that are known and read beside those of the project itself."""
    _added.clear()
    added: dict[str, kinds.Kind] = {}
    for each in formats:
        known = kinds.KINDS.get(each.type, kinds.Kind(""))
        endings = (suffix.lower().lstrip(".") for suffix in each.suffixes)
        added[each.type] = kinds.Kind(each.mime or known.mime, (*known.extensions, *endings), each.matches, each.first)
        _added[each.type] = each.extractor
    kinds.set_added(added)


def extractor_for(detected_type: str) -> Extractor:
    """The extractor of a type; UnsupportedFile where there is none, PasswordRequired where nobody could read it."""
    if detected_type in _LOCKED:
        raise PasswordRequired
    if detected_type in _added:
        return _added[detected_type]
    module = _MODULES.get(detected_type)
    if module is None:
        told = f"Text can not be taken from files of the type {detected_type!r}."
        raise UnsupportedFile(told)
    extractor = import_module(f"ingestion.extract.{module}").EXTRACTOR
    assert isinstance(extractor, Extractor)
    return extractor


def preload() -> None:
    """Import every parser now, for a process that is about to fork children which will need them."""
    for detected_type in _MODULES:
        extractor_for(detected_type)


def current_versions() -> dict[str, int]:
    """Each extractor's version by its name: a document read by an older one is outdated. Imports every parser."""
    extractors = (extractor_for(detected_type) for detected_type in supported_types())
    return {extractor.name: extractor.version for extractor in extractors}


def extract(
    path: str | Path,
    detected: str | HasType,
    limits: Limits | None = None,
    *,
    fallback: bool = False,
    tell: Tell | None = None,
) -> Extraction:
    """The text of the file at `path`, read as what it was detected to be. `tell` is told the pages on the way.

    With `fallback` it is read in the other way that its format has, where there is one, and a warning says so.
    Whatever a parser raises becomes an `ExtractFailed`, mostly CorruptFile, with the cause chained. Passed on as they
    are: MemoryError, because the limit was met and not the file's fault found, and OSError, because the storage failed
    and not the file.
    """
    extractor = extractor_for(detected if isinstance(detected, str) else detected.type)
    out = PageWriter(limits or Limits(), tell)
    read = extractor.read
    if fallback and extractor.fallback is not None:
        read = extractor.fallback
        out.warn("fallback_reader", f"the usual reader of {extractor.name} failed, so another one took the text")
    _run(read, Path(path), out, extractor.name)
    extraction = out.finish(extractor.name, extractor.version)
    if out.limits.ocr and not fallback and extraction.no_text_reason in (NoText.SCAN, NoText.DRAWING):
        return _recognised(Path(path), extraction, out.limits, tell)
    return extraction


def _recognised(path: Path, extraction: Extraction, limits: Limits, tell: Tell | None) -> Extraction:
    """The text that the function of the setting OCR sees on the pages of a document without any."""
    out = PageWriter(limits, tell)
    out.title(extraction.title)
    _run(import_string(limits.ocr), path, out, "a scan")
    out.no_text_because(NoText.NOT_RECOGNISED)
    seen = out.finish(extraction.extractor, extraction.version)
    told = "text_recognised: the text was recognised in pictures of the pages (OCR), so some of it may be wrong"
    said = (told,) if seen.has_text else ()
    return replace(seen, warnings=(*extraction.warnings, *said, *seen.warnings))


def _run(read: Read, path: Path, out: PageWriter, name: str) -> None:
    try:
        read(path, out)
    except (IngestionError, MemoryError, OSError):
        raise
    except Exception as error:
        raise CorruptFile(_damaged(name, error)) from error
    except BaseException as error:
        # A panic in a Rust extension is no Exception, so that nobody swallows it by accident; here it is the file.
        if type(error).__name__ != "PanicException":
            raise
        raise CorruptFile(_damaged(name, error)) from error


def _damaged(name: str, error: BaseException) -> str:
    told = " ".join(str(error).split())[:300] or type(error).__name__
    return f"The file is damaged and can not be read as {name}: {told}"
