"""The registry of handlers: which function runs an operation, and with what limits."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docqueue import routing
from docqueue.conf import get_settings
from docqueue.exceptions import ConfigurationError, UnknownOperation, is_seconds
from docqueue.retry import RetryPolicy

if TYPE_CHECKING:
    from docqueue.context import Context

PROCESS, THREAD = "process", "thread"
HandlerFunction = Callable[["Context"], Any]
DeadHook = Callable[[int, str, str], None]


@dataclass(frozen=True, kw_only=True)
class Handler:
    """A registered operation. None means: what the settings say."""

    operation: str
    function: HandlerFunction
    queue: str | None = None
    max_attempts: int | None = None
    timeout_seconds: float | None = None
    memory_mb: int | None = None
    retry: RetryPolicy | None = None
    stall_seconds: float | None = None
    end_stalled: bool = False
    payload: Callable[..., Any] | None = None
    isolation: str = PROCESS
    concurrency_limit: int | None = None
    limit_key: str | None = None
    answer_seconds: float | None = None

    @property
    def policy(self) -> RetryPolicy:
        """The retry policy in force."""
        return self.retry or get_settings().retry_policy

    @property
    def where(self) -> str:
        """Module and name of the function, for messages."""
        return f"{self.function.__module__}.{self.function.__qualname__}"


_registry: dict[str, Handler] = {}
typed: set[str] = set()
"""Operations whose handlers declare their payload."""
ruled: set[str] = set()
"""Operations whose handlers limit how many run or start."""
_dead_hooks: dict[str, DeadHook] = {}


def handler(
    operation: str,
    *,
    queue: str | None = None,
    max_attempts: int | None = None,
    timeout_seconds: float | None = None,
    memory_mb: int | None = None,
    retry: RetryPolicy | None = None,
    stall_seconds: float | None = None,
    end_stalled: bool = False,
    payload: Callable[..., Any] | None = None,
    isolation: str = PROCESS,
    concurrency_limit: int | None = None,
    limit_key: str | None = None,
    answer_seconds: float | None = None,
) -> Callable[[HandlerFunction], HandlerFunction]:
    """Register the decorated function as the handler of `operation`.

    A run that makes no progress for `stall_seconds` is reported as stalled; with `end_stalled` it is ended, and that is
    a failed attempt. `payload`: a dataclass, or anything that is called with keywords; a payload whose keys it would
    not take is refused at enqueue (`PayloadMisfit`), and `queue_check` finds those that are on their way. `isolation`:
    "process", or "thread" for a handler that mostly waits for others (HTTP, storage): where a worker has `--threads`,
    it shares a process with its like, and then `memory_mb` is not enforced. At most `concurrency_limit` items of the
    operation run at once, on all workers together; their starts are limited by what LIMITS says under `limit_key`.
    (Items may name keys of their own when they are enqueued.) An item that was completed less than `answer_seconds` ago
    answers for a new one of the same unique key and payload: that is not enqueued (`Enqueued.answered`).

    The function gets a `Context` and returns the item's result (JSON) or None. It may raise `Retry`, `Snooze`,
    `DeadLetter` or `Cancelled`; any other exception is a failed attempt. Raises `ConfigurationError` when the
    operation has a handler already.
    """
    if not isinstance(operation, str) or not 0 < len(operation) <= 200 or not operation.isprintable():
        raise ConfigurationError(f"An operation's name is a string of 1 to 200 characters, not {operation!r}.")

    if isolation not in (PROCESS, THREAD):
        raise ConfigurationError(f"isolation is {PROCESS!r} or {THREAD!r}, not {isolation!r}.")

    if answer_seconds is not None and not (is_seconds(answer_seconds) and answer_seconds > 0):
        raise ConfigurationError(f"answer_seconds is a positive number of seconds, not {answer_seconds!r}.")

    def register(function: HandlerFunction) -> HandlerFunction:
        new = Handler(
            operation=operation,
            function=function,
            queue=queue,
            max_attempts=max_attempts,
            timeout_seconds=timeout_seconds,
            memory_mb=memory_mb,
            retry=retry,
            stall_seconds=stall_seconds,
            end_stalled=end_stalled,
            payload=payload,
            isolation=isolation,
            concurrency_limit=concurrency_limit,
            limit_key=limit_key,
            answer_seconds=answer_seconds,
        )
        if payload is not None:
            try:
                inspect.signature(payload)
            except (TypeError, ValueError) as error:
                why = f"payload={payload!r} of {operation!r} can not be compared with anything: {error}."
                raise ConfigurationError(why, hint="Give a dataclass, or a function with named parameters.") from error
        known = _registry.get(operation)
        if known is not None and known.where != new.where:
            raise ConfigurationError(
                f"Operation {operation!r} has two handlers: {known.where} and {new.where}.",
                hint="Give one of them another operation name.",
            )
        _registry[operation] = new
        (typed.discard if payload is None else typed.add)(operation)
        (ruled.discard if concurrency_limit is None and limit_key is None else ruled.add)(operation)
        return function

    return register


def on_dead(operation: str) -> Callable[[DeadHook], DeadHook]:
    """Call the decorated function with (item id, code, message) soon after an item of `operation` became dead.

    Best effort: it runs after the item's commit, in the process that settled it, and is not repeated when that
    process ends first. Whatever must not be missed has to be found again from the tables.
    """

    def register(function: DeadHook) -> DeadHook:
        _dead_hooks[operation] = function
        return function

    return register


def dead_hook(operation: str) -> DeadHook | None:
    """The function registered with `on_dead`, if any."""
    return _dead_hooks.get(operation)


def operations() -> list[str]:
    """Names of all registered operations, sorted."""
    return sorted(_registry)


def find(operation: str) -> Handler | None:
    """The handler of `operation`, or None."""
    return _registry.get(operation)


def get(operation: str) -> Handler:
    """The handler of `operation`. Raises `UnknownOperation` with the nearest name."""
    found = _registry.get(operation)
    if found is None:
        close = difflib.get_close_matches(operation, _registry, n=1)
        suggestion = f" Did you mean {close[0]!r}?" if close else ""
        raise UnknownOperation(f"No handler is registered for the operation {operation!r}.{suggestion}")
    return found


def threaded(operation: str) -> bool:
    """Whether this operation's handler may share its process with others."""
    found = _registry.get(operation)
    return found is not None and found.isolation == THREAD


def isolations() -> dict[str, set[str]]:
    """By queue, how the handlers that ROUTES or they themselves send there want to run."""
    found: dict[str, set[str]] = {}
    settings = get_settings()
    for known in _registry.values():
        queue = routing.find(settings.ROUTES, known.operation).get("queue") or known.queue or settings.DEFAULT_QUEUE
        found.setdefault(queue, set()).add(known.isolation)
    return found


def misfit(operation: str, payload: Mapping[str, Any]) -> str:
    """Why a payload does not fit its operation's handler, in words; empty when it does."""
    found = _registry.get(operation)
    if found is None:
        return f"no handler is registered for {operation}"
    if found.payload is None:
        return ""
    try:
        inspect.signature(found.payload).bind(**payload)
    except TypeError as error:
        return f"{found.payload.__qualname__}: {error}"
    return ""


def forget(operation: str) -> None:
    """Take an operation out of the registry again, for tests."""
    _registry.pop(operation, None)
    typed.discard(operation)
    ruled.discard(operation)
    _dead_hooks.pop(operation, None)
