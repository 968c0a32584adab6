"""Stored bytes as the answer to a request: whole, a part, a redirect; for their owner in the API, for staff as well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse

from ingestion import serving, storage
from ingestion.errors import ContentGone
from ingestion.limits import REDIRECT, get_limits
from ingestion.models import Blob


def serve(request: HttpRequest, blob: Blob | None, name: str, detected: str) -> HttpResponseBase:
    """The answer to a request for stored bytes: whole, a part, a redirect, or that the asker has them."""
    if blob is None:
        raise ContentGone
    headers = serving.HEADERS | {"ETag": serving.etag(blob.sha256), "Accept-Ranges": "bytes"}
    if serving.is_known(request.headers.get("If-None-Match", ""), blob.sha256):
        return HttpResponse(status=304, headers=headers)
    named, media_type = serving.disposition(name), serving.type_for(detected)
    headers |= {"Content-Disposition": named, "Content-Type": media_type}
    if get_limits().downloads == REDIRECT and request.method != "HEAD":
        address = storage.address(blob.storage_key, disposition=named, content_type=media_type)
        if address is not None:
            return _redirect(address)
    asked = request.headers.get("Range", "") if request.method == "GET" else ""  # a HEAD has no parts
    if_range = request.headers.get("If-Range", "")
    try:
        part = serving.part_of(asked, if_range, blob.size, blob.sha256)
    except serving.CanNotSatisfy:
        headers = {**serving.HEADERS, "Accept-Ranges": "bytes", "Content-Range": f"bytes */{blob.size}"}
        return HttpResponse(status=416, headers=headers)
    headers["Content-Length"] = str(part.stop - part.start)
    if not part.whole:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{blob.size}"
    status = 200 if part.whole else 206
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    pieces = storage.ranged(blob.storage_key, part.start, part.stop)
    under_asgi = isinstance(request, ASGIRequest)
    return StreamingHttpResponse(_async(pieces) if under_asgi else pieces, status=status, headers=headers)


def _redirect(address: str) -> HttpResponse:
    answer = HttpResponseRedirect(address, status=307)
    for header, value in (serving.HEADERS | {"Cache-Control": "private, no-store"}).items():
        answer.headers[header] = value
    return answer


async def _async(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces for a server of the other kind, read in a thread; closed when the asker has gone."""

    def following() -> bytes | None:
        return next(pieces, None)

    def close() -> None:
        getattr(pieces, "close", lambda: None)()

    try:
        while (piece := await sync_to_async(following, thread_sensitive=False)()) is not None:
            yield piece
    finally:
        await sync_to_async(close, thread_sensitive=False)()
