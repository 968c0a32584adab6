"""How the page looks and what assistive technology finds: every state, light and dark, wide and narrow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from ingestion.models import Document, Intake
from tests.ingestion.factories import accept, accept_document, accept_zip, upload

HOSTILE = [
    "<img src=x onerror=window.hit=1>.txt",
    "'><script>window.hit=1</script>.txt",
    "gnp.\u202etxt.exe.txt",
    "a" * 245 + ".txt",
    "{{constructor}} ${alert(1)}.txt",
]
AS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 360)]


def clean(page: Page) -> None:
    """Axe finds nothing, and nothing is wider than the window."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), AS)
def test_every_state_is_accessible_in_both_schemes_and_widths(enter, ada, worker, tmp_path, scheme, width) -> None:
    looks = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    page = enter(**looks)
    clean(page)  # nothing there yet
    clean(enter("/login/", logged_in=False, **looks))
    accept_document(ada, "The heron waits. " * 30, name="letter.txt", tags=["bird"])
    accept_document(ada, "The heron waits. " * 30, name="again.txt")
    accept(ada, upload("bad.pdf", "%PDF-1.4 nothing"), upload("good.md", "# heron"))
    accept_zip(ada, {f"papers/{n}.txt": f"paper {n}" for n in range(12)})
    worker.run()
    waiting = accept(ada, upload("waits.txt", "waits"), upload("too.txt", "too"))
    (tmp_path / "empty.txt").touch()
    (tmp_path / "tool.exe").write_bytes(b"MZ")
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(name)
    page.route("**/api/v1/documents", lambda route: None)
    page.goto("/?q=heron&tag=bird")
    page.set_input_files("#choose", sorted(tmp_path.iterdir()))
    expect(page.locator("#sending article")).to_have_count(3)
    page.locator("summary", has_text="Which files").click()
    clean(page)
    page.locator(f"#delete-{waiting.pk}").click()
    expect(page.locator("#ask")).to_be_visible()
    clean(page)
    bad = Intake.objects.get(files__safe_name="bad.pdf").pk
    for address in (f"/uploads/{bad}/", f"/documents/{Document.objects.latest('pk').pk}/", f"/uploads/{bad}/delete/"):
        page.goto(address)
        clean(page)
    page.goto("/?q=unheard-of")
    clean(page)


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1280])
def test_hostile_names_are_inert_and_push_nothing_aside(enter, ada, worker, tmp_path, width) -> None:
    for name in HOSTILE:
        accept_document(ada, f"heron {name}", name=name, tags=["<b onclick=1>"])
    worker.run()
    (tmp_path / HOSTILE[0]).write_text("one")
    (tmp_path / HOSTILE[2]).write_text("two")
    page = enter("/?q=heron", viewport={"width": width, "height": 800})
    page.route("**/api/v1/documents", lambda route: None)
    page.set_input_files("#choose", sorted(tmp_path.iterdir()))
    expect(page.locator("#sending article")).to_contain_text(HOSTILE[0])
    for address in (None, f"/uploads/{Intake.objects.earliest('pk').pk}/", "/documents/1/"):
        if address:
            page.goto(address)
        assert page.evaluate("window.hit") is None
        assert page.locator("main img, main b").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert "\\u202e" in enter().locator("#uploads").inner_text()


def test_without_javascript_it_is_a_plain_form(enter, worker, tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("The heron waits.")
    page = enter(java_script_enabled=False)
    expect(page.get_by_label("Choose a folder")).to_be_hidden()
    page.set_input_files("#choose", file)
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("h1")).to_have_text("letter.txt")
    expect(page.locator(".state")).to_have_text("Waiting for a worker")
    worker.run()
    expect(page.locator(".state")).to_have_text("Completed")  # it loads itself anew
    page.get_by_role("link", name="All uploads").click()
    page.get_by_label("Words in my documents").fill("heron")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".hits mark")).to_have_text(["heron"])
    page.get_by_role("link", name="Delete letter.txt").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".note")).to_have_text("The upload and its 1 file are deleted.")
    page.get_by_role("button", name="Upload").click()  # the browser asks for a file, and nothing is sent
    expect(page).to_have_url(re.compile("/$"))
    assert not Intake.objects.exists()


@pytest.mark.slow
def test_a_search_is_shown_without_leaving_the_page(enter, ada, worker) -> None:
    for n in range(12):
        accept_document(ada, f"the heron number {n}", name=f"{n}.txt")
    worker.run()
    page = enter()
    page.evaluate("window.same = true")
    page.get_by_label("Words in my documents").fill("heron")
    page.keyboard.press("Enter")
    expect(page.locator(".hits li")).to_have_count(10)
    expect(page.locator("#spoken")).to_contain_text("10 results are shown")
    page.get_by_role("link", name="More results").click()
    expect(page.locator(".hits li")).to_have_count(2)
    page.go_back()
    expect(page.locator(".hits li")).to_have_count(10)
    assert page.evaluate("window.same") is True
    page.get_by_label("Words in my documents").fill("stork")
    page.keyboard.press("Enter")
    expect(page.locator("#results")).to_contain_text("Nothing found for “stork”")
