"""E-mail: who, when, about what; the body, and those of mails forwarded in it; and what is attached, as files.

Parsed by the standard library under its older, forgiving policy: the newer one fails on malformed addresses, and a
mail is worth reading whatever its address lines look like.
"""

from __future__ import annotations

import base64
import email
import email.policy
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from functools import partial
from pathlib import Path

from ingestion.errors import ContentTooLarge, CorruptFile, EncodingUnreadable
from ingestion.extract.clean import clean_line
from ingestion.extract.contract import Attachment, Extractor, PageWriter
from ingestion.extract.decode import decode_bytes
from ingestion.extract.html import html_to_lines

HEADERS = ("From", "To", "Cc", "Date", "Subject")
MAX_HEADER = 10_000
MAX_DEPTH = 20


def read(path: Path, out: PageWriter) -> None:
    """Write the headers, the body and the attachments' names; the title is the subject."""
    if path.stat().st_size > out.limits.max_content_bytes // 4:  # the parser holds the whole mail several times over
        raise ContentTooLarge("The e-mail is larger than a quarter of the limit max_content_bytes.")
    with path.open("rb") as stream:
        message: Message = email.message_from_binary_file(stream, policy=email.policy.compat32)
    if not message.keys():
        raise CorruptFile("The file is damaged: it has no e-mail headers.")
    _Mail(out).write(message)


def body_to_lines(data: bytes, out: PageWriter) -> None:
    """Write what a message says, without its headers and attachments: web pages are saved as messages, too."""
    _Mail(out).write_body(email.message_from_bytes(data, policy=email.policy.compat32))


class _Mail:
    """Writes one mail, and the mails forwarded in it."""

    def __init__(self, out: PageWriter) -> None:
        self._out = out
        self._parts = 0

    def write(self, message: Message, depth: int = 0) -> None:
        """Headers, body, attachments."""
        for name in HEADERS:
            if value := header(message, name):
                self._out.line(f"{name}: {value}")
        self._out.title(header(message, "Subject"))
        self._out.line("")
        attached: list[Message] = []
        self._body(message, attached, depth)
        for part in attached:
            self._out.line("")
            self._attachment(part, depth)

    def write_body(self, message: Message) -> None:
        """The body alone."""
        self._body(message, [], 0)

    def _body(self, part: Message, attached: list[Message], depth: int) -> None:
        self._parts += 1
        if self._parts > self._out.limits.max_parts:
            raise ContentTooLarge("The e-mail has more parts than the limit max_parts allows.")
        if depth > MAX_DEPTH:
            raise CorruptFile("The file is damaged: its parts are nested absurdly deeply.")
        kind = part.get_content_type()
        if _is_attachment(part):
            attached.append(part)
        elif kind == "multipart/alternative" and (alternatives := _children(part)):
            best = _best_of(alternatives)
            self._body(best, attached, depth + 1)
            # Some programs put what is attached into one of the versions.
            others = (part for version in alternatives if version is not best for part in version.walk())
            attached.extend(part for part in others if _is_attachment(part))
        elif part.is_multipart():
            for child in _children(part):
                self._body(child, attached, depth + 1)
        elif kind == "text/html":
            html_to_lines(self._text(part), self._out)
        elif part.get_content_maintype() in ("text", "multipart"):
            self._out.line(self._text(part))
        else:
            attached.append(part)

    def _attachment(self, part: Message, depth: int) -> None:
        named = part.get_filename()
        # A mail with a name was sent as a file; without one it is what this mail forwards, and part of its text.
        if part.get_content_type() == "message/rfc822" and not named and (inner := _children(part)):
            self._out.line("Attached message:")
            self.write(_decoded_message(part, inner[0]), depth + 1)
            return
        name = _decoded(named or "") or "without a name"
        self._out.line(f"Attachment: {name} ({part.get_content_type()})")
        self._out.attach(Attachment(name, _belongs_to_the_text(part), partial(_bytes_of, part)))

    def _text(self, part: Message) -> str:
        data = part.get_payload(decode=True)
        if not isinstance(data, bytes):
            return ""
        named = part.get_content_charset()
        try:
            return decode_bytes(data, self._out, named=named)
        except EncodingUnreadable:
            self._out.warn("encoding_unreadable", "a part of the body could not be read as text")
            return ""


def header(message: Message, name: str) -> str:
    """One header in plain text: encoded words decoded where they can be, bytes beyond ASCII too."""
    wanted = name.lower()
    return _decoded(next((str(value) for key, value in message.raw_items() if key.lower() == wanted), ""))


def _decoded(value: str) -> str:
    raw = value[:MAX_HEADER].encode("utf-8", "surrogateescape")
    try:
        value = raw.decode("utf-8")
    except UnicodeDecodeError:
        value = raw.decode("cp1252", "replace")
    # Else shown as it stands in the mail: a name in an unknown encoding is still a name.
    with suppress(HeaderParseError, LookupError, ValueError):
        value = str(make_header(decode_header(value)))
    return clean_line(value)


def _is_attachment(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or part.get_content_type() == "message/rfc822"


def _belongs_to_the_text(part: Message) -> bool:
    """A picture that the body shows, as the logo of a signature."""
    named = part.get("Content-ID") is not None or part.get_content_disposition() == "inline"
    return part.get_content_maintype() == "image" and named


def _bytes_of(part: Message) -> bytes:
    inner = _children(part)
    if part.get_content_type() == "message/rfc822" and inner:
        return _decoded_message(part, inner[0]).as_bytes()
    data = part.as_bytes() if part.is_multipart() else part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _decoded_message(part: Message, inner: Message) -> Message:
    """The mail inside of a part; some programs encode it, which the standard forbids and the parser does not undo."""
    if inner.keys() or part.get("Content-Transfer-Encoding", "").strip().lower() != "base64":
        return inner
    try:
        data = base64.b64decode(str(inner.get_payload()))
    except ValueError:
        return inner
    return email.message_from_bytes(data, policy=email.policy.compat32)


def _best_of(alternatives: list[Message]) -> Message:
    """The plain one of several versions, if there is anything in it; else HTML; else the last, the richest."""
    for part in alternatives:
        if part.get_content_type() == "text/plain" and _has_words(part):
            return part
    pages = [part for part in alternatives if part.get_content_type() in ("text/html", "multipart/related")]
    return (pages or alternatives)[-1]


def _has_words(part: Message) -> bool:
    data = part.get_payload(decode=True)
    return isinstance(data, bytes) and bool(data.strip())


EXTRACTOR = Extractor(name="eml", version=2, read=read)
