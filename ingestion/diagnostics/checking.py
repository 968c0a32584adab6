"""`manage.py km_check`: speaks to the configured store as the workers do, step by step, and leaves nothing behind.

A small document is sent and taken out again. What it costs is told here and kept nowhere: it is no real traffic.
"""

from __future__ import annotations

import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from ingestion import storage
from ingestion.diagnostics import recording
from ingestion.diagnostics.keeping import PHASES
from ingestion.errors import IngestionError, error_classes
from ingestion.km import KMDocument, KnowledgeStore, calls, get_store
from ingestion.limits import get_limits

PROBE_ID = 0
"""No document has this id, so the store's key for the probe is nobody else's."""


DATABASE_HINT = "See `manage.py queue_doctor`."
OTHER_HINT = "Is INGESTION_KM_URL that of the store? If so, look at the store's own log."


class NotAsItShouldBe(Exception):
    """A step that was answered, but wrongly: why, and what to do."""

    def __init__(self, said: str, hint: str = "") -> None:
        super().__init__(said)
        self.hint = hint


@dataclass(kw_only=True)
class Step:
    """One step: whether it went well (None: it was not tried), what it said, and what it took."""

    name: str
    ok: bool | None
    said: str
    hint: str = ""
    milliseconds: float | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Checked:
    """All steps so far. `store` is the kind of store."""

    store: str
    steps: list[Step] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(step.ok is not False for step in self.steps)


def check(tell: Callable[[Step], None] | None = None) -> Checked:
    """Check the configured store; `tell` hears of each step as it ends. Raises nothing that a store can cause."""
    heard: list[calls.KMCall] = []
    with recording.muted(), calls.heard_by(heard.append):
        checked = Checked("?")
        for step in _steps(checked, heard):
            checked.steps.append(step)
            if tell is not None:
                tell(step)
    return checked


def _steps(checked: Checked, heard: list[calls.KMCall]) -> Iterator[Step]:
    def run(name: str, work: Callable[[], str]) -> Step:
        return _run(name, work, heard)

    found: list[KnowledgeStore] = []
    yield (step := run("settings", lambda: _configured(found)))
    if not step.ok:
        return
    [store] = found
    checked.store = store.name
    remote = store.keeps_copies
    if remote and get_limits().km_url:
        yield from (opened := _Opened(run, get_limits().km_url)).steps()
        if opened.failed:
            yield from _not_tried("health", "put", "exists", "status", "search", "delete")
            return
    yield (step := run("health", lambda: _health(store, heard)))
    if not step.ok:
        yield from _not_tried(*(("put", "exists", "status", "search", "delete") if remote else ("storage", "search")))
        return
    if remote:
        yield from _Probe(store, run).steps()
    else:
        yield run("storage", _storage)
        yield run("search", lambda: f"answers, {len(store.search('docqueue', owner_id=0))} hits")


def _run(name: str, work: Callable[[], str], heard: list[calls.KMCall]) -> Step:
    """One step, timed; what goes wrong is told in the words of the error."""
    heard.clear()
    began = time.perf_counter()
    ok, hint = False, ""
    try:
        said, ok = work(), True
    except (IngestionError, NotAsItShouldBe) as error:
        said, hint = str(error), error.hint
    except ImproperlyConfigured as error:
        said, hint = str(error), "See docs/settings.md, and `manage.py check`."
    except DatabaseError as error:
        said, hint = f"The database does not answer: {error}".strip(), DATABASE_HINT
    took = round((time.perf_counter() - began) * 1000, 1)
    return Step(name=name, ok=ok, said=said, hint=hint, milliseconds=took, calls=[_call(call) for call in heard])


def _not_tried(*names: str) -> Iterator[Step]:
    return (Step(name=name, ok=None, said="not tried") for name in names)


def _configured(found: list[KnowledgeStore]) -> str:
    try:
        store = get_store()
    except ImportError as error:
        raise NotAsItShouldBe(f"INGESTION_KM can not be imported: {error}", "Correct the dotted path.") from error
    found.append(store)
    if not store.keeps_copies:
        return f"{type(store).__name__}: the store is this project's own database, nothing is sent anywhere"
    return f"{type(store).__name__} at {get_limits().km_url}" if get_limits().km_url else type(store).__name__


