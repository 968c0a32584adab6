"""What lists that are read page by page have in common: how much a page holds, and how a wrong parameter is refused."""

from __future__ import annotations

from urllib.parse import urlencode

from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from docqueue.validation import storable

DEFAULT_LIMIT = 50
MAX_LIMIT = 500


def limit(given: str | None) -> int:
    """Rows a page. Raises `ValidationError`."""
    if not given:
        return DEFAULT_LIMIT
    if not (given.isascii() and given.isdigit() and len(given) <= 4 and 1 <= int(given) <= MAX_LIMIT):
        raise invalid("limit", f"Give a whole number from 1 to {MAX_LIMIT}.")
    return int(given)


def invalid(field: str, text: str) -> ValidationError:
    """The refusal of a query parameter."""
    return ValidationError({field: [ErrorDetail(text, code="invalid")]})


def wrong_cursor() -> ValidationError:
    """The refusal of a cursor that no page has given."""
    return invalid("cursor", "Take the cursor from `next`.")


def before(cursor: str | None) -> int | None:
    """The id below which the page starts; None: at the newest. Raises `ValidationError`."""
    if not cursor:
        return None
    if not is_id(cursor):
        raise wrong_cursor()
    return int(cursor)


def asked(request: Request) -> tuple[int, int | None]:
    """How many rows, and below which id, of a list that is a walk down the ids. Raises `ValidationError`."""
    return limit(request.query_params.get("limit")), before(request.query_params.get("cursor"))


def is_id(text: str) -> bool:
    """Whether this may be the id of a row."""
    return text.isascii() and text.isdigit() and len(text) < 19


def whole(name: str, given: str) -> int:
    """The id that a query parameter names. Raises `ValidationError`."""
    if not is_id(given):
        raise invalid(name, "Give the number of one.")
    return int(given)


def text(name: str, given: str) -> str:
    """A name to filter by. Raises `ValidationError` when no name is like that."""
    if not storable(given) or not given.isprintable():
        raise invalid(name, "There is no such name.")
    return given


def link(request: Request, cursor: object | None) -> str | None:
    """The address of the next page: this one's, with another cursor. None: there is none."""
    if cursor is None:
        return None
    kept = {name: value for name, value in request.query_params.items() if name != "cursor" and value}
    return f"{request.build_absolute_uri(request.path)}?{urlencode(kept | {'cursor': cursor})}"
