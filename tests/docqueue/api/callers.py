"""A test client that speaks JSON, and the check that an answer is a whole problem."""

import json
from typing import Any

from django.test import Client


class JsonClient(Client):
    """A caller of the API."""

    def post_json(self, path: str, body: Any = None, **headers: str) -> Any:
        """POST `body` as JSON; a string or bytes go as they are."""
        raw = body if isinstance(body, str | bytes) else json.dumps({} if body is None else body)
        return self.post(path, raw, content_type="application/json", headers=headers)


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """The answer is a whole problem with this status and code. Returns its body."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    wanted = {"type", "title", "status", "code", "detail", "hint", "retryable", "request_id"}
    assert wanted <= set(body) <= wanted | {"errors"}
    assert (body["status"], body["code"]) == (status, code), body
    assert body["detail"]
    assert body["type"] == f"urn:docqueue:problem:{code}"
    return body
