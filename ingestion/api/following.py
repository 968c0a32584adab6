"""What is followed to its end, by asking again or by a stream of events: an intake, a document."""

from __future__ import annotations

from rest_framework.request import Request

from ingestion.api import presenting
from ingestion.api.base import OwnedView
from ingestion.api.polling import Look
from ingestion.services import reconcile_intake


class Followed(OwnedView):
    """A view on one thing that changes until it has finished."""

    def begin(self, request: Request, pk: int) -> None:
        """Before the first look: make up for what a crash swallowed. 404 when it is not the caller's."""
        raise NotImplementedError

    def look(self, request: Request, pk: int) -> Look:
        """Look at it now. 404 when it is gone."""
        raise NotImplementedError


class FollowedIntake(Followed):
    """One upload of the caller."""

    def begin(self, request: Request, pk: int) -> None:
        reconcile_intake(self.intake(request, pk))

    def look(self, request: Request, pk: int) -> Look:
        intake = self.intake(request, pk)
        return Look(at=presenting.intake_at(request, intake), finished=intake.finished)


class FollowedDocument(Followed):
    """One document of the caller."""

    def begin(self, request: Request, pk: int) -> None:
        document = self.document(request, pk)
        if hasattr(document, "file"):
            reconcile_intake(document.file.intake)

    def look(self, request: Request, pk: int) -> Look:
        document = self.document(request, pk)
        finished = not hasattr(document, "file") or document.file.finished
        return Look(at=presenting.document_at(request, document), finished=finished)
