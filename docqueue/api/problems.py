"""Every error of the API as problem JSON (RFC 9457): one shape, a stable `code`, and a hint for the next step.

`exception_handler` is for REST_FRAMEWORK["EXCEPTION_HANDLER"]; `handler400` … `handler500` are for the root URLconf,
so that what fails outside a view (an unknown address, a crash) answers in the same shape under /api/.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback

from docqueue import correlation, store

CONTENT_TYPE = "application/problem+json"
API_PREFIX = "/api/"

HINTS = {
    "malformed_json": "Send one JSON object, in UTF-8, with Content-Type: application/json.",
    "malformed_request": "The body does not follow its Content-Type.",
    "invalid_request": "Correct the fields under `errors` and send the request again.",
    "not_authenticated": "Log in, or send a token in the Authorization header.",
    "authentication_failed": "Check the token or password.",
    "permission_denied": "Ask an administrator for the permission, or use another account.",
    "csrf_failed": "Send the csrftoken cookie's value as X-CSRFToken, or use a token instead of the session.",
    "not_found": "Check the address and the id.",
    "method_not_allowed": "The Allow header lists what this address takes.",
    "not_acceptable": "The API answers application/json.",
    "unsupported_media_type": "Send application/json.",
    "throttled": "Wait as long as Retry-After says.",
    "request_too_large": "Send less in one request.",
    "database_unavailable": "Nothing was changed. Try again in a moment.",
    "internal_error": "Try again; when it keeps failing, tell the operator the request_id.",
}
MEANINGS: dict[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is no JSON."),
    "malformed_request": (400, "The request can not be read."),
    "invalid_request": (400, "A field or parameter is wrong; `errors` says which."),
    "not_authenticated": (401, "Neither logged in nor a token."),
    "authentication_failed": (401, "The token or password is wrong."),
    "permission_denied": (403, "The caller may not do this."),
    "csrf_failed": (403, "A request of a session without its CSRF token."),
    "not_found": (404, "There is nothing at this address."),
    "method_not_allowed": (405, "The address does not take this method."),
    "not_acceptable": (406, "The caller takes no JSON."),
    "request_too_large": (413, "The request is too large."),
    "unsupported_media_type": (415, "The body is of a kind that the address does not take."),
    "throttled": (429, "Too many requests of this caller of late."),
    "internal_error": (500, "The server failed to answer."),
    "database_unavailable": (503, "The database can not be reached at the moment."),
}
"""What the codes mean that no exception class stands for, and the status of each."""
RETRYABLE = frozenset({"throttled", "database_unavailable", "internal_error"})


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    hint: str | None = None,
    retryable: bool | None = None,
    errors: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """The body of one refusal. What is not given comes from the tables above."""
    body: dict[str, Any] = {
        "type": f"urn:docqueue:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": _sendable(detail),
        "hint": HINTS.get(code, "") if hint is None else hint,
        "retryable": code in RETRYABLE if retryable is None else retryable,
    }
    if errors:
        body["errors"] = [{name: _sendable(said) for name, said in one.items()} for one in errors]
    return body | {"request_id": correlation.current().get("correlation_id")}


def _sendable(text: str) -> str:
    """The text as JSON takes it: what a caller has sent is quoted, also half a character."""
    return text.encode("utf-8", "replace").decode()


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Turn whatever left a view into a problem. None (a bug: Django logs it and calls `handler500`) for the rest."""
    headers: dict[str, str] = {}
    body = _from_django(exc) if not isinstance(exc, exceptions.APIException) else _from_rest(exc, context, headers)
    if body is None:
        body = _from_own(exc, headers)
    if body is None:
        return None
    set_rollback()
    request = context.get("request")
    if request is not None:
        # Also where content negotiation failed, or would have picked a renderer of pages.
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), "application/json"
    return Response(body, status=body["status"], headers=headers, content_type=CONTENT_TYPE)


