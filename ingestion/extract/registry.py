"""Which module reads which type, and the one way to run it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol

from ingestion.errors import CorruptFile, IngestionError, PasswordRequired, UnsupportedFile
from ingestion.extract.contract import Extraction, Extractor, PageWriter
from ingestion.limits import Limits

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
}
_SAVE_AS = {"doc": "Open it in Word or LibreOffice, save it as .docx or PDF and upload that."}
_LOCKED = frozenset({"encrypted_office"})  # a document with a password, whatever kind it is inside


class HasType(Protocol):
    """What sniffing gives: at least the type."""

    @property
    def type(self) -> str: ...


def supported_types() -> tuple[str, ...]:
    """The types that text can be taken from."""
    return tuple(_MODULES)


def extractor_for(detected_type: str) -> Extractor:
    """The extractor of a type; UnsupportedFile where there is none, PasswordRequired where nobody could read it."""
    if detected_type in _LOCKED:
        raise PasswordRequired
    module = _MODULES.get(detected_type)
    if module is None:
        told = f"Text can not be taken from files of the type {detected_type!r}."
        raise UnsupportedFile(told, hint=_SAVE_AS.get(detected_type))
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


def extract(path: str | Path, detected: str | HasType, limits: Limits | None = None) -> Extraction:
    """The text of the file at `path`, read as what it was detected to be.

    Whatever a parser raises becomes an `ExtractFailed`, mostly CorruptFile, with the cause chained. Passed on as they
    are: MemoryError, because the limit was met and not the file's fault found, and OSError, because the storage failed
    and not the file.
    """
    extractor = extractor_for(detected if isinstance(detected, str) else detected.type)
    out = PageWriter(limits or Limits())
    try:
        extractor.read(Path(path), out)
    except (IngestionError, MemoryError, OSError):
        raise
    except Exception as error:
        raise CorruptFile(_damaged(extractor, error)) from error
    except BaseException as error:
        # A panic in a Rust extension is no Exception, so that nobody swallows it by accident; here it is the file.
        if type(error).__name__ != "PanicException":
            raise
        raise CorruptFile(_damaged(extractor, error)) from error
    return out.finish(extractor.name, extractor.version)


def _damaged(extractor: Extractor, error: BaseException) -> str:
    told = " ".join(str(error).split())[:300] or type(error).__name__
    return f"The file is damaged and can not be read as {extractor.name}: {told}"
