"""Names of archive entries: labels for people, judged as if somebody might still use them as paths.

Nothing here is ever opened: content is stored under its hash. A name that points outside of the archive is a
sign of an attack and refuses the whole; any other odd name is kept, made printable, beside a `safe_name` that
every system can store.
"""

from __future__ import annotations

import re
import unicodedata

from ingestion.errors import EntryName, UnsafePath
from ingestion.limits import Limits

SAFE_NAME_BYTES = 255  # the longest name of a file that common file systems take
KEPT_SUFFIX_BYTES = 20  # of an over-long name the end is kept too, as it tells the type

_DRIVE = re.compile(r"^[A-Za-z]:(?! )")  # 'C:x' and 'C:/x', not 'Q: a question.txt'
_RESERVED_CHARACTERS = re.compile(r'[<>:"/\\|?*]')
_RESERVED_NAMES = re.compile(r"^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)", re.IGNORECASE)
_JUNK_NAMES = {".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini"}


def printable(name: str) -> str:
    """The name with everything invisible or direction-changing written out, as in `a\\u202efdp.exe`."""
    return "".join(character if _is_visible(character) else _written_out(character) for character in name)


def _is_visible(character: str) -> bool:
    # Control, format (bidi, zero width), surrogate, private, unassigned, ends of lines and paragraphs.
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def parts_of(name: str) -> list[str]:
    """The folders and the file of a name; programs on Windows write backslashes between them."""
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def refuse_unsafe(name: str) -> None:
    """Raise UnsafePath when the name, used as a path on any system, would lead outside of its folder."""
    slashed = name.replace("\\", "/")
    if slashed.startswith("/") or _DRIVE.match(slashed):
        raise UnsafePath(f"The archive holds a file with an absolute name: {printable(name)[:200]}")
    # Windows drops spaces and dots at the end of a part, so '.. ' means '..' there.
    if any(set(part) <= {".", " "} and ".." in part for part in parts_of(name)):
        raise UnsafePath(f"The archive holds a file whose name leads outside of it: {printable(name)[:200]}")


def name_problem(raw_name: bytes, name: str, limits: Limits) -> EntryName | None:
    """Why this one entry's name can not be used, though it is not an attack on others."""
    if b"\0" in raw_name or "\0" in name:
        return EntryName("The file's name holds a NUL character, at which many programs would cut it.")
    if len(raw_name) > limits.max_path_bytes:
        return EntryName(
            f"The file's name is {len(raw_name):,} bytes long; at most {limits.max_path_bytes:,} are "
            "accepted (MAX_PATH_BYTES)."
        )
    depth = len(parts_of(name))
    if depth > limits.max_path_parts:
        return EntryName(
            f"The file lies {depth - 1} folders deep; at most {limits.max_path_parts - 1} are accepted "
            "(MAX_PATH_PARTS)."
        )
    return None


def is_junk(name: str) -> bool:
    """Is this a file that an operating system left behind, and not a document?"""
    parts = parts_of(name)
    return bool(parts) and (parts[0] == "__MACOSX" or parts[-1].lower() in _JUNK_NAMES or parts[-1].startswith("._"))


def safe_name(name: str, fallback: str = "unnamed") -> str:
    """A file name made of `name`'s last part that any system can store: never empty, at most 255 bytes."""
    last = (parts_of(name) or [""])[-1]
    last = unicodedata.normalize("NFC", "".join(c for c in last if _is_visible(c)))
    last = _RESERVED_CHARACTERS.sub("_", last).strip(" ").rstrip(" .")
    if not last or last == "..":
        return fallback
    if _RESERVED_NAMES.match(last):
        last = "_" + last
    return _shortened(last)


def _shortened(name: str) -> str:
    if len(name.encode()) <= SAFE_NAME_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    end = dot + suffix if stem and len(suffix.encode()) < KEPT_SUFFIX_BYTES else ""
    room = SAFE_NAME_BYTES - len(end.encode())
    return name.encode()[:room].decode(errors="ignore").rstrip(" .") + end
