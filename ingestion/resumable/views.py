"""The protocol's requests: OPTIONS and POST on uploads; HEAD, PATCH and DELETE on one of them."""

from __future__ import annotations

from contextlib import closing
from typing import Any, ClassVar
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import http_date
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from docqueue.api.throttles import UPLOAD
from ingestion.api.base import OwnedView, not_found
from ingestion.limits import get_limits
from ingestion.resumable import body, protocol, sessions
from ingestion.resumable.documented import create_upload, end_upload, head_upload, patch_upload
from ingestion.resumable.errors import ChecksumMismatch
from ingestion.resumable.models import UploadSession


@method_decorator(transaction.non_atomic_requests, name="dispatch")  # a PATCH may take minutes
class TusView(OwnedView):
    """What every answer and every request has. Only OPTIONS may be asked by anybody."""

    parser_classes = []

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        asked = request.headers.get("X-HTTP-Method-Override", "").upper()
        if request.method == "POST" and asked in protocol.OVERRIDABLE:
            request.method = asked
        self.asked_by_anybody = request.method == "OPTIONS"
        return super().initialize_request(request, *args, **kwargs)

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [] if self.asked_by_anybody else super().get_authenticators()

    def check_permissions(self, request: Request) -> None:
        if not self.asked_by_anybody:
            super().check_permissions(request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not self.asked_by_anybody:
            protocol.check_version(request.headers)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["Tus-Resumable"] = protocol.VERSION
        if answer.status_code == 412:
            answer["Tus-Version"] = protocol.VERSION
        elif answer.status_code == 413:
            answer["Tus-Max-Size"] = str(get_limits().max_upload_bytes)
        elif answer.status_code == ChecksumMismatch.status:
            answer.reason_phrase = "Checksum Mismatch"
        return answer

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """What is spoken here, and the largest upload."""
        return Response(
            status=204,
            headers={
                "Allow": ", ".join(self.allowed_methods),
                "Tus-Version": protocol.VERSION,
                "Tus-Extension": protocol.EXTENSIONS,
                "Tus-Checksum-Algorithm": ",".join(protocol.ALGORITHMS),
                "Tus-Max-Size": str(get_limits().max_upload_bytes),
            },
        )


class UploadsView(TusView):
    """The door for new uploads."""

    throttle_scopes: ClassVar = {"POST": UPLOAD}

    @create_upload
    def post(self, request: Request) -> Response:
        """Begin an upload."""
        wanted = protocol.creation(request.headers)
        key = request.headers.get("Idempotency-Key")
        session = sessions.begin(self.owner_id(request), wanted, client_key=key)
        place = reverse("ingestion-resumable:upload", args=[session.pk])
        return Response(status=201, headers={"Location": place, **_said(session)})


class UploadView(TusView):
    """One upload."""

    @head_upload
    def head(self, request: Request, pk: UUID) -> Response:
        """How far it is."""
        session = self.session(request, pk)
        at = sessions.offset(session)
        headers = {"Upload-Offset": str(at), "Upload-Length": str(session.length), "Cache-Control": "no-store"}
        if session.metadata:
            headers["Upload-Metadata"] = session.metadata
        return Response(status=200, headers=headers | _said(session))

    @patch_upload
    def patch(self, request: Request, pk: UUID) -> Response:
        """Append bytes."""
        plain = request._request  # noqa: SLF001 - what reads the network; DRF's own attributes parse
        try:
            protocol.check_content_type(request.headers)
            at = protocol.number(request.headers, "Upload-Offset")
            checksum = protocol.checksum(request.headers)
            session = self.session(request, pk)
            size = body.announced(plain)
            with closing(body.chunks(plain)) as chunks:
                now = sessions.append(session, at, chunks, announced=size, checksum=checksum)
        except Exception:
            body.discard(plain)
            raise
        return Response(status=204, headers={"Upload-Offset": str(now), **_said(session)})

    @end_upload
    def delete(self, request: Request, pk: UUID) -> Response:
        """End it before its time."""
        sessions.end(self.session(request, pk))
        return Response(status=204)

    def session(self, request: Request, pk: UUID) -> UploadSession:
        """The caller's upload with this id."""
        session = sessions.of_owner(self.owner_id(request), pk)
        if session is None:
            not_found()
        return session


def _said(session: UploadSession) -> dict[str, str]:
    """Until when the upload waits and, when all of it is here, which intake it has become."""
    headers = {"Upload-Expires": http_date(session.expires_at.timestamp())}
    if session.intake_id is not None:
        headers["Docqueue-Intake"] = str(session.intake_id)
        headers["Link"] = f'<{reverse("ingestion:intake", args=[session.intake_id])}>; rel="monitor"'
    return headers
