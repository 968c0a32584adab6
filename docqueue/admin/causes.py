"""What the pages of causes say of one: what raised it, who saw to it before, and how quickly people do of late."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils.translation import gettext, ngettext

from docqueue import outcomes, stats
from docqueue.admin import audit
from docqueue.conf import get_settings
from docqueue.failures import TARGET_SECONDS
from docqueue.models import Attempt, FailureGroup
from docqueue.service import DocumentQueueService


def sample(found: FailureGroup) -> Attempt | None:
    """The attempt of the sample item that failed so."""
    attempts = Attempt.objects.using(get_settings().DATABASE)
    return attempts.filter(item_id=found.sample_id, fingerprint=found.pk).order_by("-id").first()


def told(found: FailureGroup) -> tuple[str, str]:
    """The class of the exception, and where our own code raised it, as far as the sample says."""
    one = sample(found)
    return outcomes.told_by(one.traceback) if one is not None else ("", "")


def who_was_first(fingerprint: str, own: int) -> str:
    """Who had the last bulk operation about it before this one."""
    entries = audit.of_many(get_settings().DATABASE, fingerprint=fingerprint)
    last = next((one for one in entries if one.filter.get("bulk") != own), None)
    if last is None:
        return ""
    seconds = (datetime.now(UTC) - last.at).total_seconds()
    said = {"action": last.action, "actor": last.actor or "–", "time": stats.in_words(seconds)}
    return gettext("Last: %(action)s by %(actor)s, %(time)s ago.") % said


def resolution_in_words() -> str:
    """How quickly dead items have been seen to of late, beside what is aimed at."""
    found = DocumentQueueService(get_settings().DATABASE).resolutions()
    if found.p50_seconds is None or found.p95_seconds is None:
        nothing = gettext(
            "In the last %(days)d days nobody had to see to a dead item. The aim: to 95 of 100 within %(aim)s."
        )
        return nothing % {"days": found.days, "aim": stats.in_words(TARGET_SECONDS)}
    late = found.p95_seconds > TARGET_SECONDS
    text = ngettext(
        "In the last %(days)d days people saw to %(n)s dead item, within %(most)s (the aim: %(aim)s%(missed)s).",
        "In the last %(days)d days people saw to %(n)s dead items: to half of them within %(half)s, to 95 of 100 "
        "within %(most)s (the aim: %(aim)s%(missed)s).",
        found.number,
    )
    said = {"half": found.p50_seconds, "most": found.p95_seconds, "aim": TARGET_SECONDS}
    words = {name: stats.in_words(seconds) for name, seconds in said.items()}
    return text % {
        "days": found.days,
        "n": f"{found.number:,}",
        **words,
        "missed": gettext(", which was missed") if late else "",
    }
