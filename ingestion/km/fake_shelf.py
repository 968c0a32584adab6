"""What a fake knowledge store has: objects by key, judged by the bytes that it received itself."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

TEXT_BYTES = 64 * 1024
"""What is kept of each object in memory, for its search."""
FIELDS: dict[str, type] = {
    "key": str, "sha256": str, "size": int, "filename": str, "title": str, "content_type": str, "type": str,
    "tags": list, "owner": str, "created_at": str,
}  # fmt: skip


class Refused(Exception):
    """A request that the store does not take: HTTP status, code, words."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


@dataclass(kw_only=True)
class Stored:
    """One object. `bodies`: how many complete bodies came under its key; more than one was sent for nothing."""

    key: str
    ref: str
    sha256: str
    size: int
    about: dict[str, Any]
    bodies: int = 1
    text: str = field(default="", repr=False)

    def shown(self) -> dict[str, Any]:
        """As the contract shows an object."""
        return {"ref": self.ref, "key": self.key, "sha256": self.sha256, "size": self.size, "state": "stored"}


class Received:
    """A body that is coming in: hashed, counted, and with a folder written beside its place."""

    def __init__(self, folder: Path | None) -> None:
        self.digest, self.size, self.start = hashlib.sha256(), 0, bytearray()
        self.path = folder / f"{uuid.uuid4().hex}.part" if folder else None
        self._file: IO[bytes] | None = self.path.open("wb") if self.path else None

    def take(self, chunks: Iterable[bytes]) -> Received:
        """Read all of it."""
        try:
            for chunk in chunks:
                self.digest.update(chunk)
                self.size += len(chunk)
                if len(self.start) < TEXT_BYTES:
                    self.start += chunk[: TEXT_BYTES - len(self.start)]
                if self._file:
                    self._file.write(chunk)
        except BaseException:
            self.drop()
            raise
        return self

    def keep(self, place: Path | None) -> None:
        """Move it to where it stays."""
        if self._file and self.path and place:
            self._file.close()
            self.path.replace(place)

    def drop(self) -> None:
        """Forget it."""
        if self._file and self.path:
            self._file.close()
            self.path.unlink(missing_ok=True)


class Shelf:
    """Objects by key, thread-safe. With a `folder` they outlive the process, and their bytes are kept."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.objects: dict[str, Stored] = {}
        self._lock = threading.Lock()
        self._journal = folder / "objects.jsonl" if folder else None
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            for part in folder.glob("*.part"):
                part.unlink()
            self._read()

    def put(self, about: Mapping[str, Any], body: Received) -> tuple[Stored, bool]:
        """Keep a body under its key. False: the key was there, with the same bytes. Raises Refused."""
        if (body.digest.hexdigest(), body.size) != (about["sha256"], about["size"]):
            body.drop()
            raise Refused(422, "content_mismatch", f"{body.size} bytes came, which are not those announced")
        with self._lock:
            there = self.objects.get(about["key"])
            if there is not None:
                body.drop()
                if there.sha256 != about["sha256"]:
                    raise Refused(409, "key_conflict", "this key was used for other bytes")
                there.bodies += 1
                return there, False
            ref = f"km-{uuid.uuid4().hex[:16]}"
            text = body.start.decode("utf-8", "ignore")
            new = Stored(
                key=about["key"], ref=ref, sha256=about["sha256"], size=body.size, about=dict(about), text=text
            )
            body.keep(self.folder / ref if self.folder else None)
            self.objects[new.key] = new
            self._note({"put": asdict(new)})
            return new, True

    def by_ref(self, ref: str) -> Stored:
        """The object of this reference. Raises Refused."""
        with self._lock:
            for stored in self.objects.values():
                if stored.ref == ref:
                    return stored
        raise Refused(404, "document_not_found", "there is no such document")

    def delete(self, ref: str) -> None:
        """Take it out. Raises Refused."""
        stored = self.by_ref(ref)
        with self._lock:
            self.objects.pop(stored.key, None)
            self._note({"delete": stored.key})
            if self.folder:
                (self.folder / ref).unlink(missing_ok=True)

    def tag(self, ref: str, tags: list[str]) -> Stored:
        """Replace its tags. Raises Refused."""
        stored = self.by_ref(ref)
        with self._lock:
            stored.about["tags"] = tags
            self._note({"put": asdict(stored)})
        return stored

    def search(self, query: str, owner: str, tags: set[str], limit: int) -> list[dict[str, Any]]:
        """Objects of this owner in whose first bytes all words stand, those with the most of them first."""
        wanted = re.findall(r"\w+", query.lower())
        hits = []
        with self._lock:
            objects = list(self.objects.values())
        for one in objects:
            found = [one.text.lower().count(word) for word in wanted]
            if found and all(found) and one.about["owner"] == owner and tags <= set(one.about["tags"]):
                at = max(0, one.text.lower().find(wanted[0]) - 40)
                snippet = " ".join(one.text[at : at + 160].split())
                shown = {"ref": one.ref, "key": one.key, "title": one.about["title"], "snippet": snippet}
                hits.append(shown | {"score": float(sum(found))})
        return sorted(hits, key=lambda hit: -hit["score"])[:limit]

    def _note(self, record: dict[str, Any]) -> None:
        if self._journal:
            with self._journal.open("a") as journal:
                journal.write(json.dumps(record) + "\n")

    def _read(self) -> None:
        if self._journal and self._journal.exists():
            for line in self._journal.read_text().splitlines():
                record = json.loads(line)
                if "put" in record:
                    self.objects[record["put"]["key"]] = Stored(**record["put"])
                else:
                    self.objects.pop(record["delete"], None)


def checked(about: Any) -> dict[str, Any]:
    """A document's description, if it is one by the contract. Raises Refused."""
    if not isinstance(about, dict):
        raise Refused(400, "invalid_document", "a document is described by a JSON object")
    wrong = [name for name, kind in FIELDS.items() if not isinstance(about.get(name), kind)]
    unknown = sorted(set(about) - set(FIELDS))
    if wrong or unknown:
        raise Refused(400, "invalid_document", f"missing or wrong: {wrong}; unknown: {unknown}")
    if not re.fullmatch(r"[0-9a-f]{64}", about["sha256"]) or about["size"] < 0 or not about["key"]:
        raise Refused(400, "invalid_document", "sha256, size or key are not what they should be")
    if not all(isinstance(tag, str) for tag in about["tags"]):
        raise Refused(400, "invalid_document", "tags must be texts")
    return about
