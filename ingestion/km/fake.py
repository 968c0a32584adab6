"""A knowledge store to test and to show things with: a real HTTP server that keeps docs/km-openapi.yml strictly.

    python -m ingestion.km.fake --port 8900 --folder var/km --token secret

It judges by the bytes that it received itself, keeps a log of every request, and can be told to misbehave
(`fake_moods.Mood`) at its address /_control. It is no store for real documents: it listens on this machine only unless
told otherwise, and its search reads the beginnings of files.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from ingestion.km.fake_http import Connection
from ingestion.km.fake_moods import Mood, Moods
from ingestion.km.fake_parts import Cut, Multipart, NotMultipart, Part
from ingestion.km.fake_shelf import Received, Refused, Shelf, checked

BATCH_FILES, BATCH_BYTES = 64, 8 * 1024 * 1024
WRONG_BODY = b"<html><body><h1>It works!</h1></body></html>"


class FakeKM:
    """A server in this process, on a port of its own: `with FakeKM() as km: km.url, km.shelf.objects, km.log`."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, folder: Path | None = None, token: str = "") -> None:
        self.shelf, self.moods, self.token = Shelf(folder), Moods(), token
        self.log: list[dict[str, Any]] = []
        self.journal = folder / "requests.jsonl" if folder else None
        self.lock = threading.Lock()
        self.closing = threading.Event()
        fake = self

        class Handler(_Handler):
            km = fake

        self.server = _Server((host, port), Handler)
        self.url = f"http://{host}:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def behave(self, *moods: Mood) -> None:
        """Have these moods from now on, and no others; none: behave well."""
        self.moods.set(moods)

    def write(self, entry: dict[str, Any]) -> None:
        """Write down a request that is over, where there is a folder."""
        if self.journal:
            with self.lock, self.journal.open("a") as journal:
                journal.write(json.dumps(entry) + "\n")


class _Said(Exception):
    """A mood has the last word."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what this server is for."""


