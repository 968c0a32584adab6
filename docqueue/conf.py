"""Typed settings: `DOCQUEUE = {...}` in Django's settings, each key optional."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields
from functools import lru_cache
from typing import Any, NamedTuple, get_type_hints

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from docqueue import routing
from docqueue.exceptions import ConfigurationError
from docqueue.retry import Exponential, RetryPolicy


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of docqueue with their defaults. Durations are in seconds."""

    DATABASE: str = "default"
    DEFAULT_QUEUE: str = "default"
    DEFAULT_OPERATION: str = ""
    MAX_ATTEMPTS: int = 5
    MAX_CRASHES: int = 3
    TIMEOUT_SECONDS: float = 300.0
    MEMORY_MB: int = 1024
    RETRY_BASE_SECONDS: float = 5.0
    RETRY_FACTOR: float = 5.0
    RETRY_MAX_SECONDS: float = 3600.0
    RETRIES_PER_SECOND: float = 0.0
    PAYLOAD_MAX_BYTES: int = 262_144
    QUEUES: tuple[str, ...] = ()
    EXCLUDE_QUEUES: tuple[str, ...] = ()
    PROCESSES: int = 2
    THREADS: int = 0
    LEASE_SECONDS: float = 30.0
    CALLER_LEASE_SECONDS: float = 300.0
    LISTEN: bool = True
    POLL_SECONDS: float = 0.085
    GRACE_SECONDS: float = 30.0
    MAX_ITEMS: int = 0
    DRAIN: bool = False
    IN_PROCESS: bool = False
    RELOAD: bool = False
    HEARTBEAT_FILE: str = ""
    WORKER_NAME: str = ""
    CANCEL_GRACE_SECONDS: float = 3.0
    BATCH_SIZE: int = 1000
    PREFETCH: int = 2000
    CHILD_MAX_ITEMS: int = 10_000
    CHILD_MAX_SECONDS: float = 3600.0
    CHILD_MAX_GROWTH_MB: int = 512
    RETENTION_DAYS: int = 14
    RETENTION_COUNT: int = 0
    DEAD_RETENTION_DAYS: int = 0
    PROCESS_TOKEN: str = ""
    PROCESS_LIMIT: int = 100
    PROCESS_SECONDS: float = 50.0
    ROUTES: dict[str, dict[str, Any]] = field(default_factory=dict)
    LIMITS: dict[str, dict[str, Any]] = field(default_factory=dict)
    TEMPLATES: dict[str, dict[str, Any]] = field(default_factory=dict)
    FAIR_SHARE: int = 0
    FAIR_WEIGHTS: dict[str, int] = field(default_factory=dict)
    AGEING_SECONDS: float = 0.0
    HOLD_ANSWERS: int = 4
    REDACT: str = "docqueue.redaction.hide_secrets"

    @property
    def heartbeat_seconds(self) -> float:
        """How often a worker renews its lease."""
        return self.LEASE_SECONDS / 3

    @property
    def retry_policy(self) -> RetryPolicy:
        """The retry policy of handlers that name none."""
        return Exponential(
            base_seconds=self.RETRY_BASE_SECONDS,
            factor=self.RETRY_FACTOR,
            max_seconds=self.RETRY_MAX_SECONDS,
        )


