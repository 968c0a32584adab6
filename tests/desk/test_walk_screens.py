"""Every screen of the admin, full and empty: nothing fails, nothing comes alive, and everybody can read it.

The list is made from the admin's own table of addresses. SHOTS=<folder> keeps a picture of each.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote as in_query

import pytest
from playwright.sync_api import Page

from docqueue.models import Schedule
from tests.browsing import Site, axe, strict, too_wide
from tests.desk.urltable import APPS, CLOSED, LISTED, filled, routes
from tests.desk.world import EVIL_QUEUE, World
from tests.desk.world_ingestion import uploads

pytestmark = pytest.mark.slow
LOOKS = [("light", 1280), ("dark", 390)]
SHOTS = os.environ.get("SHOTS", "")
Screens = dict[str, list[str]]


def screens(world: World) -> Screens:
    """By route, the addresses to look at."""
    found: Screens = {model: [filled(model)] for model in LISTED}
    for model in LISTED:
        found[model + "<path:object_id>/change/"] = [
            filled(model + "<path:object_id>/change/", key) for key in world.rows[model]
        ]
        found[model + "<path:object_id>/history/"] = [filled(model + "<path:object_id>/history/", world.rows[model][0])]
    for route, values in _others(world).items():
        found.setdefault(route, []).extend(
            filled(route, *one) if isinstance(one, tuple) else filled(route) + one for one in values
        )
    return found


def _others(world: World) -> dict[str, list[tuple[object, ...] | str]]:
    dead, (cause, *_) = world.evil, world.rows["docqueue/failuregroup/"]
    of_queue = [f"?queue={in_query(name)}" for name in ("held", EVIL_QUEUE)]
    waiting = world.rows["docqueue/queueitem/"][-2]
    items, deads, past = "docqueue/queueitem/", "docqueue/deaditem/", "docqueue/historyitem/"
    reprocess: dict[str, list[tuple[object, ...] | str]] = {
        f"ingestion/{model}/reprocess/": ["", "?outcome=failed"] for model in ("document", "ingestfile", "intake")
    }
    return reprocess | {
        "": [""],
        APPS: [("docqueue",), ("ingestion",), ("ingestion_resumable",)],
        "login/": [],  # that one leads on whoever is logged in: looked at below
        "logout/": [],  # a button: scenes_login.py
        items: ["?q=no-such-thing", "?status=waiting", f"?queue={in_query(EVIL_QUEUE)}"],
        items + "<int:item_id>/do/<str:verb>/": [
            *((dead, verb) for verb in ("requeue", "requeue_afresh", "discard")),
            *((waiting, verb) for verb in ("run_now", "cancel")),
        ],
        items + "<int:item_id>/priority/": [(waiting,)],
        items + "<int:item_id>/clone/": [(dead,), (waiting,)],
        items + "bulk/<str:action>/": [("requeue",), ("cancel",), ("priority",)],
        deads + "<int:item_id>/do/<str:verb>/": [(dead, "requeue"), (dead, "discard")],
        deads + "<int:item_id>/priority/": [(dead,)],
        deads + "<int:item_id>/clone/": [(dead,)],
        deads + "bulk/<str:action>/": [("requeue",), ("discard",)],
        past + "<int:item_id>/priority/": [(world.done,)],
        past + "<int:item_id>/clone/": [(world.done,)],
        past + "bulk/<str:action>/": [("purge",)],
        "docqueue/batch/<int:pk>/seal/": [(world.batch,)],
        "docqueue/bulkoperation/<int:bulk_id>/abort/": [(world.bulk,)],
        "docqueue/failuregroup/<str:fingerprint>/do/<str:verb>/": [
            (cause, verb) for verb in ("requeue", "canary", "acknowledge", "unacknowledge", "discard")
        ],
        "docqueue/overview/": [""],
        "docqueue/overview/live/": [],
        "docqueue/queue/of/": [*of_queue, "?queue=never-heard-of"],
        "docqueue/queue/pause/": of_queue,
        "docqueue/queue/resume/": of_queue,
        "docqueue/schedule/add/": [""],
        "docqueue/schedule/<path:object_id>/delete/": [(world.rows["docqueue/schedule/"][0],)],
        "docqueue/worker/<int:worker_id>/ask/<str:verb>/": [
            (world.worker, verb) for verb in ("quiet_worker", "unquiet_worker", "stop_worker")
        ],
        "ingestion/kmcall/diagnostics/": ["", "?hours=1&method=put", "?hours=none"],
        **{
            f"ingestion/{model}/<path:object_id>/delete/": [(world.rows[f"ingestion/{model}/"][0],)]
            for model in ("document", "intake")
        },
    }


@pytest.fixture
def world(site: Site) -> World:
    """Everything there is to see."""
    found = uploads(site.user)  # first: its worker runs all that is pending
    made = World()
    made.rows |= found
    return made


class Walker:
    """Goes from screen to screen in one window and notes what is wrong with each."""

    def __init__(self, site: Site, scheme: str, width: int, kind: str = "full") -> None:
        self.site, self.scheme, self.width, self.kind = site, scheme, width, kind
        self.page: Page = site.heard(site.window(width=width, scheme=scheme).new_page())
        self.found: list[str] = []

    def look(self, address: str, *, ask_axe: bool = True, status: int = 200) -> None:
        """One screen."""
        self.site.trouble.clear()
        answer = self.page.goto(self.site.address + address)
        strict(answer, status)
        wrong = [one for one in self.site.trouble if status == 200 or f"status of {status}" not in one]
        if wide := too_wide(self.page):
            wrong.append(f"{wide} px wider than the window")
        wrong += axe(self.site, self.page) if ask_axe else []
        self.found += [f"{address} ({self.scheme}, {self.width}): {one}" for one in wrong]
        if SHOTS:
            self.keep(address)

    def keep(self, address: str) -> None:
        """A picture of it."""
        name = re.sub(r"[^\w.=-]+", "_", address.removeprefix("/admin/").rstrip("/"))[:100] or "index"
        folder = Path(SHOTS) / f"{self.kind}-{self.width}-{self.scheme}"
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)


def looks() -> Iterator[tuple[str, int]]:
    """As what the screens are looked at: with pictures, in all four ways."""
    yield from [(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)] if SHOTS else LOOKS


@pytest.mark.timeout(600 if SHOTS else 240)  # other work on the machine makes it slow
@pytest.mark.parametrize(("scheme", "width"), list(looks()))
def test_every_screen_is_sound_and_everybody_can_read_it(site: Site, world: World, scheme: str, width: int) -> None:
    walker = Walker(site, scheme, width)
    for addresses in screens(world).values():
        for n, address in enumerate(addresses):
            walker.look(address, ask_axe=n < (2 if scheme == "light" else 1))
    assert not walker.found, "\n".join(walker.found)


TEACHES = {
    "docqueue/attempt/": "Those that fail, crash or time out",
    "docqueue/auditentry/": "Whoever requeues, cancels, pauses",
    "docqueue/batch/": "service.batch()",
    "docqueue/bulkoperation/": "all that match",
    "docqueue/deaditem/": "until somebody requeues or discards it",
    "docqueue/failuregroup/": "grouped here by its cause",
    "docqueue/historyitem/": "RETENTION_DAYS",
    "docqueue/limit/": "The setting LIMITS",
    "docqueue/queue/": "A queue appears with its first item",
    "docqueue/queueitem/": "service.enqueue(",
    "docqueue/schedule/": "service.add_schedule(",
    "docqueue/worker/": "manage.py run_queue_worker",
    "ingestion/document/": "when its upload is taken in",
    "ingestion/ingestfile/": "each entry of an archive",
    "ingestion/intake/": "POST /api/v1/documents",
    "ingestion/kmcall/": "calls of workers to a knowledge store",
    "ingestion_resumable/uploadsession/": "until they are taken in or expire",
}
"""What an empty list says of what would come there, and how."""


@pytest.mark.parametrize(("scheme", "width"), list(looks()))
def test_where_there_is_nothing_the_screen_says_what_would_come_and_how(site: Site, scheme: str, width: int) -> None:
    assert set(TEACHES) == set(LISTED)
    walker = Walker(site, scheme, width, "empty")
    for model, words in TEACHES.items():
        walker.look(filled(model), ask_axe=scheme == "light")
        if words not in walker.page.locator("#content").inner_text():
            walker.found.append(f"{model} does not say “{words}”")
    for address in ("docqueue/overview/", "docqueue/queue/of/?queue=never-heard-of", "ingestion/kmcall/diagnostics/"):
        walker.look(f"/admin/{address}")
    assert not walker.found, "\n".join(walker.found)


def test_every_address_of_the_table_is_a_screen_or_answers_as_is_written_down(site: Site, world: World) -> None:
    seen = screens(world)
    assert set(seen) | set(CLOSED) == set(routes())
    assert not set(seen) & set(CLOSED)
    rows = world.rows | {"docqueue/schedule/<int:pk>/do/": [Schedule.objects.latest("pk").pk]}
    page = site.window().new_page()
    for route, expected in CLOSED.items():
        values = [rows[route.partition("<path")[0]][0]] if "<path" in route else []
        if "<str:verb>" in route:
            values = [rows[route.partition("<str")[0]][0], "run_now"]
        answer = page.request.get(site.address + filled(route, *values), max_redirects=0)
        assert answer.status == expected, f"{route} answers {answer.status}"


def test_the_page_for_logging_in_and_an_address_that_is_none_are_sound_too(site: Site) -> None:
    for scheme, width in LOOKS:
        walker = Walker(site, scheme, width)
        walker.look("/admin/no-such-page/", status=404)
        walker.page.context.clear_cookies()
        walker.look("/admin/login/")
        assert not walker.found, "\n".join(walker.found)
