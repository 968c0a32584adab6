"""The two roles of `manage.py queue_roles`, and what each may: of the queue, and of the apps that use it.

An app adds its own in its AppConfig's `ready`: `roles.register("my_app", read=["my_app.view_thing"], act=[…])`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from docqueue.acting import PERMISSIONS

QUEUE = "docqueue"
READERS, OPERATORS = "Queue readers", "Queue operators"


class Role(NamedTuple):
    """A group, and the permissions that it is to have, as `app.codename`."""

    name: str
    permissions: frozenset[str]


_read: dict[str, frozenset[str]] = {}
_act: dict[str, frozenset[str]] = {}


def register(source: str, *, read: Iterable[str], act: Iterable[str] = ()) -> None:
    """Give these permissions to the roles, under the name of an app: `read` to both, `act` to operators besides."""
    _read[source], _act[source] = frozenset(read), frozenset(act)


def known() -> list[Role]:
    """Both roles, with what all apps give them."""
    read = frozenset[str]().union(*_read.values())
    return [Role(READERS, read), Role(OPERATORS, read.union(*_act.values()))]


VIEWS = ("queueitem", "historyitem", "worker", "queue", "limit", "batch", "schedule", "bulkoperation", "failuregroup")
"""What readers see: where everything is. No payloads, results or tracebacks, and not what other people did."""
TRUSTED = ("view_payload", "view_attempt", "view_auditentry", "process_queue")

register(
    QUEUE,
    read=[f"docqueue.view_{name}" for name in VIEWS],
    act=[*PERMISSIONS.values(), *(f"docqueue.{name}" for name in TRUSTED)],
)