HELP: dict[str, str] = {
    "DATABASE": "Alias of the PostgreSQL database that holds the queue.",
    "DEFAULT_QUEUE": "Queue of items whose caller and handler name none.",
    "DEFAULT_OPERATION": "Operation of items whose caller names none; empty: naming one is required.",
    "MAX_ATTEMPTS": "Failed attempts after which an item is dead.",
    "MAX_CRASHES": "Crashes of its process after which an item is dead.",
    "TIMEOUT_SECONDS": "How long a handler may run before its process is ended.",
    "MEMORY_MB": "Memory a handler's process may use beyond what it has when the item starts; 0: no limit.",
    "RETRY_BASE_SECONDS": "Backoff: upper bound of the wait after the first failure.",
    "RETRY_FACTOR": "Backoff: what each further failure multiplies the bound by.",
    "RETRY_MAX_SECONDS": "Backoff: the largest bound.",
    "RETRIES_PER_SECOND": "Most retries of one queue that are let in a second, whatever has failed; 0: no limit.",
    "PAYLOAD_MAX_BYTES": "Largest payload that enqueue takes, as JSON.",
    "QUEUES": "Queues that a worker serves; empty: all.",
    "EXCLUDE_QUEUES": "Queues that a worker does not serve.",
    "PROCESSES": "Executor processes of one worker.",
    "THREADS": "Threads of one more process, for handlers with isolation='thread'; 0: none, they run as all do.",
    "LEASE_SECONDS": "A worker that has not renewed its lease for so long is lost: its items run elsewhere.",
    "CALLER_LEASE_SECONDS": "Lease of a caller of mark_in_progress or claim outside a worker.",
    "LISTEN": "Tell idle workers at once by LISTEN/NOTIFY. Off: they poll, as behind a pooler in transaction mode.",
    "POLL_SECONDS": "Wait of an idle worker between looks at the queue, where it is not told by LISTEN/NOTIFY.",
    "GRACE_SECONDS": "How long a stopping worker lets running handlers finish.",
    "MAX_ITEMS": "A worker ends after so many items; 0: never.",
    "DRAIN": "A worker ends when nothing is left to claim.",
    "IN_PROCESS": "A worker runs handlers in its own process: no limits, no isolation, development only.",
    "RELOAD": "A worker starts anew when code changes; only with DEBUG.",
    "HEARTBEAT_FILE": "File that a worker touches whenever its lease was renewed, for probes; empty: none.",
    "WORKER_NAME": "Name of a worker in the admin; empty: host:pid.",
    "CANCEL_GRACE_SECONDS": "How long a running handler may go on after a cancel before its process is ended.",
    "BATCH_SIZE": "Most items that one claim takes.",
    "PREFETCH": "Most items fetched ahead for each executor process; fewer, where they are not quick.",
    "CHILD_MAX_ITEMS": "An executor process is replaced after so many items.",
    "CHILD_MAX_SECONDS": "An executor process is replaced after so long, between two items; 0: never for its age.",
    "CHILD_MAX_GROWTH_MB": "An executor process that has grown by so much is replaced, between two items; 0: never.",
    "RETENTION_DAYS": "How long finished items stay in the history at least; a day or a week longer at most.",
    "RETENTION_COUNT": "While the history has more items than that, its oldest days or weeks are dropped; 0: no limit.",
    "DEAD_RETENTION_DAYS": "Dead letters end cancelled after so long; 0: never, they wait for a person.",
    "PROCESS_TOKEN": "Secret that the cron endpoint asks for; empty: staff users only.",
    "PROCESS_LIMIT": "Most items of one process_document_queue() call.",
    "PROCESS_SECONDS": "One process_document_queue() call starts no item after so long.",
    "ROUTES": "By operation, or pattern of operations: the queue and priority of items whose caller names none.",
    "LIMITS": "By limit key, or pattern of keys: rate (starts a second), burst, failures that open, open_seconds.",
    "TEMPLATES": "By name: an operation with arguments of enqueue, for enqueue_template().",
    "FAIR_SHARE": "Most items of one tenant in a lane while others wait; 0: tenants are not told apart.",
    "FAIR_WEIGHTS": "By tenant: how many times FAIR_SHARE it may have there.",
    "AGEING_SECONDS": "An item that has been pending for so long rises by ten in priority, again and again; 0: never.",
    "HOLD_ANSWERS": "Answers about items that one web process holds at a time (`?wait=`); below its number of threads.",
    "REDACT": "Dotted path of a function (operation, payload) -> what people may see of it, in the admin and the API.",
}


class SettingField(NamedTuple):
    """One setting: key of DOCQUEUE (and, behind DOCQUEUE_, environment name), Python type, default, meaning."""

    name: str
    type: type
    default: Any
    help: str


def _fields() -> tuple[SettingField, ...]:
    hints = get_type_hints(Settings)
    return tuple(
        SettingField(
            f.name,
            getattr(hints[f.name], "__origin__", hints[f.name]),
            f.default_factory() if f.default_factory is not MISSING else f.default,
            HELP[f.name],
        )
        for f in fields(Settings)
    )


FIELDS: tuple[SettingField, ...] = _fields()


NUMBER_MAX = 1_000_000_000
THREADS_MAX = 100  # each takes two of the 250 descriptors that the fork server can hand to a child
DAYS, DAYS_MAX = ("RETENTION_DAYS", "DEAD_RETENTION_DAYS"), 36_500
AT_LEAST_ONE = ("MAX_ATTEMPTS", "MAX_CRASHES", "PROCESSES", "BATCH_SIZE", "CHILD_MAX_ITEMS", "RETENTION_DAYS")
ABOVE_NOUGHT = (
    "TIMEOUT_SECONDS",
    "LEASE_SECONDS",
    "CALLER_LEASE_SECONDS",
    "POLL_SECONDS",
    "PAYLOAD_MAX_BYTES",
)


