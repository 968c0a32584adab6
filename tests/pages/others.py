"""What the project's other pages answer, by who asks: nobody, somebody logged in, staff, and the owner of what it is.

A number is a status; "login": the way to the page where one logs in; "admin": to that of the admin.
"""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings

Answer = int | str


class Expected(NamedTuple):
    """The answers to a GET, and to a POST that has what the page's own form sends."""

    nobody: Answer
    user: Answer
    staff: Answer
    owner: Answer


EVERYBODY = Expected(200, 200, 200, 200)
NOT_SO = Expected(405, 405, 405, 405)
OWNERS = Expected("login", 404, 404, 200)
"""What is another's is not there, for staff neither: they have the admin."""
OWNERS_DEED = Expected("login", 404, 404, 302)
STAFF = Expected(401, 403, 200, 403)
BY_THE_ADMIN = Expected("admin", "admin", 200, "admin")
LEADS = Expected(302, 302, 302, 302)

OTHERS: dict[str, tuple[Expected, Expected]] = {
    "uploads:home": (Expected("login", 200, 200, 200), Expected("login", 303, 303, 303)),
    "uploads:news": (Expected(401, 200, 200, 200), NOT_SO),
    "uploads:intake": (OWNERS, NOT_SO),
    "uploads:cancel": (NOT_SO, OWNERS_DEED),
    "uploads:retry": (NOT_SO, OWNERS_DEED),
    "uploads:delete": (OWNERS, OWNERS_DEED),
    "uploads:retry-file": (NOT_SO, OWNERS_DEED),
    "uploads:document": (OWNERS, NOT_SO),
    "livez": (EVERYBODY, NOT_SO),
    "readyz": (EVERYBODY, NOT_SO),
    "metrics": (STAFF, STAFF._replace(staff=405)),
    "login": (Expected(200, 302, 302, 302), Expected(200, 302, 302, 302)),
    "logout": (NOT_SO, LEADS),
    "one-time-login": (Expected(410, 410, 410, 410), NOT_SO),
    "schema": (EVERYBODY, NOT_SO),
    "api-docs": (EVERYBODY, NOT_SO),
    "api-reference": (EVERYBODY, NOT_SO),
    "admin:index": (BY_THE_ADMIN, BY_THE_ADMIN),
    "admin:app_list": (BY_THE_ADMIN, BY_THE_ADMIN),
    "admin:login": (Expected(200, 200, 302, 200), EVERYBODY),
    "admin:logout": (Expected(302, 302, 405, 302), LEADS),
    "admin:password_change": (BY_THE_ADMIN, BY_THE_ADMIN),
    "admin:password_change_done": (BY_THE_ADMIN, BY_THE_ADMIN._replace(staff=405)),
    "admin:autocomplete": (BY_THE_ADMIN._replace(staff=403), BY_THE_ADMIN._replace(staff=405)),
    "admin:jsi18n": (BY_THE_ADMIN, BY_THE_ADMIN._replace(staff=405)),
    "admin:view_on_site": (BY_THE_ADMIN._replace(staff=404), BY_THE_ADMIN._replace(staff=404)),
    "admin:(?P<url>.*)$": (BY_THE_ADMIN._replace(staff=404), BY_THE_ADMIN._replace(staff=404)),
}
if settings.HTTP_METRICS:  # where django-prometheus supports this Django
    OTHERS["http-metrics"] = (BY_THE_ADMIN, BY_THE_ADMIN._replace(staff=405))
