"""What lists that are read page by page have in common: how much a page holds, and how a wrong parameter is refused."""

from __future__ import annotations

from rest_framework.exceptions import ErrorDetail, ValidationError

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