def problems(raw: Any) -> list[str]:
    """What is wrong with a DOCQUEUE dict, one sentence a problem; empty when it is fine."""
    if not isinstance(raw, Mapping):
        return ["DOCQUEUE must be a dict."]
    known = {f.name: f for f in FIELDS}
    found = []
    for key, value in raw.items():
        if key not in known:
            found.append(f"DOCQUEUE has no key {key!r}.{routing.meant(key, known)}")
            continue
        wanted = known[key].type
        accepted = {float: (int, float), tuple: (tuple, list)}.get(wanted, (wanted,))
        if not isinstance(value, accepted) or (isinstance(value, bool) and wanted is not bool):
            found.append(f"DOCQUEUE[{key!r}] must be {wanted.__name__}, not {type(value).__name__}.")
        elif isinstance(value, dict):
            found += routing.problems(key, value) if key != "FAIR_WEIGHTS" else _weights(value)
        elif isinstance(value, int | float) and value < 0:
            found.append(f"DOCQUEUE[{key!r}] must not be negative.")
        elif isinstance(value, int | float) and not value <= NUMBER_MAX:
            found.append(f"DOCQUEUE[{key!r}] must be a number up to {NUMBER_MAX}.")
    return found or _contradictions(raw)


def _weights(value: Mapping[Any, Any]) -> list[str]:
    fine = all(isinstance(name, str) and type(weight) is int and weight > 0 for name, weight in value.items())
    return [] if fine else ["DOCQUEUE['FAIR_WEIGHTS'] gives each tenant's name a whole number of at least 1."]


def _contradictions(raw: Mapping[str, Any]) -> list[str]:
    s = Settings(**raw)
    found = []
    if s.THREADS > THREADS_MAX:
        found.append(f"DOCQUEUE['THREADS'] must be at most {THREADS_MAX}.")
    found += [f"DOCQUEUE[{name!r}] must be at most {DAYS_MAX}." for name in DAYS if getattr(s, name) > DAYS_MAX]
    if s.RETRY_FACTOR < 1:
        found.append("DOCQUEUE['RETRY_FACTOR'] must be at least 1.")
    found += [f"DOCQUEUE[{name!r}] must be at least 1." for name in AT_LEAST_ONE if getattr(s, name) < 1]
    found += [f"DOCQUEUE[{name!r}] must be greater than 0." for name in ABOVE_NOUGHT if getattr(s, name) <= 0]
    names = {"DEFAULT_QUEUE": [s.DEFAULT_QUEUE], "QUEUES": s.QUEUES, "EXCLUDE_QUEUES": s.EXCLUDE_QUEUES}
    found += [
        f"DOCQUEUE[{name!r}]: a queue's name is a string of 1 to 64 characters."
        for name, queues in names.items()
        if not all(isinstance(queue, str) and 0 < len(queue) <= 64 for queue in queues)
    ]
    return found


_overrides: dict[str, Any] = {}


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings in force. Raises `ConfigurationError` naming every problem."""
    raw = getattr(django_settings, "DOCQUEUE", {})
    if _overrides and isinstance(raw, Mapping):
        raw = {**raw, **_overrides}
    wrong = problems(raw)
    if wrong:
        raise ConfigurationError(" ".join(wrong))
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
    return Settings(**values)


def before_checks() -> Settings:
    """The settings in force; if one is wrong, the defaults of all but DATABASE.

    For what comes before the system checks, as a command's parser: it must not keep them from saying what is wrong.
    """
    try:
        return get_settings()
    except ConfigurationError:
        raw = getattr(django_settings, "DOCQUEUE", {})
        alias = raw.get("DATABASE") if isinstance(raw, Mapping) else None
        return Settings(DATABASE=alias) if isinstance(alias, str) else Settings()


def override(**values: Any) -> None:
    """Have these settings differ in this process from now on. Raises `ConfigurationError`."""
    before = dict(_overrides)
    _overrides.update(values)
    get_settings.cache_clear()
    try:
        get_settings()
    except ConfigurationError:
        _overrides.clear()
        _overrides.update(before)
        raise


@contextmanager
def overridden(**values: Any) -> Iterator[None]:
    """Have these settings differ in this process for the length of the block: what a command was told.

    Raises `ConfigurationError`.
    """
    before = dict(_overrides)
    try:
        override(**values)
        yield
    finally:
        _overrides.clear()
        _overrides.update(before)
        get_settings.cache_clear()


def _reload(*, setting: str, **_kwargs: Any) -> None:
    if setting == "DOCQUEUE":
        get_settings.cache_clear()


setting_changed.connect(_reload, dispatch_uid="docqueue.conf")
