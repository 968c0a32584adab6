"""E-mails: told by their header, which is a block of fields of which some occur nowhere else."""

from __future__ import annotations

import re

_FIELD = re.compile(r"([!-9;-~]+):(?:[ \t]|$|\S)")
_SEPARATOR = re.compile(r"^From \S+ .*\d{4}", re.MULTILINE)
_KNOWN_NAMES = """
    from to cc bcc subject date message-id received return-path mime-version content-type delivered-to reply-to
    newsgroups path in-reply-to references sender content-transfer-encoding x-mailer organization
"""
# A memo also has From, To and Subject; a web server's answer also has Date and Content-Type.
_TELLING_NAMES = """
    message-id received mime-version return-path delivered-to newsgroups x-mailer content-transfer-encoding
"""
_KNOWN, _TELLING = frozenset(_KNOWN_NAMES.split()), frozenset(_TELLING_NAMES.split())
NEEDED_FIELDS = 2


def by_header(text: str, claimed: frozenset[str]) -> str | None:
    """`eml` for one message, `mbox` for several, None for other text."""
    lines = text.lstrip("\r\n").splitlines()
    separated = bool(lines) and _SEPARATOR.match(lines[0]) is not None
    fields: set[str] = set()
    for line in lines[1:] if separated else lines:
        if not line.strip():
            break
        if line[0] in " \t":
            if not fields:
                return None
            continue
        match = _FIELD.match(line)
        if match is None:
            return None
        fields.add(match.group(1).lower())
    if len(fields & _KNOWN) < NEEDED_FIELDS or not (fields & _TELLING or "eml" in claimed):
        return None
    return "mbox" if separated and len(_SEPARATOR.findall(text)) > 1 else "eml"
