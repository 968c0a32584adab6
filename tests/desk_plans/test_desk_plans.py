"""What the pages of the admin and the answers of the API read of a full queue: a bounded number of rows, by indexes.

Every statement of every request is looked at, as it ran: in a thread of its own, where no test's transaction is open
around it, as in a web server.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Self

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from docqueue import handlers, snapshot
from tests.desk_plans import addresses
from tests.desk_plans.filling import BOUNDS, COMMON, RARE, filled
from tests.desk_plans.reading import Reader, Statements

pytestmark = pytest.mark.django_db
PAGES, ROUTES = addresses.pages(), addresses.routes()


class Desk:
    """Somebody who may see everything, asks for pages and looks at what each reads."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._open = ExitStack()
        self._wrong: list[str] = []

    def __enter__(self) -> Self:
        try:
            self._thread.submit(self._set_up).result()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.submit(self._open.close).result()
        self._thread.shutdown()

    def _set_up(self) -> None:
        self._open.callback(connection.close)
        self._open.callback(User.objects.all().delete)
        chief, other = User.objects.create_superuser("chief"), User.objects.create_user("other")
        self._open.enter_context(filled(chief.pk, other.pk))
        self._client, self._reader = Client(), Reader()
        self._client.force_login(chief)
        self._open.callback(snapshot.forget)

    def look(self, address: str) -> Any:
        """Ask for a page; what is wrong with it is kept."""
        return self._thread.submit(self._look, address).result()

    def _look(self, address: str) -> Any:
        snapshot.forget()
        statements = Statements()
        with connection.execute_wrapper(statements):
            answer = self._client.get(address)
            assert b"".join(answer) if answer.streaming else answer.content
        unwell = "/health" in address and answer.status_code == 503
        assert answer.status_code == 200 or unwell, f"{address}: {answer.status_code} {answer.content[:300]!r}"
        self._wrong += [f"{address}\n    {wrong}" for wrong in self._reader.complaints(statements)]
        return answer

    def explain(self, sql: str) -> str:
        """What would be wrong with a page that asked this."""
        statements = Statements()
        statements.kept.append((sql, None))
        return self._thread.submit(lambda: "".join(self._reader.complaints(statements))).result()

    def assert_well(self) -> None:
        """Nothing was wrong since the last time."""
        wrong, self._wrong = self._wrong, []
        assert not wrong, "\n\n".join(["", *wrong])


@pytest.fixture(scope="module")
def desk(django_db_setup: None, django_db_blocker: Any) -> Iterator[Desk]:
    """Full tables, and handlers of their operations."""
    known = dict(handlers._registry)
    handlers._registry.clear()
    for name in (COMMON, RARE):
        handlers.handler(name, queue=name)(lambda ctx: None)
    try:
        with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
            for module, name, number in BOUNDS:
                patch.setattr(module, name, number)
            with Desk() as desk:
                yield desk
    finally:
        handlers._registry.clear()
        handlers._registry.update(known)


@pytest.mark.parametrize("label", PAGES)
def test_pages_of_the_admin(desk, label):
    page = PAGES[label]
    for address in (*addresses.of_admin(page), *addresses.presets(page)):
        seen = desk.look(address)
        shown = getattr(seen, "context_data", None) or {}
        if "cl" in shown:
            path = address.partition("?")[0]
            if address == path:
                for query in addresses.of_filters(shown["cl"]):
                    _with_next(desk, path, desk.look(f"{path}{query}"))
            _with_next(desk, path, seen)
    desk.assert_well()


def _with_next(desk: Desk, path: str, seen: Any) -> None:
    """The page after this one, where there is one."""
    if following := getattr(seen.context_data["cl"], "next_link", None):
        desk.look(f"{path}{following}")


@pytest.mark.parametrize("name", ROUTES)
def test_answers_about_the_queue(desk, name):
    for address in addresses.of_api(ROUTES[name]):
        seen = desk.look(address).json()
        if isinstance(seen, dict) and seen.get("next"):
            desk.look(seen["next"])
    desk.assert_well()


@pytest.mark.parametrize("path", addresses.OF_DOCUMENTS)
def test_answers_about_documents(desk, path):
    seen = desk.look(f"/api/v1/{path}").json()
    if seen.get("next"):
        desk.look(seen["next"])
    desk.assert_well()


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("select * from docqueue_item where queue = 'desk.rare'", "a sequential scan of docqueue_item"),
        ("select * from docqueue_history where queue = 'none'", "a sequential scan of docqueue_history"),
        ("select id from docqueue_attempt where outcome = 'crashed' order by id desc limit 51", "rows of docqueue_att"),
        ("select count(*) from docqueue_audit where actor = 'few'", "a count of docqueue_audit without a bound"),
        ("select count(*) from docqueue_batch where id < 9", "a count of docqueue_batch without a bound"),
    ],
)
def test_what_is_wrong_with_a_plan_is_found(desk, sql, found):
    assert found in desk.explain(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from docqueue_audit where actor = 'few' order by id desc limit 51",
        "select count(*) from (select from docqueue_audit where actor = 'few' limit 5) c",
        "select * from docqueue_worker where kind = 'none'",  # no big table
    ],
)
def test_nothing_is_found_wrong_with_a_good_plan(desk, sql):
    assert desk.explain(sql) == ""
