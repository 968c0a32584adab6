"""The service in the hands of one user: each verb asks for its permission first, and the audit has the user's name.

Admin and API go through it. So the page that shows a button and the view that takes its click may both be wrong, and
nothing happens that the user may not do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from docqueue.bulk import PERMISSIONS as BULK
from docqueue.exceptions import NotAllowed
from docqueue.models import Schedule

if TYPE_CHECKING:
    from docqueue.service import DocumentQueueService

PERMISSIONS = {
    "requeue": "docqueue.requeue_item",
    "run_now": "docqueue.requeue_item",
    "cancel": "docqueue.cancel_item",
    "discard": "docqueue.cancel_item",
    "change_priority": "docqueue.change_queueitem",
    "clone": "docqueue.add_queueitem",
    "acknowledge_failure": "docqueue.acknowledge_failure",
    "unacknowledge_failure": "docqueue.acknowledge_failure",
    "pause_queue": "docqueue.change_queue",
    "resume_queue": "docqueue.change_queue",
    "quiet_worker": "docqueue.manage_workers",
    "unquiet_worker": "docqueue.manage_workers",
    "stop_worker": "docqueue.manage_workers",
    "seal_batch": "docqueue.change_batch",
    "add_schedule": "docqueue.add_schedule",
    "pause_schedule": "docqueue.change_schedule",
    "resume_schedule": "docqueue.change_schedule",
    "remove_schedule": "docqueue.delete_schedule",
    **{f"bulk {action}": permission for action, permission in BULK.items()},
}
"""What each verb of people takes. `bulk` and `bulk_abort` take what their action does; `run_now` of a schedule takes
change_schedule."""


class Acting:
    """`DocumentQueueService.acting_as`: the verbs of people, without their argument `by`."""

    def __init__(self, service: DocumentQueueService, user: Any) -> None:
        self._service = service
        self._user = user

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        if verb not in PERMISSIONS and verb not in ("bulk", "bulk_abort"):
            raise AttributeError(f"{verb} is no verb of people: call the service itself")
        return partial(self._act, verb)

    def _act(self, verb: str, *args: Any, **options: Any) -> Any:
        self._ask(self._permission(verb, args, options))
        return getattr(self._service, verb)(*args, by=self._user.get_username(), **options)

    def _permission(self, verb: str, args: tuple[Any, ...], options: dict[str, Any]) -> str | None:
        first = args[0] if args else options.get({"bulk": "action", "bulk_abort": "bulk_id"}.get(verb, "name"))
        match verb:
            case "bulk":
                return BULK.get(first) if isinstance(first, str) else None  # None: bulk() says what actions there are
            case "bulk_abort":
                return BULK[self._service.bulk_status(int(first)).action]  # type: ignore[arg-type]
            case "add_schedule" if Schedule.objects.using(self._service.using).filter(name=first).exists():
                return PERMISSIONS["pause_schedule"]  # to change one
            case "run_now" if isinstance(first, Schedule | str):
                return PERMISSIONS["pause_schedule"]
        return PERMISSIONS[verb]

    def _ask(self, permission: str | None) -> None:
        if permission is not None and not self._user.has_perm(permission):
            raise NotAllowed(f"{self._user.get_username() or 'An unknown user'} has no permission {permission}.")
