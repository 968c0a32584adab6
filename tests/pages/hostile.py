"""Hostile strings, a way to put them into every text of every row, and an eye for what would come alive of them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db.models import CharField, Field, JSONField, Model, TextField

from tests.pages.addresses import APPS

STRINGS = (
    "<script>evil()</script>",
    "\"'><img src=evil onerror=evil()>",
    "</script><svg onload=evil()>",
    "javascript:evil()",
    "' autofocus onfocus=evil() x='",
    "evil{{ 7|add:7 }}{% now 'Y' %}",
    "\u202etxt.evil\u2066",
    "\x01\x08\x1b[31m\x7f\x85evil",
    "💥evil\ufffe",
    "evil" * 80,
    "</title></textarea></style><evil-tag>",
    "<!--evil",
)
ALL = " ".join(STRINGS)
SHORT = 255
"""A field that takes less than this gets one of the strings, in turn; others get all of them."""
KEPT = {"operation", "sha256", "storage_key", "fingerprint", "receipt_sha256", "safe_name", "extractor", "method"}
"""What no stranger gives: names from our code, marks and keys that we compute."""
SHAPED: dict[str, Any] = {
    "docqueue.FailureGroup.hours": None,
    "docqueue.Queue.options": None,
    "docqueue.Schedule.options": {"payload": {ALL: ALL}, "metadata": {"tenant": ALL}},
    "docqueue.Batch.on_complete": {"operation": ALL, "payload": {ALL: ALL}},
    "docqueue.Batch.on_failure": {"operation": ALL, "payload": {ALL: ALL}},
    "docqueue.BulkOperation.filter": {"queue": ALL, "operation": ALL, "fingerprint": ALL},
    "docqueue.BulkOperation.options": {"stopped": ALL},
    "docqueue.Worker.info": {
        "database": ALL,
        ALL: ALL,
        "slots": [{"pid": 1, "rss_mb": 1, "operation": ALL, "since": ALL, "database": ALL, "item_id": 1}],
    },
    "ingestion.Intake.counts": None,
    "ingestion.Intake.options": None,
    "ingestion.Document.warnings": [{"code": ALL, "message": ALL, "hint": ALL}],
    "ingestion_resumable.UploadSession.file_tags": {ALL: [ALL]},
}
"""JSON that has a shape. None: nothing of it comes from outside."""


def poison(turn: int) -> None:
    """Put hostile strings into every text of every row of ours. `turn`: with which of them to begin."""
    for model in apps.get_models():
        if model._meta.app_label not in APPS or not model._meta.managed or model._meta.proxy:
            continue
        fields = [one for one in model._meta.concrete_fields if _of_strangers(one)]
        for row in model._base_manager.values_list("pk", flat=True):
            given = {one.name: _value(model, one, turn + n, row) for n, one in enumerate(fields)}
            changed = {name: value for name, value in given.items() if value is not None}
            if changed:
                model._base_manager.filter(pk=row).update(**changed)


def _of_strangers(field: Field[Any, Any]) -> bool:
    known = field.primary_key or field.choices or field.name in KEPT
    return not known and isinstance(field, CharField | TextField | JSONField | ArrayField)


def _value(model: type[Model], field: Field[Any, Any], turn: int, row: Any) -> Any:
    if isinstance(field, ArrayField):
        return [_cut(field.base_field, turn, "")] if isinstance(field.base_field, CharField) else None
    if isinstance(field, JSONField):
        return SHAPED.get(f"{model._meta.app_label}.{model.__name__}.{field.name}", {ALL: [ALL, {ALL: ALL}]})
    if field.name == "time_zone":
        return STRINGS[turn % len(STRINGS)][: field.max_length]
    return _cut(field, turn, f" {row}")


def _cut(field: Any, turn: int, end: str) -> str:
    most = field.max_length
    text = ALL if most is None or most >= SHORT else STRINGS[turn % len(STRINGS)]
    return text if most is None else f"{text[: most - len(end)]}{end}"[:most]


class Eye(HTMLParser):
    """Reads a page as a browser does. `seen`: what came alive of the strings, or is nothing a page of ours has."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[Any] = []
        self.raw = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name: value or "" for name, value in attrs}
        loose = [name for name in names if name.startswith("on") or name in ("style", "srcdoc") or "evil" in name]
        inline = tag == "style" or (
            tag == "script" and not names.get("src") and names.get("type") != "application/json"
        )
        if loose or inline or "evil" in tag or names.get("src") == "evil" or tag in ("iframe", "object", "embed"):
            self.seen.append((tag, attrs))
        for name in ("href", "src", "action", "formaction"):
            scheme = "".join(letter for letter in names.get(name, "") if letter > " ").lower()
            if scheme.startswith(("javascript:", "data:text", "vbscript:")):
                self.seen.append((tag, name, names[name]))

    def handle_comment(self, data: str) -> None:
        if "evil" in data:
            self.seen.append(("comment", data))


def inert(answer: Any, *, styled: bool = False) -> None:
    """Nothing of the strings came alive in this answer, and no template in them was rendered.

    `styled`: a page that is not ours, which brings a style of its own.
    """
    if not answer.get("Content-Type", "").startswith("text/html"):
        assert answer["X-Content-Type-Options"] == "nosniff"
        return
    text = answer.content.decode()
    eye = Eye()
    eye.feed(text)
    eye.close()
    assert [one for one in eye.seen if not (styled and one == ("style", []))] == []
    assert "evil14" not in text
