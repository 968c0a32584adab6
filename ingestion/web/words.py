"""What the page's script says, in the reader's language: the server translates, the script fills in the numbers."""

from __future__ import annotations

from django.utils.translation import gettext as _


def words() -> dict[str, str]:
    """Sentences by their names; `{name}` is filled in by the script."""
    return {
        "again_in": _("{reason} Trying again in {seconds} s."),
        "and_more": _("{first} and {n} more"),
        "cancel": _("Cancel"),
        "changed": _("The file was changed, moved or deleted since it was chosen. Choose it again."),
        "deleted": _("deleted"),
        "dismiss": _("Dismiss"),
        "duplicates_in_choice": _("{n} files were chosen twice and are sent once."),
        "empty_file": _("The file is empty: it has no bytes."),
        "empty_hint": _("Check that it was written completely, then choose it again."),
        "finished_many": _("{n} uploads have finished."),
        "forget": _("Forget it"),
        "hits": _("{n} results are shown."),
        "interrupted": _("Interrupted. Choose the same files again to continue."),
        "interrupted_tus": _("Interrupted at {percent} %. Choose the same file again to continue from there."),
        "junk": _("{n} system files (such as .DS_Store) were left out."),
        "logged_out": _("You have been logged out. Log in again to continue; nothing that was sent is lost."),
        "more_files": _("… and {n} more"),
        "no_files": _("No files were found there."),
        "not_a_type": _("{suffix} is none of the types that text can be read from."),
        "not_a_type_hint": _("Send it anyway if its content is of another type than its name says."),
        "no_network": _("The server can not be reached."),
        "nothing_to_retry": _("Nothing of it can be tried again: its bytes are not there any more. Upload it again."),
        "retry": _("Try again"),
        "send_anyway": _("Send it anyway"),
        "sending": _("Sending: {percent} %"),
        "sent": _("Sent. Waiting for the server to store it."),
        "taken": _("{name} was sent."),
        "too_large": _("The file has {size}; at most {most} are accepted."),
        "too_large_hint": _("Split it into smaller parts, or ask the operator to raise the limit."),
        "waiting": _("Waiting for its turn"),
    }