def _from_django(exc: Exception) -> dict[str, Any] | None:
    match exc:
        case Http404():
            return problem(404, "not_found", str(exc) or "There is nothing at this address.")
        case PermissionDenied():
            return problem(403, "permission_denied", str(exc) or "You do not have permission to do this.")
        case RequestDataTooBig():
            return problem(413, "request_too_large", str(exc) or "The request body is too large.")
        case TooManyFilesSent():
            return problem(413, "request_too_large", "The request holds too many files.")
        case SuspiciousOperation():
            return problem(400, "malformed_request", "The request can not be read.")
        case OperationalError() | InterfaceError() if store.is_unwell(exc):
            return problem(503, "database_unavailable", "The database can not be reached at the moment.")
    return None


def _from_rest(exc: exceptions.APIException, context: Mapping[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    if getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = str(exc.auth_header)  # type: ignore[attr-defined]  # set by APIView
    wait = getattr(exc, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(math.ceil(wait))
    if isinstance(exc, exceptions.ValidationError):
        errors = list(_flatten(exc.get_full_details()))
        detail = " ".join(f"{e['field']}: {e['detail']}" if e["field"] else e["detail"] for e in errors[:5])
        return problem(exc.status_code, "invalid_request", detail, errors=errors)
    code = getattr(exc, "code", None) or exc.get_codes()
    detail = str(exc.detail)
    match exc:
        case exceptions.ParseError():
            content_type = str(getattr(context.get("request"), "content_type", ""))
            code = "malformed_json" if "json" in content_type else "malformed_request"
        case exceptions.PermissionDenied() if detail.startswith("CSRF Failed"):
            code = "csrf_failed"
    return problem(exc.status_code, code if isinstance(code, str) else "error", detail, hint=getattr(exc, "hint", None))


def _flatten(details: Any, path: str = "") -> Iterator[dict[str, str]]:
    """DRF's nested validation errors as a flat list; `field` is the dotted path, empty for the whole body."""
    if isinstance(details, Mapping) and {"message", "code"} == set(details) and isinstance(details["code"], str):
        yield {"field": path, "code": details["code"], "detail": str(details["message"])}
    elif isinstance(details, Mapping):
        for key, value in details.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _flatten(value, ".".join(p for p in (path, name) if p))
    elif isinstance(details, list):
        for position, value in enumerate(details):
            leaf = isinstance(value, Mapping) and {"message", "code"} == set(value)
            yield from _flatten(value, path if leaf else f"{path}.{position}".strip("."))


def _from_own(exc: Exception, headers: dict[str, str]) -> dict[str, Any] | None:
    """Any exception with `code` and `status`: docqueue's, ingestion's, the project's own."""
    code, status = getattr(exc, "code", None), getattr(exc, "status", None)
    if not isinstance(code, str) or not isinstance(status, int) or not 400 <= status < 600:
        return None
    wait = getattr(exc, "retry_after", None)
    if isinstance(wait, int | float):
        headers["Retry-After"] = str(math.ceil(wait))
    return problem(
        status,
        code,
        str(exc),
        hint=str(getattr(exc, "hint", "") or ""),
        retryable=bool(getattr(exc, "retryable", False)),
    )


def _answer(status: int, code: str, detail: str) -> HttpResponse:
    return JsonResponse(problem(status, code, detail), status=status, content_type=CONTENT_TYPE)


def is_api(request: HttpRequest) -> bool:
    """Whether the caller of this address is a program that wants problem JSON."""
    return request.path_info.startswith(API_PREFIX)


def handler400(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """For `handler400` of the root URLconf."""
    if is_api(request):
        return _answer(400, "malformed_request", "The request can not be read.")
    return defaults.bad_request(request, exception)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """For `handler403` of the root URLconf."""
    if is_api(request):
        return _answer(403, "permission_denied", "You do not have permission to do this.")
    return defaults.permission_denied(request, exception)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """For `handler404` of the root URLconf."""
    if is_api(request):
        return _answer(404, "not_found", "There is nothing at this address.")
    return defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponseBase:
    """For `handler500` of the root URLconf. Says nothing of the cause: that stands in the log."""
    if is_api(request):
        return _answer(500, "internal_error", "The server failed to answer.")
    return defaults.server_error(request)