class _Handler(Connection):
    """One connection."""

    km: FakeKM

    def wait(self, seconds: float) -> None:
        """Let time go by, unless the server is being closed."""
        self.km.closing.wait(seconds)

    def do_GET(self) -> None:  # noqa: N802 - as http.server looks for it
        self._answer()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815 - as http.server looks for them

    def _answer(self) -> None:
        """Serve one request, in whatever mood."""
        parts = urlsplit(self.path)
        self.where, self.query = unquote(parts.path), {k: v[-1] for k, v in parse_qs(parts.query).items()}
        self.left, self.speed = int(self.headers.get("Content-Length") or 0), None
        self.announced, self.mood = self.left, None
        control = self.where.startswith("/_control")
        self.entry = {
            "at": time.time(),
            "method": self.command,
            "path": self.where,
            "keys": [],
            "status": None,
            "bytes": 0,
        }
        try:
            if control:
                return self.say(200, self._control())
            if self.km.closing.is_set():
                self.hang_up()
            self.km.log.append(self.entry)
            self._misbehave_first()
            self._authorise()
            self.say(*self._do())
        except Refused as error:
            self.refuse(error.status, error.code, error.detail)
        except _Said:
            self.send(200, "text/html", WRONG_BODY)
        except NotMultipart as error:
            self.refuse(400, "invalid_body", str(error))
        except (Cut, OSError):
            self.close_connection = True
        finally:
            if not control:
                self.entry["bytes"] = self.announced - self.left
                self.km.write(self.entry)

    def _misbehave_first(self) -> None:
        """What a mood does before the request is looked at."""
        mood = self.mood = self.km.moods.of_request(self.where)
        if mood is None:
            return
        self.entry["mood"] = mood.kind
        if mood.kind == "cut" and mood.at != "answer":
            if mood.at == "body":
                for _ in self.pieces(self.left // 2):
                    pass
            self.hang_up()
        if mood.kind == "slow":
            self.speed = mood.bytes_per_second
        if mood.kind in ("refuse", "hang", "wrong_body"):
            for _ in self.pieces(0):
                pass
            if mood.kind == "hang":
                self.wait(mood.delay_seconds or 3600)
                self.hang_up()
            if mood.kind == "wrong_body":
                raise _Said
            raise Refused(mood.status, "refused", mood.detail)

    def _authorise(self) -> None:
        if self.km.token and self.headers.get("Authorization") != f"Bearer {self.km.token}":
            raise Refused(401, "unauthorized", "the token is missing or wrong")

    def _do(self) -> tuple[int, Any]:
        """The operation of the contract that this is."""
        match self.command, self.where.strip("/").split("/"):
            case "GET", ["health"]:
                return 200, {"status": "ok", "documents": len(self.km.shelf.objects)}
            case "GET", ["search"]:
                return 200, {"hits": self._search()}
            case "POST", ["documents", "exists"]:
                return 200, {"found": self._exists()}
            case "POST", ["documents", "batch"]:
                return 207, {"results": self._batch()}
            case "POST", ["documents"]:
                return self._put()
            case "GET", ["documents", ref]:
                return 200, self.km.shelf.by_ref(ref).shown()
            case "PATCH", ["documents", ref]:
                tags = self.json().get("tags")
                if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
                    raise Refused(400, "invalid_tags", "tags must be a list of texts")
                return 200, self.km.shelf.tag(ref, tags).shown()
            case "DELETE", ["documents", ref]:
                self.entry["keys"] = [self.km.shelf.by_ref(ref).key]
                self.km.shelf.delete(ref)
                return 204, None
        raise Refused(404, "not_found", "there is no such address")

    def _put(self) -> tuple[int, Any]:
        parts = iter(self._multipart())
        about = checked(self._about(next(parts, None), "document"))
        self.entry["keys"] = [about["key"]]
        if self.headers.get("Idempotency-Key") != about["key"]:
            raise Refused(400, "invalid_key", "Idempotency-Key must be the document's key")
        self._refuse_document(about)
        body = Received(self.km.shelf.folder).take(self._file(next(parts, None)))
        if next(parts, None) is not None:
            body.drop()
            raise Refused(400, "invalid_body", "there are more parts than a document and its file")
        stored, created = self.km.shelf.put(about, body)
        return 201 if created else 200, stored.shown()

    def _batch(self) -> list[dict[str, Any]]:
        if self.left > BATCH_BYTES * 2:
            raise Refused(413, "batch_too_large", f"a batch has at most {BATCH_BYTES} bytes")
        parts = iter(self._multipart())
        batch = self._about(next(parts, None), "batch")
        documents = batch.get("documents") if isinstance(batch, dict) else None
        if not isinstance(documents, list) or not 0 < len(documents) <= BATCH_FILES:
            raise Refused(400, "invalid_batch", f"a batch has 1 to {BATCH_FILES} documents")
        described = [checked(about) for about in documents]
        self.entry["keys"] = [about["key"] for about in described]
        results = []
        for about in described:
            body = Received(self.km.shelf.folder).take(self._file(next(parts, None)))
            try:
                self._refuse_document(about)
                stored, created = self.km.shelf.put(about, body)
                results.append(stored.shown() | {"status": 201 if created else 200})
            except Refused as error:
                body.drop()
                said = {"status": error.status, "code": error.code, "detail": error.detail}
                results.append({"key": about["key"], **said})
        if next(parts, None) is not None:
            raise Refused(400, "invalid_batch", "there are more files than documents")
        return results

    def _refuse_document(self, about: dict[str, Any]) -> None:
        mood = self.km.moods.of_document(about["filename"])
        if mood is not None and mood.kind == "refuse":
            self.mood = mood
            raise Refused(mood.status, "refused", mood.detail)

    def _exists(self) -> list[dict[str, Any]]:
        asked = self.json().get("documents")
        if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked):
            raise Refused(400, "invalid_question", "documents must be a list of objects")
        self.entry["keys"] = [one.get("key") for one in asked]
        found = [(self.km.shelf.objects.get(str(one.get("key"))), one) for one in asked]
        return [
            {"key": stored.key, "ref": stored.ref}
            for stored, one in found
            if stored is not None and (stored.sha256, stored.size) == (one.get("sha256"), one.get("size"))
        ]

    def _search(self) -> list[dict[str, Any]]:
        query, limit = self.query.get("q", ""), self.query.get("limit", "20")
        if not query.strip() or not limit.isdecimal():
            raise Refused(400, "invalid_search", "give q, and a number as limit")
        tags = {tag for tag in self.query.get("tags", "").split(",") if tag}
        return self.km.shelf.search(query, self.query.get("owner", ""), tags, int(limit))

    def _control(self) -> Any:
        """What tests and demonstrations tell and ask the fake itself."""
        match self.command, self.where:
            case "PUT", "/_control":
                try:
                    self.km.behave(*(Mood.from_json(given) for given in self.json().get("moods", [])))
                except (TypeError, ValueError) as error:
                    raise Refused(400, "invalid_mood", str(error)) from error
                return {"moods": self.km.moods.shown()}
            case "GET", "/_control":
                return {"moods": self.km.moods.shown()}
            case "GET", "/_control/objects":
                return {"objects": [one.shown() | {"bodies": one.bodies} for one in [*self.km.shelf.objects.values()]]}
            case "GET", "/_control/log":
                return {"requests": self.km.log}
        raise Refused(404, "not_found", "there is no such control")

    def _multipart(self) -> Multipart:
        if "Content-Length" not in self.headers:
            raise Refused(411, "length_required", "Content-Length is missing")
        pieces = self.pieces(0)
        return Multipart(lambda _: next(pieces, b""), self.left, self.headers.get("Content-Type", ""))

    def _about(self, part: Part | None, name: str) -> Any:
        if part is None or part.name != name or part.content_type != "application/json":
            raise Refused(400, "invalid_body", f"the first part must be {name!r}, of the type application/json")
        try:
            return json.loads(part.small())
        except ValueError as error:
            raise Refused(400, "invalid_body", f"the part {name!r} is no JSON: {error}") from error

    def _file(self, part: Part | None) -> Iterator[bytes]:
        if part is None or part.name != "file":
            raise Refused(400, "invalid_body", "a part 'file' is missing")
        return part.chunks


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m ingestion.km.fake", description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--folder", type=Path, help="keep objects and logs here; without one they are gone at the end")
    parser.add_argument("--token", default="", help="what clients have to send as Authorization: Bearer")
    given = parser.parse_args()
    with FakeKM(host=given.host, port=given.port, folder=given.folder, token=given.token) as km:
        print(f"A fake knowledge store on {km.url}; Ctrl-C ends it.", flush=True)  # noqa: T201 - a command
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
