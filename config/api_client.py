"""A small client of the project's own API, with the standard library alone: what `make run` and `make demo` speak."""

from __future__ import annotations

import http.client
import json
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit


class ApiError(Exception):
    """The API said no; the message is its own."""


class ApiClient:
    """Calls to `http://host:port` with a token."""

    def __init__(self, site: str, token: str) -> None:
        self.netloc = urlsplit(site).netloc
        self.headers = {"Authorization": f"Token {token}", "Accept": "application/json"}

    def get(self, path: str, **query: str) -> Any:
        """The JSON at `path`."""
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def upload(self, path: str, file: Path, field: str = "file") -> Any:
        """Send `file` as a form would; returns the answer's JSON."""
        boundary = uuid.uuid4().hex
        head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="{field}"; filename="{file.name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        return self._call("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    def _call(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        connection = http.client.HTTPConnection(self.netloc, timeout=60)
        try:
            connection.request(method, path, body=body, headers=self.headers | (headers or {}))
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        try:
            answer = json.loads(text) if text else None
        except ValueError as error:
            raise ApiError(f"{method} {path}: {response.status}, and no JSON: {text[:200]}") from error
        if response.status >= 400:
            said = answer if isinstance(answer, dict) else {}
            raise ApiError(
                f"{method} {path}: {response.status} {said.get('detail') or said.get('title') or text[:200]}"
            )
        return answer


def answers(site: str, path: str = "/livez") -> bool:
    """Whether the web server takes requests."""
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
