"""Every screen of the admin, full and empty: nothing fails, nothing comes alive, and everybody can read it.

The list is made from the admin's own table of addresses. SHOTS=<folder> keeps a picture of each.
"""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from urllib.parse import quote as in_query

import pytest
from playwright.sync_api import Page

from docqueue.models import Schedule
from tests.browsing import Site, axe, squeezed, strict, too_wide
from tests.desk.urltable import APPS, CLOSED, LISTED, filled, routes
from tests.desk.world import EVIL_QUEUE, World
from tests.desk.world_ingestion import uploads

pytestmark = pytest.mark.slow
WIDE, NARROW = 1280, 360
OF_LOOKS = ("color-contrast", "link-in-text-block", "scrollable-region-focusable")
"""Rules of axe whose answer is another one in the dark, or where there is little room."""
EVERYWHERE = {"exclude": [["#nav-sidebar"]]}  # the same on every screen, and Django's
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
    ingested: dict[str, list[tuple[object, ...] | str]] = {}
    asked = {"document": ("delete",), "ingestfile": ("cancel", "retry"), "intake": ("cancel", "delete")}
    for model, verbs in asked.items():
        first, *_, last = world.rows[f"ingestion/{model}/"]
        ingested[f"ingestion/{model}/reprocess/"] = [f"?only={first}", "?outcome=failed", ""]
        ingested[f"ingestion/{model}/<int:pk>/do/<str:verb>/"] = [(last, verb) for verb in verbs]
        if model != "intake":
            ingested[f"ingestion/{model}/<int:pk>/content/"] = []  # a download: scenes_ingestion.py
    return ingested | {
        "": [""],
        APPS: [("docqueue",), ("ingestion",), ("ingestion_resumable",)],
        "login/": [],  # that one leads on whoever is logged in: looked at below
        "logout/": [],  # a button: scenes_login.py
        items: ["?q=no-such-thing", "?status=not_started&tenant=acme", f"?queue={in_query(EVIL_QUEUE)}"],
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
    }


@pytest.fixture
def world(site: Site) -> World:
    """Everything there is to see."""
    found = uploads(site.user)  # first: its worker runs all that is pending
    made = World()
    made.rows |= found
    return made


class Walker:
    """Goes from screen to screen in one window and notes what is wrong with each.

    A screen is loaded once, in light and wide, then made narrow and dark as it is: no rule of ours asks for a reload.
    """

    def __init__(self, site: Site, kind: str = "full") -> None:
        self.site, self.kind = site, kind
        self.page: Page = site.heard(site.window().new_page())
        self.found: list[str] = []

    def look(self, address: str, *, ask_axe: bool = True, status: int = 200) -> None:
        """One screen."""
        self.site.trouble.clear()
        self.page.set_viewport_size({"width": WIDE, "height": 800})
        self.page.emulate_media(color_scheme="light")
        answer = self.page.goto(self.site.address + address)
        strict(answer, status)
        title = self.page.title()
        wrong = [f"its title is “{title}”"] if title.startswith(("1", "Select ")) else []
        if ask_axe:
            wrong += axe(self.site, self.page, EVERYWHERE)
        self.page.set_viewport_size({"width": NARROW, "height": 800})
        if wide := too_wide(self.page):
            wrong.append(f"{wide} px wider than a window of {NARROW}")
        wrong += squeezed(self.page)
        if ask_axe:
            self.page.emulate_media(color_scheme="dark")
            self.page.evaluate("Promise.allSettled(document.getAnimations().map(one => one.finished))")  # colours turn
            wrong += [f"dark, narrow: {one}" for one in axe(self.site, self.page, EVERYWHERE, only=OF_LOOKS)]
        wrong += [one for one in self.site.trouble if status == 200 or f"status of {status}" not in one]
        self.found += [f"{address}: {one}" for one in wrong]
        if SHOTS:
            self.keep(address)

    def keep(self, address: str) -> None:
        """A picture of it in each look."""
        name = re.sub(r"[^\w.=-]+", "_", address.removeprefix("/admin/").rstrip("/"))[:100] or "index"
        for scheme, width in itertools.product(("light", "dark"), (WIDE, 390)):
            folder = Path(SHOTS) / f"{self.kind}-{width}-{scheme}"
            folder.mkdir(parents=True, exist_ok=True)
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            self.page.set_viewport_size({"width": width, "height": 800})
            self.page.screenshot(path=folder / f"{name}.png", full_page=True)


@pytest.mark.timeout(600)  # other work on the machine, and pictures, make it slow
def test_every_screen_is_sound_and_everybody_can_read_it(site: Site, world: World) -> None:
    walker = Walker(site)
    for route, addresses in screens(world).items():
        same = route.endswith("/history/") and route != f"{LISTED[0]}<path:object_id>/history/"  # all have one template
        for n, address in enumerate(addresses):
            walker.look(address, ask_axe=n == 0 and not same)
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
    "ingestion/document/": "Each file of an upload that is one becomes one",
    "ingestion/ingestfile/": "Each file of an upload is shown here",
    "ingestion/intake/": "POST /api/v1/documents",
    "ingestion/kmcall/": "calls of workers to a knowledge store",
    "ingestion_resumable/uploadsession/": "They come in pieces by tus at /api/v1/uploads",
}
"""What an empty list says of what would come there, and how."""


def test_where_there_is_nothing_the_screen_says_what_would_come_and_how(site: Site) -> None:
    assert set(TEACHES) == set(LISTED)
    walker = Walker(site, "empty")
    for n, (model, words) in enumerate(TEACHES.items()):
        walker.look(filled(model), ask_axe=n == 0)  # all are made of the same template
        if words not in walker.page.locator("#content").inner_text():
            walker.found.append(f"{model} does not say “{words}”")
    for address in ("docqueue/overview/", "docqueue/queue/of/?queue=never-heard-of", "ingestion/kmcall/diagnostics/"):
        walker.look(f"/admin/{address}", ask_axe=address == "docqueue/overview/")
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
    walker = Walker(site)
    walker.look("/admin/no-such-page/", status=404)
    walker.page.context.clear_cookies()
    walker.look("/admin/login/")
    assert not walker.found, "\n".join(walker.found)
