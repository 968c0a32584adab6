"""HttpKM: documents are sent to a knowledge store over HTTP, as docs/km-openapi.yml says; found here as well as there.

Whatever ends a process in the middle, the same document comes again under the same key, and the store is asked first
whether it has it: nothing is there twice. Chunks are kept in our database too, so our own search, and everything
that needs it, goes on as it is.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2

from ingestion.errors import (
    DiskFull,
    IngestionError,
    KmAuth,
    KmAway,
    KmBadAnswer,
    KmError,
    KmForbidden,
    KmInterrupted,
    KmRejected,
    KmTimeout,
    KmUnavailable,
    StorageAway,
)
from ingestion.km.answers import Answer
from ingestion.km.base import Health, Hit, KMDocument, Sent, Status
from ingestion.km.body import Body
from ingestion.km.breaker import Breaker
from ingestion.km.exchange import Target, exchange
from ingestion.km.local import LocalIndex
from ingestion.km.wire import hit, metadata, reference_of, result, taken
from ingestion.limits import get_limits

BATCH_FILES, BATCH_BYTES = 64, 8 * 1024 * 1024
HEALTH_SECONDS = 5.0
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
"""Between the exchanges of one call; for what takes longer the item waits, not the process."""
GONE = "document_not_found"

T = TypeVar("T")
_breakers: dict[Target, Breaker] = {}
os.register_at_fork(after_in_child=_breakers.clear)


class HttpKM(LocalIndex):
    """A store behind INGESTION_KM_URL. Cheap to make: connections and breaker belong to the process.

    For a store that speaks otherwise override the verbs, `find` and `send_one`: docs/how-to/knowledge-store.md.
    """

    name = "http"
    keeps_copies = True

    def __init__(self) -> None:
        """Raises ImproperlyConfigured where the settings are not usable."""
        limits = get_limits()
        self.target = Target.from_limits(limits)
        self.tries = limits.km_tries
        self.batch_file_bytes = limits.km_batch_file_bytes
        self.breaker = _breakers.setdefault(self.target, Breaker())

    def health(self) -> Health:
        """What GET /health says, within some seconds; asked also while the breaker is open."""
        ask = partial(exchange, self.target, "health", "GET", "/health", seconds=HEALTH_SECONDS)
        try:
            try:
                said = ask().json()
            except KmInterrupted:  # as an idle connection does that the store has closed
                said = ask(attempt=2).json()
        except KmError as error:
            return Health(ok=False, message=str(error))
        return Health(ok=said.get("status") == "ok", message=str(said.get("message") or "")[:300])

    def exists(self, documents: Sequence[KMDocument]) -> Mapping[int, str]:
        """References of those that the store has under our key with these bytes."""
        found: dict[int, str] = {}
        for start in range(0, len(documents), BATCH_FILES):
            found |= self.call(partial(self.find, documents[start : start + BATCH_FILES]))
        return found

    def put(self, document: KMDocument) -> str:
        """Send the document in one streamed request, unless the store has it."""

        def once(attempt: int) -> str:
            found = self.find([document], attempt)
            return found.get(document.id) or self.send_one(document, attempt)

        return self.call(once)

    def put_many(self, documents: Sequence[KMDocument]) -> Mapping[int, Sent]:
        """Send what the store does not have, many in a request; a request that fails as a whole is halved.

        Raises a `KmUnavailable` when the store serves nobody; what was sent before that is there.
        """
        answers: dict[int, Sent] = dict(self.exists(documents))
        for batch in _batches([one for one in documents if one.id not in answers]):
            answers |= self._send(batch, new=True)
        return answers

    def status(self, reference: str) -> Status | None:
        """What GET /documents/{reference} says."""
        answer = self.call(partial(self._of, "status", "GET", reference, None))
        if answer is None:
            return None
        said = answer.json()
        size = said.get("size")
        return Status(
            reference=reference,
            state=str(said.get("state") or "stored")[:64],
            sha256=str(said.get("sha256") or "")[:64],
            size=size if isinstance(size, int) else None,
            message=str(said.get("message") or "")[:300],
        )

    def delete(self, document: KMDocument) -> None:
        """Have the store delete it, by its reference; where we have none, by the one that it tells for our key."""
        if reference := document.reference or self.exists([document]).get(document.id):
            self.call(partial(self._of, "delete", "DELETE", reference, None))

    def tag(self, document: KMDocument) -> None:
        """Replace the tags that the store has."""
        if reference := document.reference or self.exists([document]).get(document.id):
            tags = {"tags": list(document.tags)}
            self.call(partial(self._of, "tag", "PATCH", reference, tags))

    def search(self, query: str, *, owner_id: int, tags: Collection[str] = (), limit: int = 20) -> Sequence[Hit]:
        """What GET /search finds; snippets come as text and are given as HTML."""
        params = {"q": query, "owner": str(owner_id), "limit": str(limit)}
        if tags:
            params["tags"] = ",".join(tags)
        answer = self.call(
            lambda attempt: exchange(self.target, "search", "GET", "/search", params=params, attempt=attempt)
        )
        hits = answer.json().get("hits")
        if not isinstance(hits, list):
            raise KmBadAnswer("The store's answer to a search has no list of hits.")
        return [hit(one) for one in hits[:limit]]

    def find(self, documents: Sequence[KMDocument], attempt: int = 1) -> dict[int, str]:
        """One exchange: references of those that the store has, by their ids. For a store of other words: override."""
        asked = [{"key": one.key, "sha256": one.sha256, "size": one.size} for one in documents]
        answer = exchange(
            self.target, "exists", "POST", "/documents/exists",
            payload={"documents": asked}, documents=[one.id for one in documents], attempt=attempt,
        )  # fmt: skip
        found = answer.json().get("found")
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise KmBadAnswer("The store's answer does not say which documents it has.")
        references = {one.get("key"): reference_of(one) for one in found}
        return {one.id: references[one.key] for one in documents if one.key in references}

    def send_one(self, document: KMDocument, attempt: int = 1) -> str:
        """One exchange: send a document, and return its reference. For a store of other words: override."""
        answer = exchange(
            self.target, "put", "POST", "/documents",
            body=Body("document", metadata(document), [document]), headers={"Idempotency-Key": document.key},
            documents=[document.id], attempt=attempt,
        )  # fmt: skip
        return taken(answer.json(), document)

    def _of(self, verb: str, method: str, reference: str, payload: Any, attempt: int) -> Answer | None:
        """An exchange about one object of the store; None where the store says that there is none."""
        path = f"/documents/{quote(reference, safe='')}"
        try:
            return exchange(self.target, verb, method, path, payload=payload, attempt=attempt)
        except KmAway as error:
            if error.store_code == GONE:
                return None
            raise

    def _send(self, documents: Sequence[KMDocument], *, new: bool = False) -> dict[int, Sent]:
        """Send a batch; where it fails as a whole, its halves, until what fails is alone.

        `new`: the store does not have them. After a failure it may: it is asked again.
        """

        def once(attempt: int) -> dict[int, Sent]:
            found: dict[int, Sent] = {} if new and attempt == 1 else {**self.find(documents, attempt)}
            rest = [one for one in documents if one.id not in found]
            return found | self.send_many(rest, attempt) if rest else found

        try:
            return self.call(once)
        except KmAway:
            if not self.health().ok:
                raise
            return {one.id: self._sent(one) for one in documents}  # a store that takes no batches
        except KmUnavailable:
            raise
        except KmTimeout as error:
            return dict.fromkeys((one.id for one in documents), error)  # halves would take as long each
        except (StorageAway, DiskFull):
            raise  # the bytes can not be read now: no half of them could
        except IngestionError as error:
            if len(documents) == 1:
                return {documents[0].id: error}
            middle = len(documents) // 2
            return self._send(documents[:middle]) | self._send(documents[middle:])

    def _sent(self, document: KMDocument) -> Sent:
        try:
            return self.put(document)
        except KmUnavailable:
            raise
        except IngestionError as error:
            return error

    def send_many(self, documents: Sequence[KMDocument], attempt: int = 1) -> dict[int, Sent]:
        """One exchange: send a batch. Not called where `batch_file_bytes` is 0."""
        answer = exchange(
            self.target, "put_many", "POST", "/documents/batch",
            body=Body("batch", {"documents": [metadata(one) for one in documents]}, documents),
            documents=[one.id for one in documents], attempt=attempt,
        )  # fmt: skip
        results = answer.json().get("results")
        if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
            raise KmBadAnswer("The store's answer to a batch has no list of results.")
        by_key = {one.get("key"): one for one in results}
        if missing := [one for one in documents if one.key not in by_key]:
            raise KmBadAnswer(f"The store's answer to a batch says nothing about {len(missing)} of {len(documents)}.")
        return {one.id: result(by_key[one.key], one) for one in documents}

    def call(self, once: Callable[[int], T]) -> T:
        """Run `once(attempt)` until it works, a few times; what it ends with is judged and told to the breaker."""
        if wait := self.breaker.wait_seconds():
            said = f"The knowledge store is left alone for a moment: {self.breaker.because}"
            raise (KmAuth if isinstance(self.breaker.because, KmAuth) else KmUnavailable)(said, retry_after=wait)
        attempt = 1
        while True:
            try:
                found = once(attempt)
            except KmError as error:
                pause = PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
                pause = max(pause, error.retry_after or 0.0)
                if attempt >= self.tries or not _at_once(error) or pause > LONGEST_PAUSE_SECONDS:
                    raise self._judged(error) from error
                time.sleep(pause)
                attempt += 1
            except BaseException:
                self.breaker.learnt_nothing()
                raise
            else:
                self.breaker.succeeded()
                return found

    def _judged(self, error: KmError) -> KmError:
        """The error as it is to be taken: what may be the store's fault is, if the store is not well."""
        if isinstance(error, KmRejected):
            self.breaker.succeeded()
            return error
        plainly = isinstance(error, KmUnavailable) and not isinstance(error, KmAway | KmAuth)
        health = Health(ok=False) if plainly else self.health()
        here_alone = not isinstance(error, KmAway | KmAuth) or isinstance(error, KmForbidden)
        if health.ok and here_alone:
            self.breaker.learnt_nothing()
            # With the same credentials it is well: what it forbids is this document.
            return KmRejected(str(error)) if isinstance(error, KmForbidden) else error
        if not isinstance(error, KmUnavailable):
            error = KmUnavailable(f"{error} {health.message}".strip(), retry_after=error.retry_after)
        self.breaker.failed(error, error.retry_after)
        return error


def _at_once(error: KmError) -> bool:
    """Whether to try again within the call: not after a wait that was long already, nor for what would be the same."""
    if isinstance(error, KmRejected | KmAuth | KmAway):
        return False
    return not isinstance(error.__cause__, httpx2.ReadTimeout | httpx2.WriteTimeout | httpx2.PoolTimeout)


def _batches(documents: Sequence[KMDocument]) -> Iterator[list[KMDocument]]:
    batch: list[KMDocument] = []
    size = 0
    for one in documents:
        if batch and (len(batch) == BATCH_FILES or size + one.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.size
    if batch:
        yield batch
