"""Templates: named in the settings, an operation with arguments of enqueue."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from docqueue import validation
from docqueue.conf import get_settings
from docqueue.enqueuing import Enqueued
from docqueue.exceptions import DocqueueError, PayloadMisfit, UnknownTemplate
from docqueue.producing import Producing
from docqueue.rules import Rules
from docqueue.validation import DocumentId, NewItem

MERGED = ("payload", "metadata")
OF_RULES = frozenset(Rules.__dataclass_fields__)


class Templates(Producing):
    """The verb of producers that have what they enqueue in the settings."""

    def enqueue_template(self, name: str, document_id: DocumentId | None = None, **changes: Any) -> Enqueued:
        """Put one item into the queue as the template of this name in DOCQUEUE["TEMPLATES"] says.

        `changes` are arguments of `enqueue` and go before the template's; of payload and metadata each key does for
        itself. Raises `UnknownTemplate` with the nearest name, and whatever `enqueue` raises.
        """
        return self.enqueue(document_id, **options(name, changes))


def options(name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A template's arguments of enqueue, with changes. Raises `UnknownTemplate`."""
    known = get_settings().TEMPLATES
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=1)
        suggestion = f" Did you mean {close[0]!r}?" if close else ""
        raise UnknownTemplate(f"There is no template {name!r}.{suggestion}")
    said = known[name]
    merged = {key: {**(said.get(key) or {}), **(changes[key] or {})} for key in MERGED if key in changes}
    return {**said, **changes, **merged}


def problems() -> list[str]:
    """Which templates enqueue would refuse, and why: one sentence a problem. The handlers must be registered by now."""
    found = []
    for name, said in get_settings().TEMPLATES.items():
        rules = Rules(**{key: value for key, value in said.items() if key in OF_RULES})
        item = NewItem(**{key: value for key, value in said.items() if key not in OF_RULES}, rules=rules)
        try:
            validation.columns(item)
        except PayloadMisfit:
            pass  # the caller may add what is missing
        except DocqueueError as error:
            found.append(f"DOCQUEUE['TEMPLATES'][{name!r}]: {error}")
    return found
