"""Every error has one shape: what DRF, Django, docqueue and the project's own code raise."""

import json

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, TooManyFilesSent
from django.db import IntegrityError, InterfaceError
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions, serializers
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from docqueue import correlation
from docqueue.api import problems
from docqueue.exceptions import DocqueueError
from tests.docqueue.api.callers import assert_problem

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.docqueue.urls")]


class QuotaExceeded(Exception):
    code, status, retryable, hint, retry_after = "quota_exceeded", 429, True, "Wait for midnight.", 12.2


def handled(error, request=None):
    return problems.exception_handler(error, {"request": request})


RAISED = {
    "unknown page": (Http404(), 404, "not_found", False),
    "Django's refusal": (PermissionDenied(), 403, "permission_denied", False),
    "too much data": (RequestDataTooBig("too much"), 413, "request_too_large", False),
    "too many files": (TooManyFilesSent("x"), 413, "request_too_large", False),
    "suspicious": (SuspiciousOperation("x"), 400, "malformed_request", False),
    "no database": (InterfaceError("connection already closed"), 503, "database_unavailable", True),
    "not logged in": (exceptions.NotAuthenticated(), 401, "not_authenticated", False),
    "bad password": (exceptions.AuthenticationFailed(), 401, "authentication_failed", False),
    "no permission": (exceptions.PermissionDenied(), 403, "permission_denied", False),
    "no such thing": (exceptions.NotFound(), 404, "not_found", False),
    "wrong method": (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed", False),
    "wrong accept": (exceptions.NotAcceptable(), 406, "not_acceptable", False),
    "wrong type": (exceptions.UnsupportedMediaType("text/x"), 415, "unsupported_media_type", False),
    "too often": (exceptions.Throttled(wait=3.5), 429, "throttled", True),
    "the project's own": (QuotaExceeded("no more today"), 429, "quota_exceeded", True),
}


@pytest.mark.parametrize(("error", "status", "code", "retryable"), RAISED.values(), ids=RAISED)
def test_what_a_view_raises_becomes_a_problem(error, status, code, retryable):
    body = handled(error).data

    assert (body["status"], body["code"], body["retryable"]) == (status, code, retryable)
    assert body["title"] == code.replace("_", " ").capitalize()
    assert body["detail"]
    assert body["hint"]


def subclasses(of):
    for child in of.__subclasses__():
        yield child
        yield from subclasses(child)


@pytest.mark.parametrize("error", sorted(subclasses(DocqueueError), key=lambda e: e.__name__))
def test_every_error_of_the_queue_becomes_a_problem_with_its_code(error):
    body = handled(error("in words")).data
    assert (body["code"], body["status"], body["detail"]) == (error.code, error.status, "in words")
    assert (body["hint"], body["retryable"]) == (error.hint, error.retryable)


def test_a_bug_is_left_to_django_which_logs_it():
    assert handled(RuntimeError("bug")) is None
    assert handled(IntegrityError("duplicate key")) is None


def test_an_exception_with_a_status_that_is_no_refusal_is_a_bug():
    assert handled(type("Odd", (Exception,), {"code": "odd", "status": 200})()) is None
    assert handled(type("Odd", (Exception,), {"code": 7, "status": 400})()) is None


def test_throttling_and_own_errors_say_when_to_come_back():
    assert handled(exceptions.Throttled(wait=3.5))["Retry-After"] == "4"
    assert handled(QuotaExceeded("x"))["Retry-After"] == "13"


def test_validation_errors_are_listed_by_their_path():
    class Inner(serializers.Serializer):
        size = serializers.IntegerField(max_value=3)

    class Outer(serializers.Serializer):
        name = serializers.CharField()
        parts = Inner(many=True)
        code = serializers.CharField()

    outer = Outer(data={"parts": [{"size": 1}, {"size": 9}], "code": ""})
    assert not outer.is_valid()
    body = handled(exceptions.ValidationError(outer.errors)).data

    assert (body["status"], body["code"]) == (400, "invalid_request")
    assert [(e["field"], e["code"]) for e in body["errors"]] == [
        ("name", "required"), ("parts.1.size", "max_value"), ("code", "blank"),
    ]  # fmt: skip
    assert "parts.1.size: " in body["detail"]


def test_a_validation_error_of_the_whole_body_has_no_field():
    for error in (exceptions.ValidationError("no"), exceptions.ValidationError({"non_field_errors": ["no"]})):
        assert handled(error).data["errors"] == [{"field": "", "code": "invalid", "detail": "no"}]


def test_the_request_id_is_the_one_bound_to_the_request():
    with correlation.bind(correlation_id="abc"):
        assert handled(Http404()).data["request_id"] == "abc"
    assert handled(Http404()).data["request_id"] is None


def test_a_failed_negotiation_is_answered_in_json_all_the_same():
    class View(APIView):
        permission_classes = ()

        def get_exception_handler(self):
            return problems.exception_handler

    answer = View.as_view()(APIRequestFactory().get("/", HTTP_ACCEPT="image/png"))
    answer.render()
    assert_problem(as_json(answer), 406, "not_acceptable")


def as_json(answer):
    answer.json = lambda: json.loads(answer.content)
    return answer


def test_an_unknown_address_is_a_problem_under_api_and_a_page_elsewhere(client):
    assert_problem(client.get("/api/v1/nothing"), 404, "not_found")
    assert_problem(client.get("/api/v1/items/x"), 404, "not_found")
    assert_problem(client.get("/api/v1/items/" + "9" * 5000), 404, "not_found")
    page = client.get("/nothing")
    assert (page.status_code, page["Content-Type"].split(";")[0]) == (404, "text/html")


def test_a_crash_is_a_problem_without_its_cause_under_api_and_a_page_elsewhere(client):
    client.raise_request_exception = False
    problem = assert_problem(client.get("/api/broken"), 500, "internal_error")
    assert problem["retryable"] is True
    assert "secret" not in json.dumps(problem)
    page = client.get("/broken")
    assert (page.status_code, page["Content-Type"].split(";")[0]) == (500, "text/html")


@pytest.mark.parametrize(("handler", "status"), [(problems.handler400, 400), (problems.handler403, 403)])
def test_refusals_before_a_view_have_both_shapes_too(handler, status):
    inside, outside = RequestFactory().get("/api/v1/items"), RequestFactory().get("/admin/")
    assert json.loads(handler(inside, PermissionDenied()).content)["status"] == status
    page = handler(outside, PermissionDenied())
    assert (page.status_code, page["Content-Type"].split(";")[0]) == (status, "text/html")
