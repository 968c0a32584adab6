"""The protocol as a client speaks it, for tests: in this process (`Tus`) or over a connection of its own (`Wire`)."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from typing import Any

from rest_framework.test import APIClient

URL = "/api/v1/uploads"
VERSION = {"Tus-Resumable": "1.0.0"}
BYTES = "application/offset+octet-stream"


def metadata(**pairs: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def checksum(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


class Tus:
    """A client of one user's."""

    def __init__(self, user: Any) -> None:
        self.api = APIClient()
        self.api.force_authenticate(user)

    def create(self, size: int, name: str = "note.txt", *, key: str | None = None, **pairs: str) -> Any:
        headers = VERSION | {"Upload-Length": str(size), "Upload-Metadata": metadata(filename=name, **pairs)}
        return self.api.post(URL, headers=headers | ({} if key is None else {"Idempotency-Key": key}))

    def begun(self, size: int, name: str = "note.txt", **options: str) -> str:
        """The address of a new upload."""
        answer = self.create(size, name, **options)
        assert answer.status_code == 201, answer.content
        return answer["Location"]

    def patch(self, place: str, at: int, data: bytes, **headers: str) -> Any:
        given = (
            VERSION | {"Upload-Offset": str(at)} | {name.replace("_", "-"): value for name, value in headers.items()}
        )
        return self.api.patch(place, data, content_type=BYTES, headers=given)

    def head(self, place: str) -> Any:
        return self.api.head(place, headers=VERSION)

    def offset(self, place: str) -> int:
        answer = self.head(place)
        assert answer.status_code == 200, answer
        return int(answer["Upload-Offset"])

    def end(self, place: str) -> Any:
        return self.api.delete(place, headers=VERSION)


class Wire:
    """One kept connection to a server on this machine, with a token."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(
        self, method: str, place: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers and what JSON there was."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        auth = {"Authorization": f"Token {self.token}"}
        self.connection.request(method, place, body, VERSION | auth | named)
        answer = self.connection.getresponse()
        said = answer.read()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(said) if said else None

    def begun(self, size: int, name: str = "note.txt", **headers: str) -> str:
        status, said, problem = self.ask(
            "POST", URL, Upload_Length=str(size), Upload_Metadata=metadata(filename=name), **headers
        )
        assert status == 201, problem
        return said["location"]

    def patch(self, place: str, at: int, data: bytes, **headers: str) -> tuple[int, dict[str, str], Any]:
        return self.ask("PATCH", place, data, Content_Type=BYTES, Upload_Offset=str(at), **headers)

    def offset(self, place: str) -> int:
        status, said, problem = self.ask("HEAD", place)
        assert status == 200, (status, problem)
        return int(said["upload-offset"])

    def start_patch(self, place: str, at: int, size: int, **headers: str) -> http.client.HTTPConnection:
        """A connection on which a PATCH of so many bytes was begun and nothing of its body sent."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest("PATCH", place)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in (VERSION | named | {"Content-Type": BYTES}).items():
            connection.putheader(name, value)
        connection.putheader("Authorization", f"Token {self.token}")
        connection.putheader("Upload-Offset", str(at))
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        return connection
