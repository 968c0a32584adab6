"""What the views share: who may come in, whose rows they see, pages by key, and the answers to refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

from django.db.models import BooleanField, ExpressionWrapper, Model, Q, QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse
from rest_framework.exceptions import NotAuthenticated, NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from docqueue.api.paging import is_id, wrong_cursor
from docqueue.api.problems import CONTENT_TYPE
from docqueue.api.serializers import Problem
from docqueue.api.throttled import ThrottledView
from ingestion.api.examples import UNSAFE_PATH
from ingestion.models import Document, IngestFile, Intake

M = TypeVar("M", bound=Model)
REFUSALS = {
    400: "The request makes no sense as it is.",
    401: "Neither logged in nor a token.",
    403: "For staff only.",
    404: "There is no such thing, or it is another user's.",
    406: "This web server does not answer in that form; see `code`.",
    409: "Its state does not allow it, or the Idempotency-Key was used for other files.",
    410: "Its bytes are not kept (any more).",
    413: "Too large, or too many files: see GET limits.",
    415: "An archive of another kind than zip, or no form.",
    422: "Refused; nothing was kept.",
    429: "All places are taken: see Retry-After.",
    503: "Storage or database do not answer.",
    507: "There is too little room on the disk.",
}
BIGGEST_ID = 2**63 - 1
LOOKED_AT = 20_000
"""So many rows are looked at for one page, where no index has what a list is narrowed by."""


def refused(*statuses: int, words: Mapping[int, str] | None = None) -> dict[Any, OpenApiResponse]:
    """The documented refusals of an endpoint, some of them in `words` of its own."""
    examples, said = {422: [UNSAFE_PATH]}, REFUSALS | dict(words or {})
    return {
        (status, CONTENT_TYPE): OpenApiResponse(Problem, description=said[status], examples=examples.get(status, []))
        for status in statuses
    }


class OwnedView(ThrottledView):
    """A view on what belongs to the caller. Other users' rows do not exist here."""

    permission_classes = [IsAuthenticated]

    def owner_id(self, request: Request) -> int:
        """The caller's id."""
        if not request.user.is_authenticated:  # permission_classes has seen to it; this tells the type checker
            raise NotAuthenticated
        return int(request.user.pk)

    def intake(self, request: Request, pk: int) -> Intake:
        """The caller's intake with this id."""
        return found(intakes_of(self.owner_id(request)), pk)

    def file(self, request: Request, pk: int) -> IngestFile:
        """The file with this id in one of the caller's intakes."""
        owned = IngestFile.objects.filter(intake__in=intakes_of(self.owner_id(request)))
        return found(owned.select_related("document", "intake", "parent", "blob"), pk)

    def document(self, request: Request, pk: int) -> Document:
        """The caller's document with this id."""
        return found(documents_of(self.owner_id(request)), pk)


def intakes_of(owner_id: int) -> QuerySet[Intake]:
    """The owner's intakes, without those whose deletion has begun."""
    return Intake.objects.filter(owner=owner_id, deleted_at=None)


def documents_of(owner_id: int) -> QuerySet[Document]:
    """The owner's documents, as presenting needs them; those of such intakes are gone, too."""
    owned = Document.objects.filter(owner=owner_id, file__intake__deleted_at=None)
    return owned.select_related("blob", "file__intake")


def found(rows: QuerySet[M], pk: int) -> M:
    """The one of these rows with this id; 404 otherwise."""
    row = rows.filter(pk=pk).first() if pk <= BIGGEST_ID else None
    if row is None:
        not_found()
    return row


def not_found() -> NoReturn:
    """404."""
    raise Http404(_("There is nothing with this id."))


class NewestFirst(CursorPagination):
    """Pages by key: a page costs the same wherever it lies, and new rows do not shift it."""

    ordering = "-id"
    page_size = 50
    max_page_size = 500
    page_size_query_param = "limit"
    cursor_query_param = "cursor"

    def decode_cursor(self, request: Request) -> Any:
        """The cursor. Raises `ValidationError` for one that no page has given."""
        try:
            found = super().decode_cursor(request)
        except NotFound as error:
            raise wrong_cursor() from error
        if found is not None and found.position is not None and not is_id(str(found.position)):
            raise wrong_cursor()
        return found


class LookedThrough(NewestFirst):
    """Pages of an owner's rows that fit a condition which no index serves: each looks at so many of them and no more.

    It may have few or none and still a next one, which goes on from there.
    """

    def __init__(self, rows: QuerySet[Any], owner_id: int, condition: Q) -> None:
        # Not "owner = …": in the order of ids the planner may then walk along these, past all that others have.
        line = rows.filter(owner_id__gte=owner_id, owner_id__lte=owner_id)
        self._line = line.annotate(fits=ExpressionWrapper(condition, BooleanField()))
        self._last: int | None = None  # the last that was looked at, where there may be more
        self._back = False

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> Any:
        """One page."""
        found, line = self.decode_cursor(request), self._line
        self._back = found is not None and found.reverse
        if found is not None and found.position is not None:
            line = line.filter(**{"pk__gt" if self._back else "pk__lt": found.position})
        line = line.order_by(*(("owner_id", "pk") if self._back else ("-owner_id", "-pk")))
        looked = list(line.values_list("pk", "fits")[:LOOKED_AT])
        if len(looked) == LOOKED_AT:
            self._last = looked[-1][0]
        fit = [pk for pk, fits in looked if fits]
        return super().paginate_queryset(queryset.filter(pk__in=fit[: self.max_page_size + 1]), request, view)

    def get_next_link(self) -> str | None:
        """Further back."""
        if self._back and not self.page:  # from where this one started, the row there included
            return self._from(int(self.next_position or 0) + 1, back=False) if self.has_next else None
        return super().get_next_link() or (None if self._back else self._from(self._last, back=False))

    def get_previous_link(self) -> str | None:
        """Back to what is newer."""
        if not self._back and not self.page:
            return self._from(int(self.previous_position or 0) - 1, back=True) if self.has_previous else None
        return super().get_previous_link() or (self._from(self._last, back=True) if self._back else None)

    def _from(self, key: int | None, *, back: bool) -> str | None:
        return None if key is None else str(self.encode_cursor(Cursor(offset=0, reverse=back, position=key)))


class InOrder(NewestFirst):
    """The same in the order of the archive."""

    ordering = "ordinal"


def who(request: Request) -> str:
    """The caller's name for the audit."""
    return request.user.get_username()


def file_rows(intake: Intake) -> QuerySet[IngestFile]:
    """The files of an intake, as presenting needs them."""
    return IngestFile.objects.filter(intake=intake.pk).select_related("intake")


def page_of(view: APIView, rows: QuerySet[M], paginator: CursorPagination, request: Request) -> list[Any]:
    """One page of rows."""
    return list(paginator.paginate_queryset(rows, request, view=view) or [])
