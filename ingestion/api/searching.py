"""GET search: the words in the caller's documents, narrowed by what the query string says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api.base import BIGGEST_ID, OwnedView, refused
from ingestion.api.examples import SEARCH
from ingestion.api.serializers import SearchShape
from ingestion.search.matching import Narrowing
from ingestion.search.query import InvalidSearch, search
from ingestion.tags import TAG_MAX, TAGS_MAX

TYPES_MAX, TYPE_MAX = 50, 32
EXAMPLES = "2026-03-31 or 2026-03-31T12:00:00Z"
DATE_HELP = f"A date (its whole day) or a date with time, as {EXAMPLES}."


class SearchView(OwnedView):
    """The words in the caller's documents."""

    @extend_schema(
        operation_id="search_documents",
        summary="Find words in my documents, best matches first",
        parameters=[
            OpenApiParameter("q", str, required=True, description='Words, "a phrase", OR, -without.'),
            OpenApiParameter("tag", str, many=True, description="Only documents with this tag; repeated: with all."),
            OpenApiParameter(
                "type", str, many=True, description="Only documents of this type (pdf, docx …); repeated: of any."
            ),
            OpenApiParameter("intake", int, description="Only documents of this upload."),
            OpenApiParameter("since", str, description=f"Only documents uploaded since then. {DATE_HELP}"),
            OpenApiParameter("until", str, description=f"Only documents uploaded before then. {DATE_HELP}"),
            OpenApiParameter("limit", int, description="Hits a page, 1 to 100; 20 by default."),
            OpenApiParameter("cursor", str, description="`next_cursor` of the page before."),
        ],
        responses={
            200: OpenApiResponse(SearchShape, examples=[SEARCH]),
            **refused(400, 401),
        },
        tags=["search"],
    )
    def get(self, request: Request) -> Response:
        """One page of hits."""
        given = request.query_params
        found = search(
            self.owner_id(request),
            given.get("q", ""),
            limit=_limit(given.get("limit", "20")),
            cursor=given.get("cursor") or None,
            narrowing=narrowing(given),
        )
        return Response(
            {
                "results": [asdict(hit) for hit in found.hits],
                "next_cursor": found.next_cursor,
                "complete": found.complete,
            }
        )


def narrowing(given: QueryDict) -> Narrowing:
    """What the query string narrows a search to. Raises `InvalidSearch`; an empty value asks for nothing."""
    since, until = _moment(given, "since"), _moment(given, "until", end=True)
    if since is not None and until is not None and since >= until:
        raise InvalidSearch("since must be before until.")
    return Narrowing(
        tags=_words(given, "tag", TAGS_MAX, TAG_MAX),
        types=_words(given, "type", TYPES_MAX, TYPE_MAX),
        intake=_intake(given),
        since=since,
        until=until,
    )


def _words(given: QueryDict, name: str, most: int, longest: int) -> list[str]:
    words = list(dict.fromkeys(word.strip() for word in given.getlist(name) if word.strip()))
    if len(words) > most or any(len(word) > longest or "\0" in word for word in words):
        raise InvalidSearch(f"{name} may be given {most} times, each at most {longest} characters long.")
    return words


def _intake(given: Mapping[str, str]) -> int | None:
    text = given.get("intake", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= BIGGEST_ID):
        raise InvalidSearch("intake must be the id of an upload, a whole number.")
    return int(text)


def _moment(given: Mapping[str, str], name: str, *, end: bool = False) -> datetime | None:
    """A date with time as it is; of a date the moment that its day begins, or (`end`) has passed."""
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        day = parse_date(text)
        at = parse_datetime(text) if day is None else _midnight(day + timedelta(days=1) if end else day)
        if at is None:
            raise ValueError(text)
        return (at if timezone.is_aware(at) else timezone.make_aware(at)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidSearch(f"{name} must be a date or a date with time, as {EXAMPLES}.") from error


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the caller gives it the project's time zone


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= 100):
        raise InvalidSearch("limit must be a whole number from 1 to 100.")
    return int(text)
