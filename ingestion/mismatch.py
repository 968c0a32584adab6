"""A file that is something else than its name claims: a warning where it can be read, else an error that says so."""

from __future__ import annotations

from ingestion.errors import TypeMismatch
from ingestion.extract.registry import is_readable
from ingestion.limits import FAIL_FILE, Limits
from ingestion.sniff import Detected
from ingestion.sniffing.kinds import TEXTUAL, claimed_by, extension_of

HAVE_ERRORS_OF_THEIR_OWN = frozenset({"empty", "unknown"})


def refuse(detected: Detected, name: str, limits: Limits) -> None:
    """Raise TypeMismatch where `name` claims another type than `detected`, unless that only calls for a warning.

    It is an error when the content can not be read, when ON_TYPE_MISMATCH says so, and when text is named like an
    archive: mostly the page that says why there is no archive.
    """
    if not detected.mismatch or detected.type in HAVE_ERRORS_OF_THEIR_OWN:
        return
    told = f"By its name the file is .{extension_of(name)[:20]}, but its content is of the type {detected.type}"
    if not is_readable(detected.type):
        raise TypeMismatch(
            f"{told}, which text can not be taken from.",
            hint=f"It really is {detected.mime}. Open it, save it as the type that its name says and upload that.",
            stage="indexing",
        )
    if limits.on_type_mismatch == FAIL_FILE or ("zip" in claimed_by(name) and detected.type in TEXTUAL):
        raise TypeMismatch(
            f"{told}.",
            hint=f"It really is {detected.mime}: rename it if it is what you meant to send. "
            "An error page saved under a file's name is a common cause.",
            stage="indexing",
        )
