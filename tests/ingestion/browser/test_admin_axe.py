"""axe finds nothing on the desk of intakes, files and documents, light and dark; nothing is wider than the window.

With names and messages that try to be markup, and to turn the text around them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from ingestion.models import Document, IngestFile, Outcome
from tests.ingestion.factories import accept, accept_document, accept_zip, upload

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
NARROW = 390
OURS = {"include": [["#content"]], "exclude": [["#changelist-search"]]}  # the rest is Django's
HOSTILE = '<img src=x onerror="document.title=1">\u202egnp.txt'


@pytest.fixture
def pages(owner: Any, worker: Any) -> dict[str, str]:
    """Something of everything, and where it is shown."""
    accept_document(owner, "The heron waits. " * 50, "herons.txt")
    zipped = accept_zip(
        owner, {"a/b/one.txt": "one", f"{HOSTILE.replace('/', '_')}": "two", "x.exe": b"MZ" + b"\0" * 200}
    )
    worker.run()
    waiting = accept(owner, *[upload(f"{n}.txt", str(n)) for n in range(3)])
    failed = IngestFile.objects.filter(outcome=Outcome.FAILED).first()
    assert failed is not None
    IngestFile.objects.filter(pk=failed.pk).update(error_message=HOSTILE * 4)
    document = Document.objects.order_by("pk")[0]
    admin = "/admin/ingestion"
    return {
        "intakes": f"{admin}/intake/",
        "intake": f"{admin}/intake/{zipped.pk}/change/",
        "waiting intake": f"{admin}/intake/{waiting.pk}/change/",
        "cancel intake": f"{admin}/intake/{waiting.pk}/do/cancel/",
        "files": f"{admin}/ingestfile/",
        "file": f"{admin}/ingestfile/{failed.pk}/change/",
        "documents": f"{admin}/document/",
        "document": f"{admin}/document/{document.pk}/change/",
        "delete document": f"{admin}/document/{document.pk}/do/delete/",
        "reprocess": f"{admin}/document/reprocess/?only={document.pk}",
        "uploads": f"{admin}_resumable/uploadsession/",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, NARROW])
def test_nothing_is_found_on_any_page(site: Any, pages: dict[str, str], width: int, scheme: str) -> None:
    found = []
    for name, address in pages.items():
        page = site.open(address, width=width, scheme=scheme)
        found += [f"{name}: {trouble}" for trouble in site.trouble]
        if folder := os.environ.get("PICTURES"):
            page.screenshot(path=Path(folder) / f"{name} {scheme} {width}.png", full_page=True)
        assert page.title() != "1", "a name became markup"
        results = Axe().run(page, context=OURS).response["violations"]
        found += [f"{name}: {v['id']}: {n['html'][:150]}" for v in results for n in v["nodes"]]
        site.trouble.clear()  # axe itself sets styles, which the policy refuses
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if wide > 0:
            found.append(f"{name} is {wide} px wider than the window")
        page.context.close()
    assert not found, "\n".join(found)
