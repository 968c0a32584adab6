"""Labels of intakes, files and documents: given at the upload for all files or by their paths, changed at any time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from ingestion.errors import ValidationFailed
from ingestion.km import get_store
from ingestion.km.describing import describe
from ingestion.km_outbox import retag
from ingestion.models import Document, IngestFile, Intake

TAGS_MAX, TAG_MAX, PATTERNS_MAX = 50, 64, 1_000
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # NUL, and halves of characters, which JSON can hold
FILE_TAGS = "file_tags"
"""The key in `Intake.options` that keeps patterns of paths with their tags."""


class InvalidTags(ValidationFailed):
    """Tags are not as they must be."""

    code = "invalid_tags"
    hint = f"Give at most {TAGS_MAX} tags of at most {TAG_MAX} characters; for files an object of patterns and lists."


def clean_tags(tags: Sequence[str]) -> list[str]:
    """Tags as they are kept: split at commas, trimmed, each once. Raises InvalidTags."""
    labels = list(dict.fromkeys(label for tag in tags for label in (part.strip() for part in tag.split(",")) if label))
    if len(labels) > TAGS_MAX or any(len(label) > TAG_MAX or _UNSTORABLE.search(label) for label in labels):
        raise InvalidTags(f"At most {TAGS_MAX} tags of at most {TAG_MAX} characters are accepted.")
    return labels


def clean_file_tags(given: str | Mapping[str, Any]) -> dict[str, list[str]]:
    """Patterns with their tags, also from JSON text: `{"contracts/*": ["contract"], "a.pdf": "first, read"}`.

    Raises InvalidTags.
    """
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else {}
        except (ValueError, RecursionError) as error:
            raise InvalidTags(f"file_tags must be a JSON object: {error}") from error
    if not isinstance(given, Mapping) or len(given) > PATTERNS_MAX:
        raise InvalidTags(f"file_tags must be an object of at most {PATTERNS_MAX:,} patterns.")
    cleaned = {}
    for pattern, labels in given.items():
        listed = [labels] if isinstance(labels, str) else labels
        fine = isinstance(listed, list) and all(isinstance(label, str) for label in listed)
        if not fine or not pattern or _UNSTORABLE.search(pattern):
            raise InvalidTags(f"file_tags must give a list of tags for each pattern, as for {pattern[:100]!r}.")
        cleaned[pattern] = clean_tags(listed)
    return cleaned


def tags_for(intake: Intake, path: str) -> list[str]:
    """The tags of a file of this upload: the intake's, and those of each pattern that its path matches.

    `*` stands for any characters, folders included; a pattern without a slash is matched with the name alone, too.
    """
    tags = dict.fromkeys(intake.tags)
    name = path.rpartition("/")[2]
    for pattern, more in intake.options.get(FILE_TAGS, {}).items():
        if fnmatchcase(path, pattern) or ("/" not in pattern and fnmatchcase(name, pattern)):
            tags |= dict.fromkeys(more)
    return list(tags)[:TAGS_MAX]


def set_file_tags(file: IngestFile, tags: Sequence[str]) -> None:
    """Give a file, and its document, these tags in place of those they have. Raises InvalidTags."""
    labels = clean_tags(tags)
    with transaction.atomic():
        document = _locked(file.document_id)  # documents are locked before files, by everybody
        # Under the file's lock: whoever is making its document right now has made it, or will read the new tags.
        locked = IngestFile.objects.select_for_update(no_key=True).get(pk=file.pk)
        IngestFile.objects.filter(pk=file.pk).update(tags=labels)
        if document is None and locked.document_id is not None:
            document = Document.objects.select_related("blob", "file").get(pk=locked.document_id)
        if document is not None:
            _retag(document, labels)
            _tell([document.pk])


def set_document_tags(document: Document, tags: Sequence[str]) -> None:
    """Give a document, and its file, these tags in place of those they have. Raises InvalidTags."""
    labels = clean_tags(tags)
    with transaction.atomic():
        locked = _locked(document.pk)
        if locked is not None:
            IngestFile.objects.filter(document=locked.pk).update(tags=labels)
            _retag(locked, labels)
            _tell([locked.pk])


def set_intake_tags(intake: Intake, tags: Sequence[str]) -> None:
    """Give an intake these tags. Its files get what is new and lose what is gone; tags of their own they keep.

    Raises InvalidTags.
    """
    labels = clean_tags(tags)
    with transaction.atomic():
        mine = IngestFile.objects.filter(intake=intake.pk)
        list(_rows().filter(pk__in=mine.values("document")).order_by("pk").values_list("pk"))
        locked = Intake.objects.select_for_update(no_key=True).get(pk=intake.pk)
        gone, new = set(locked.tags) - set(labels), [tag for tag in labels if tag not in locked.tags]
        Intake.objects.filter(pk=intake.pk).update(tags=labels)
        if not gone and not new:
            return
        changed = []
        for file in mine.select_for_update(no_key=True).order_by("ordinal"):
            tags_now = list(dict.fromkeys([*(tag for tag in file.tags if tag not in gone), *new]))[:TAGS_MAX]
            if tags_now != file.tags:
                file.tags = tags_now
                changed.append(file)
        IngestFile.objects.bulk_update(changed, ["tags"], batch_size=1000)
        tags_of = {file.document_id: file.tags for file in changed if file.document_id is not None}
        documents = Document.objects.select_related("blob", "file").filter(pk__in=tags_of)
        for document in documents.iterator(chunk_size=500):
            _retag(document, tags_of[document.pk])
        _tell([pk for pk in tags_of if pk is not None])


def _rows() -> QuerySet[Document]:
    return Document.objects.select_for_update(no_key=True, of=("self",))


def _locked(document_id: int | None) -> Document | None:
    return _rows().select_related("blob", "file").filter(pk=document_id or 0).first()


def _retag(document: Document, labels: list[str]) -> None:
    """Write the tags where they are shown and where search looks for them."""
    Document.objects.filter(pk=document.pk).update(tags=labels)
    document.tags = labels
    if document.chunk_count:
        get_store().retag(describe(document))


def _tell(document_ids: Sequence[int]) -> None:
    """Have a knowledge store with copies of its own told, when the transaction is through."""
    if get_store().keeps_copies:
        retag(document_ids)
