"""Who may import whom, and how long a file may be: read from the source, so the rooms stay what they are."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 320

# Inside docqueue imports go downwards only: to the same band or a lower one.
BANDS = [
    {"states", "events", "exceptions", "codes", "retry", "conf", "routing", "correlation", "items", "shift", "ticks"},
    {"models"},
    {"store"},
    # what the service is made of
    {
        "service",
        "acting",
        "bulk",
        "cloning",
        "pausing",
        "redaction",
        "snapshot",
        "staffing",
        "admission",
        "claiming",
        "context",
        "copying",
        "duties",
        "enqueuing",
        "handlers",
        "history",
        "outcomes",
        "settling",
        "steps",
        "templates",
    }
    | {
        "batching",
        "explaining",
        "failures",
        "family",
        "flows",
        "jsontext",
        "listing",
        "looking",
        "producing",
        "roles",
        "rules",
        "schedules",
    }
    | {"scheduling", "stats", "stops", "validation", "waited", "waits", "waking"},
    {"worker", "maintenance", "tasks_backend"},
    {"management", "admin", "api", "receivers", "apps", "checks", "health", "routers", "testing", "pytest_plugin"}
    | {"queue_handlers", "selftest", "doctor", "chaos", "templatetags"},
]
RANK = {room: rank for rank, band in enumerate(BANDS) for room in band}
FREE_ROOMS = ("archives", "extract", "prices", "fetch", "km", "search", "sniff")


def modules(package: str) -> list[Path]:
    return sorted(p for p in (ROOT / package).rglob("*.py") if "migrations" not in p.parts)


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever in the file; `from a import b` gives a.b, as b may be a module."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room(path: Path) -> str:
    """The room of a file of docqueue: its folder, or its own name."""
    return path.relative_to(ROOT / "docqueue").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules("docqueue"), ids=ids)
def test_docqueue_imports_only_downwards_and_never_the_project_around_it(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    assert here in RANK, f"{here} is a new room of docqueue: give it a band in this test"
    for name in imports(path):
        top, _, rest = name.partition(".")
        assert top not in {"ingestion", "config", "tests"}, f"docqueue must not know {name}"
        if top == "docqueue" and rest.split(".")[0] in RANK:
            other = rest.split(".")[0]
            assert RANK[other] <= RANK[here], f"{here} imports {other}, which stands above it"
            assert other != "receivers" or here in {"receivers", "apps"}, "receivers subscribe; nobody imports them"


@pytest.mark.parametrize("path", modules("docqueue"), ids=ids)
def test_docqueue_needs_only_django_and_psycopg_but_for_its_extras(path: Path) -> None:
    allowed = {"docqueue", "django", "psycopg", "psycopg_pool"} | set(sys.stdlib_module_names)
    if room(path) == "api":
        allowed |= {"rest_framework", "drf_spectacular"}
    if path.relative_to(ROOT / "docqueue").parts[:2] == ("receivers", "metrics.py"):
        allowed |= {"prometheus_client"}
    if room(path) == "ticks":
        allowed |= {"cronsim"}
    if room(path) == "management":
        allowed |= {"rich"}
    if room(path) == "pytest_plugin":
        allowed |= {"pytest"}
    assert {name.partition(".")[0] for name in imports(path)} <= allowed


@pytest.mark.parametrize("path", [p for p in modules("docqueue") if room(p) != "store"], ids=ids)
def test_only_the_store_opens_a_cursor(path: Path) -> None:
    calls = [n.func.attr for n in ast.walk(ast.parse(path.read_text())) if _is_method_call(n)]
    assert "cursor" not in calls


def _is_method_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)


@pytest.mark.parametrize(
    "path", [p for p in modules("ingestion") if p.parts[len(ROOT.parts) + 1] in FREE_ROOMS], ids=ids
)
def test_the_rooms_that_handle_files_know_neither_the_queue_nor_the_web_framework(path: Path) -> None:
    for name in imports(path):
        assert name.partition(".")[0] not in {"docqueue", "rest_framework", "config"}, name


@pytest.mark.parametrize("path", modules("ingestion"), ids=ids)
def test_ingestion_enters_the_queue_by_its_public_doors_only(path: Path) -> None:
    public = (
        "service",
        "handlers",
        "duties",
        "exceptions",
        "context",
        "correlation",
        "states",
        "conf",
        "codes",
        "models",
        "roles",
        "validation",
    )
    if path.is_relative_to(ROOT / "ingestion" / "api") or path == ROOT / "ingestion/resumable/views.py":
        public += ("api",)
    if path.is_relative_to(ROOT / "ingestion" / "admin") or path == ROOT / "ingestion/resumable/admin.py":
        public += ("admin",)
    for name in imports(path):
        top, _, rest = name.partition(".")
        assert top != "config", "ingestion must not know the project around it"
        assert top != "docqueue" or rest.split(".")[0] in public, f"{name} is no public door"


@pytest.mark.parametrize("path", [p for d in ("docqueue", "ingestion", "config") for p in modules(d)], ids=ids)
def test_no_file_is_longer_than_a_newcomer_can_hold(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines; is it two rooms?"


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=ids)
def test_tests_sleep_only_between_looks_at_a_condition(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    polled = {id(inner) for loop in ast.walk(tree) if isinstance(loop, ast.While) for inner in ast.walk(loop)}
    sleeps = [n for n in ast.walk(tree) if _is_method_call(n) and ast.unparse(n.func) == "time.sleep"]  # type: ignore[attr-defined]
    assert all(id(call) in polled for call in sleeps), "pass `now`, or wait for a condition with a deadline"
