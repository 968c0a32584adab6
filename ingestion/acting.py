"""What an operator may do to the intakes, files and documents of everybody: each verb asks for its permission first.

The admin goes through it. So the page that shows a button and the view that takes its click may both be wrong, and
nothing happens that the user may not do. What was done stands in the audit; whoever came second changed nothing there.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from docqueue.exceptions import NotAllowed
from docqueue.models import QueueItem
from ingestion.cancelling import cancel_document, cancel_intake, cancel_one_file
from ingestion.deleting import delete_document, delete_intake
from ingestion.errors import AlreadyUnderWay, NothingToRetry
from ingestion.models import Document, IngestFile, Intake, Outcome
from ingestion.people import entries_about, note
from ingestion.reprocess import Reprocessing, reprocess_document
from ingestion.reprocess_file import FileReprocessing, reprocess_file
from ingestion.reprocess_many import Order, Started, start_order
from ingestion.selecting import Selection
from ingestion.states import ACTIVE, span

PERMISSIONS = {
    "retry_intake": "ingestion.change_intake",
    "cancel_intake": "ingestion.change_intake",
    "reprocess_intake": "ingestion.change_intake",
    "delete_intake": "ingestion.delete_intake",
    "retry_file": "ingestion.change_ingestfile",
    "cancel_file": "ingestion.change_ingestfile",
    "reprocess_file": "ingestion.change_ingestfile",
    "download_file": "ingestion.view_content",
    "cancel_document": "ingestion.change_document",
    "reprocess_document": "ingestion.change_document",
    "delete_document": "ingestion.delete_document",
    "download_document": "ingestion.view_content",
}
"""What each verb takes. `reprocess_many` takes what reprocessing one thing of its kind takes."""
SEEN = tuple(f"ingestion.view_{name}" for name in ("intake", "ingestfile", "document", "kmcall"))
"""What the screens take. They show no bytes of anybody: that is `view_content`."""
IDS_TOLD = 20
"""So many ids of a selection stand in the audit."""


def acting_as(user: Any) -> Acting:
    """The verbs in the hands of this user. Each raises `NotAllowed` where the user has not its permission."""
    return Acting(user)


class Acting:
    """The verbs of people; what they raise is what the functions behind them raise."""

    def __init__(self, user: Any) -> None:
        self._user = user
        self._by = str(user.get_username())

    def retry_intake(self, intake: Intake, *, reason: str = "") -> Started:
        """Process the failed files of an intake anew, by an item of their own. Raises `AlreadyUnderWay`."""
        self._ask("retry_intake")
        failed = Selection(intakes=(intake.pk,), outcome=Outcome.FAILED.value)
        with transaction.atomic():
            Intake.objects.select_for_update(no_key=True).filter(pk=intake.pk).first()  # one of two asks first
            before = entries_about(intake=intake.pk).filter(action="retry_intake").first()
            if before is not None and QueueItem.objects.filter(pk=before.item_id or 0, status__in=ACTIVE).exists():
                raise AlreadyUnderWay(_("Item #%(id)d is about to do it.") % {"id": before.item_id})
            started = start_order(Order.of(failed, priority=intake.priority, by=self._by))
            if started.item_id is None:
                raise NothingToRetry
            count = started.counts.reprocessable
            note("retry_intake", self._by, reason, item_id=started.item_id, count=count, intake=intake.pk)
        return started

    def retry_file(self, file: IngestFile, *, reason: str = "") -> FileReprocessing:
        """Process a failed file anew. Raises what `reprocess_file` raises."""
        return self._file("retry_file", file, reason, only_failed=True)

    def reprocess_file(self, file: IngestFile, *, from_stage: str = "", reason: str = "") -> FileReprocessing:
        """Process a file anew, however it ended. Raises what `reprocess_file` raises."""
        return self._file("reprocess_file", file, reason, from_stage=from_stage)

    def reprocess_document(self, document: Document, *, from_stage: str, reason: str = "") -> Reprocessing:
        """Process a document anew. Raises what `reprocess_document` raises."""
        self._ask("reprocess_document")
        with transaction.atomic():
            work = reprocess_document(document, by=self._by, from_stage=from_stage)
            if work.created:
                about = {"document": document.pk, **_of_document(document)}
                note("reprocess_document", self._by, reason, item_id=work.item_id, **about)
        return work

    def reprocess_many(self, selection: Selection, kind: str, *, reason: str = "", **given: Any) -> Started:
        """Process a selection anew, by an item of its own. `kind`: what the user looks at: intake, file, document."""
        self._ask(f"reprocess_{kind}")
        with transaction.atomic():
            started = start_order(Order.of(selection, by=self._by, **given))
            if started.item_id is not None:
                about: dict[str, Any] = _told(selection)
                if len(selection.intakes) == 1:
                    about["intake"] = selection.intakes[0]
                count = started.counts.reprocessable
                note("reprocess_many", self._by, reason, item_id=started.item_id, count=count, **about)
        return started

    def cancel_intake(self, intake: Intake, *, reason: str = "") -> bool:
        """Cancel what has not ended of an intake. False: that was asked for before."""
        self._ask("cancel_intake")
        return cancel_intake(intake, by=self._by, reason=reason)

    def cancel_file(self, file: IngestFile, *, reason: str = "") -> None:
        """Cancel the work on one file."""
        self._ask("cancel_file")
        cancel_one_file(file, by=self._by, reason=reason)

    def cancel_document(self, document: Document, *, reason: str = "") -> None:
        """Cancel the work on one document."""
        self._ask("cancel_document")
        cancel_document(document, by=self._by, reason=reason)

    def delete_intake(self, intake: Intake, *, reason: str = "") -> bool:
        """Delete an intake with all of it. False: somebody had begun to."""
        self._ask("delete_intake")
        return delete_intake(intake, by=self._by, reason=reason)

    def delete_document(self, document: Document, *, reason: str = "") -> bool:
        """Delete a document. False: it was gone."""
        self._ask("delete_document")
        return delete_document(document, by=self._by, reason=reason)

    def download_file(self, file: IngestFile) -> None:
        """Write down that the bytes of a file are about to be read."""
        self._ask("download_file")
        note("download_file", self._by, intake=file.intake_id, file=file.pk)

    def download_document(self, document: Document) -> None:
        """Write down that the bytes of a document are about to be read."""
        self._ask("download_document")
        note("download_document", self._by, document=document.pk, **_of_document(document))

    def _file(self, verb: str, file: IngestFile, reason: str, **how: Any) -> FileReprocessing:
        self._ask(verb)
        with transaction.atomic():
            work = reprocess_file(file, by=self._by, **how)
            if work.created:
                about: dict[str, Any] = {} if work.document_id is None else {"document": work.document_id}
                note(verb, self._by, reason, item_id=work.item_id, intake=file.intake_id, file=file.pk, **about)
        return work

    def _ask(self, verb: str) -> None:
        if not self._user.has_perm(PERMISSIONS[verb]):
            who = self._by or _("An unknown user")
            raise NotAllowed(_("%(who)s has no permission %(name)s.") % {"who": who, "name": PERMISSIONS[verb]})


def who_was_first(**about: int) -> str:
    """The newest thing that a person did about this, in words; empty where nobody did anything."""
    last = entries_about(**about).exclude(action__startswith="download").first()
    if last is None:
        return ""
    ago = span((timezone.now() - last.at).total_seconds())
    told = {"action": last.action, "actor": last.actor or "–", "time": ago}
    return _("Last: %(action)s by %(actor)s, %(time)s ago.") % told


def _of_document(document: Document) -> dict[str, Any]:
    file: IngestFile | None = getattr(document, "file", None)
    return {} if file is None else {"intake": file.intake_id, "file": file.pk}


def _told(selection: Selection) -> dict[str, Any]:
    """A selection as the audit has it: of many ids the first, and how many they are."""
    given = {}
    for name, value in selection.as_dict().items():
        given[name] = value[:IDS_TOLD] if isinstance(value, list) else value
        if isinstance(value, list) and len(value) > IDS_TOLD:
            given[f"{name}_in_all"] = len(value)
    return given
