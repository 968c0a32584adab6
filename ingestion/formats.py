"""The formats that a project adds by the setting FORMATS: loaded at start, looked through by a system check."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from ingestion.extract.contract import Extractor, Format
from ingestion.extract.registry import builtin_types, set_formats
from ingestion.limits import get_limits
from ingestion.models import Document
from ingestion.sniffing.kinds import KINDS

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MIME = re.compile(r"[\w.+-]{1,63}/[\w.+-]{1,63}")
_PATH_HINT = "Name a Format in a module that can be imported, such as 'subtitles.SRT' (docs/how-to/add-a-format.md)."


class Problem(NamedTuple):
    """What is wrong with one entry of FORMATS, and what to do about it."""

    message: str
    hint: str


def install() -> None:
    """Make the formats of the settings known. One with a problem is left out, for the system check to tell."""
    try:
        paths = get_limits().formats
    except ImproperlyConfigured:
        return  # the system check names it, as it does each format's problem
    set_formats(load(paths)[0])


def load(paths: Iterable[str]) -> tuple[list[Format], list[Problem]]:
    """The formats at these dotted paths, one or several each, without those that have a problem; and the problems."""
    formats: list[Format] = []
    problems: list[Problem] = []
    for path in paths:
        found = _loaded(path)
        if isinstance(found, Problem):
            problems.append(found)
            continue
        for each in found:
            problem = _problem(path, each, formats)
            if problem is None:
                formats.append(each)
            else:
                problems.append(problem)
    return formats, problems


def _loaded(path: str) -> tuple[Format, ...] | Problem:
    try:
        found = import_string(path)
    except Exception as error:  # noqa: BLE001 - a module may raise anything; the check tells what
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return Problem(f"The format {path!r} can not be loaded: {told}", _PATH_HINT)
    several = tuple(found) if isinstance(found, list | tuple) else (found,)
    if not all(isinstance(each, Format) for each in several):
        return Problem(f"{path!r} is no Format but of the type {type(found).__name__}.", _PATH_HINT)
    return several


def _problem(path: str, given: Format, before: list[Format]) -> Problem | None:
    longest = Document._meta.get_field("type").max_length
    if not isinstance(given.type, str) or not _NAME.fullmatch(given.type) or len(given.type) > (longest or 0):
        told = f"has the type {given.type!r}"
        return _said(path, told, f"Use lower case letters, digits and _, at most {longest} characters.")
    if given.type in builtin_types() or given.type in {each.type for each in before}:
        return _said(path, f"has the type {given.type!r}, which has a reader already", "Give it another name.")
    if not isinstance(given.extractor, Extractor) or not callable(given.extractor.read):
        return _said(path, "has no extractor", "Give it an Extractor whose `read` is a function(path, out).")
    if isinstance(given.suffixes, str) or not all(isinstance(suffix, str) for suffix in given.suffixes):
        return _said(path, "has suffixes that are no list of texts", 'Write them as in suffixes=(".srt",).')
    if given.matches is None and given.type not in KINDS:
        return _said(path, "can not be told from other files", "Give it `matches`, a function of the first bytes.")
    if given.matches is not None and not callable(given.matches):
        return _said(path, "has a `matches` that can not be called", "Give it a function of the first bytes.")
    if (given.mime or given.type not in KINDS) and not _MIME.fullmatch(given.mime):
        return _said(path, f"has the media type {given.mime!r}", "Write it as in mime='application/x-subrip'.")
    return None


def _said(path: str, told: str, hint: str) -> Problem:
    return Problem(f"The format {path!r} {told}.", hint)