class _Opened:
    """From the address to an open connection, in the steps that a person can do something about."""

    def __init__(self, run: Callable[[str, Callable[[], str]], Step], url: str) -> None:
        parts = urlsplit(url)
        self.run, self.host, self.tls = run, parts.hostname or "", parts.scheme == "https"
        self.port = parts.port or (443 if self.tls else 80)
        self.seconds = get_limits().km_connect_seconds
        self.failed = False

    def steps(self) -> Iterator[Step]:
        """Name, connection, and TLS where the address says so; ends at the first that fails."""
        tries = [("dns", self.resolve), ("connect", self.connect), *([("tls", self.greet)] if self.tls else [])]
        for name, work in tries:
            yield (step := self.run(name, work))
            if not step.ok:
                self.failed = True
                return

    def resolve(self) -> str:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise NotAsItShouldBe(
                f"There is no such name: {self.host} ({error.strerror or error})",
                "Correct the host in INGESTION_KM_URL, or the name server of this machine.",
            ) from error
        addresses = ", ".join(dict.fromkeys(str(each[4][0]) for each in found))
        return addresses if addresses == self.host else f"{self.host} is {addresses}"

    def connect(self) -> str:
        self._socket().close()
        return f"port {self.port} is open"

    def greet(self) -> str:
        try:
            context = ssl.create_default_context()
            with self._socket() as plain, context.wrap_socket(plain, server_hostname=self.host) as secure:
                return f"{secure.version()}, the certificate is valid"
        except ssl.SSLCertVerificationError as error:
            raise NotAsItShouldBe(
                f"Its certificate is not to be trusted: {error.verify_message}",
                "Give the store a certificate for this very name by an authority that this machine trusts "
                "(SSL_CERT_FILE names more of them).",
            ) from error
        except OSError as error:
            raise NotAsItShouldBe(
                f"TLS does not work there: {error.strerror or error}", "Is it an http address? See INGESTION_KM_URL."
            ) from error

    def _socket(self) -> socket.socket:
        place = f"{self.host}, port {self.port}"
        try:
            return socket.create_connection((self.host, self.port), timeout=self.seconds)
        except ConnectionRefusedError as error:
            raise NotAsItShouldBe(
                f"Nothing listens at {place}: the connection is refused",
                "Start the store, or correct the port in INGESTION_KM_URL.",
            ) from error
        except TimeoutError as error:
            raise NotAsItShouldBe(
                f"{place} did not answer within {self.seconds} s",
                "A firewall may drop what is sent there; INGESTION_KM_CONNECT_SECONDS says how long is waited.",
            ) from error
        except OSError as error:
            raise NotAsItShouldBe(f"{place} can not be reached: {error.strerror or error}") from error


def _health(store: KnowledgeStore, heard: list[calls.KMCall]) -> str:
    found = store.health()
    if not found.ok:
        codes = {call.code for call in heard}
        other = OTHER_HINT if store.keeps_copies else DATABASE_HINT
        hint = next((each.hint for each in error_classes() if each.code in codes and each.hint), other)
        raise NotAsItShouldBe(found.message or "The store says that it does not serve.", hint)
    return found.message or "ok"


def _storage() -> str:
    blob = storage.put_stream([_words()])
    try:
        if not storage.exists(blob.key):
            raise NotAsItShouldBe("What was written to the document storage is not there.", "See STORAGES.")
        with storage.open(blob.key) as file:
            size = len(file.read())
    finally:
        storage.delete(blob.key)
    return f"{size} bytes written, read and deleted"


class _Probe:
    """A small document on its way through the store."""

    def __init__(self, store: KnowledgeStore, run: Callable[[str, Callable[[], str]], Step]) -> None:
        self.store, self.run = store, run
        self.word = f"probe{uuid.uuid4().hex}"
        self.reference = ""

    def steps(self) -> Iterator[Step]:
        """Send it, ask for it in every way there is, take it out, in any case."""
        blob = storage.put_stream([_words(self.word)])
        self.document = KMDocument(
            id=PROBE_ID,
            owner_id=0,
            title="docqueue km_check",
            filename="docqueue-km-check.txt",
            content_type="text/plain",
            type="text",
            size=blob.size,
            sha256=blob.sha256,
            storage_key=blob.key,
            created_at=datetime.now(UTC),
        )
        deleted = False
        try:
            yield (step := self.run("put", self.put))
            if step.ok:
                yield self.run("exists", self.exists)
                yield self.run("status", self.status)
                yield self.run("search", self.search)
            else:
                yield from _not_tried("exists", "status", "search")
            deleted = True
            yield self.run("delete", self.delete)
        finally:
            if not deleted:  # somebody has had enough of waiting
                self.run("delete", self.delete)
            storage.delete(blob.key)

    def put(self) -> str:
        self.reference = self.store.put(self.document)
        return f"{self.document.size} bytes are there as {self.reference}"

    def exists(self) -> str:
        found = self.store.exists([self.document]).get(PROBE_ID)
        if found != self.reference:
            raise NotAsItShouldBe(
                f"The store says {'nothing' if found is None else found} of a document that it took just now.",
                "Without that, documents are sent again after each crash. Look at the store's version.",
            )
        return "the store knows it by its key"

    def status(self) -> str:
        found = self.store.status(self.reference)
        if found is None:
            raise NotAsItShouldBe("The store does not know its own reference.", "Look at the store's version.")
        if (found.sha256 or self.document.sha256, found.size or self.document.size) != (
            self.document.sha256,
            self.document.size,
        ):
            raise NotAsItShouldBe("The store has other bytes than were sent.", "Does something between change them?")
        return f"{found.state} {found.message}".strip()

    def search(self) -> str:
        hits = self.store.search(self.word, owner_id=self.document.owner_id)
        found = any(hit.reference == self.reference for hit in hits)
        return "finds it" if found else "answers; does not find it yet, as stores may index later"

    def delete(self) -> str:
        self.store.delete(self.document)
        if self.store.exists([self.document]):
            raise NotAsItShouldBe("The store still has what it was told to delete.", "Delete it there by hand.")
        return "nothing is left"


def _words(word: str = "") -> bytes:
    return f"A probe of docqueue's km_check, to be deleted at once. {word or uuid.uuid4().hex}\n".encode()


def _call(call: calls.KMCall) -> dict[str, Any]:
    seconds = {phase: getattr(call, f"{phase}_seconds") for phase in PHASES}
    milliseconds = {name: None if took is None else round(took * 1000, 2) for name, took in seconds.items()}
    return {
        "method": call.method,
        "attempt": call.attempt,
        "status": call.status,
        "code": call.code or None,
        "milliseconds": milliseconds,
    }
