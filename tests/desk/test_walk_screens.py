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

from tests.browsing import Site, axe, strict, too_wide
from tests.desk.urltable import CLOSED, LISTED, filled, routes
from tests.desk.world import EVIL_QUEUE, World
from tests.desk.world_ingestion import uploads

pytestmark = pytest.mark.slow
LOOKS = [("light", 1280), ("dark", 390)]
TITLE = "input[name=q], h1"
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
        "^(?P<app_label>auth|docqueue|ingestion|ingestion_resumable|authtoken)/$": [],
        "login/": [],
        "logout/": [],
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
    made = World()
    made.rows |= uploads(site.user)
    return made


class Walker:
    """Goes from screen to screen in one window and notes what is wrong with each."""

    def __init__(self, site: Site, scheme: str, width: int) -> None:
        self.site, self.scheme, self.width = site, scheme, width
        self.page: Page = site.heard(site.window(width=width, scheme=scheme).new_page())
        self.found: list[str] = []

    def look(self, address: str) -> None:
        """One screen."""
        self.site.trouble.clear()
        answer = self.page.goto(self.site.address + address)
        strict(answer)
        wrong = list(self.site.trouble)
        if wide := too_wide(self.page):
            wrong.append(f"{wide} px wider than the window")
        wrong += axe(self.site, self.page)
        self.found += [f"{address} ({self.scheme}, {self.width}): {one}" for one in wrong]
        if SHOTS:
            self.keep(address)

    def keep(self, address: str) -> None:
        """A picture of it."""
        name = re.sub(r"[^\w.=-]+", "_", address.removeprefix("/admin/").rstrip("/"))[:100] or "index"
        folder = Path(SHOTS) / f"{self.width}-{self.scheme}"
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)


def looks() -> Iterator[tuple[str, int]]:
    """As what the screens are looked at: with pictures, in all four ways."""
    yield from [(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)] if SHOTS else LOOKS


@pytest.mark.timeout(600 if SHOTS else 120)
@pytest.mark.parametrize(("scheme", "width"), list(looks()))
def test_every_screen_is_sound_and_everybody_can_read_it(site: Site, world: World, scheme: str, width: int) -> None:
    walker = Walker(site, scheme, width)
    for addresses in screens(world).values():
        for address in addresses:
            walker.look(address)
    assert not walker.found, "\n".join(walker.found)
