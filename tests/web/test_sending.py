"""Sending in a real browser: chosen, dropped, by keyboard, cut off and continued; never two uploads for one wish."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from ingestion.models import Document, IngestFile, Intake
from tests.docqueue.helpers import until
from tests.ingestion.factories import accept, upload

DONE = "[data-intake][data-finished=yes]"


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    """A small file."""
    file = tmp_path / "letter.txt"
    file.write_text("The heron waits by the water.")
    return file


def cards(page: Page, number: int, which: str = "[data-intake] h3"):
    expect(page.locator(which)).to_have_count(number)
    return page.locator(which)


def wake(page: Page) -> None:
    """Have it look now; by itself it does so within five seconds."""
    page.evaluate("window.dispatchEvent(new Event('online'))")


def drop(page: Page, *paths: Path) -> None:
    """Drop files and folders of the disk, as a person does with a mouse."""
    box = page.locator("#upload").bounding_box()
    assert box
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 9, "y": box["y"] + 9, "data": data})


def test_chosen_files_are_sent_followed_to_their_end_and_known_again(enter, worker, letter) -> None:
    page = enter()
    page.fill("#tags", "bird, 2027")
    page.set_input_files("#choose", letter)
    cards(page, 1)
    expect(page.locator(".state")).to_have_text("Waiting for a worker")
    worker.run()
    wake(page)
    cards(page, 1, DONE)
    expect(page.locator(".state")).to_have_text("Completed")
    expect(page.locator("#spoken")).to_contain_text("letter.txt: Completed")
    assert Document.objects.get().tags == ["bird", "2027"]
    page.set_input_files("#choose", letter)
    cards(page, 2)
    worker.run()
    wake(page)
    cards(page, 2, DONE)
    first = Document.objects.order_by("pk")[0].pk
    page.get_by_role("link", name=f"Open document {first}, which has the same bytes").click()
    expect(page.locator("h1")).to_have_text("letter.txt")


def test_a_folder_is_dropped_with_its_paths_and_without_the_systems_files(enter, tmp_path, letter) -> None:
    folder = tmp_path / "bills"
    (folder / "2027").mkdir(parents=True)
    (folder / "2027" / "jan.txt").write_text("January")
    (folder / "feb.txt").write_text("February")
    (folder / ".DS_Store").write_text("junk")
    page = enter()
    drop(page, folder, letter)
    cards(page, 1)
    expect(page.locator("#sending")).to_contain_text("1 system files (such as .DS_Store) were left out.")
    paths = set(IngestFile.objects.values_list("source_path", flat=True))
    assert paths == {"bills/2027/jan.txt", "bills/feb.txt", "letter.txt"}
    page.set_input_files("#choose-folder", folder)
    cards(page, 2)
    assert IngestFile.objects.filter(source_path="bills/2027/jan.txt").count() == 2


def test_everything_can_be_done_by_keyboard(enter, worker, letter) -> None:
    page = enter()
    choosers = []

    def opened(chooser) -> None:
        choosers.append(chooser)

    page.on("filechooser", opened)  # before anything is pressed: the browser is told of it in its own time
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "choose":
            break
    page.keyboard.press("Enter")
    until(lambda: bool(page.evaluate("1") and choosers))
    choosers[0].set_files(letter)
    cards(page, 1)
    page.locator("[id^=cancel-]").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_have_text("Cancelled")
    page.locator("[id^=delete-]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#ask")).to_contain_text("Delete “letter.txt”: 1 file")
    page.keyboard.press("Escape")
    cards(page, 1)
    page.locator("[id^=delete-]").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    cards(page, 0)
    assert not Intake.objects.exists()
    assert page.evaluate("document.activeElement.id") == "choose"


def test_what_can_not_be_read_is_told_before_it_is_sent(enter, tmp_path) -> None:
    page = enter()
    (tmp_path / "empty.txt").touch()
    (tmp_path / "tool.exe").write_bytes(b"MZ of another age")
    page.set_input_files("#choose", [tmp_path / "empty.txt", tmp_path / "tool.exe"])
    held = page.locator(".held")
    expect(held).to_have_count(2)
    expect(held.nth(0)).to_contain_text("empty_file")
    expect(held.nth(1)).to_contain_text(".exe is none of the types that text can be read from")
    assert not Intake.objects.exists()
    page.get_by_role("button", name="Send it anyway").click()
    cards(page, 1)
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#outbox")).to_be_hidden()


def test_a_failure_says_code_and_next_step_and_is_retried(enter, worker, tmp_path) -> None:
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 nothing")
    page = enter()
    page.set_input_files("#choose", tmp_path / "bad.pdf")
    cards(page, 1)
    worker.run()
    wake(page)
    cards(page, 1, DONE)
    failure = page.locator("[data-intake] .failure")
    expect(failure).to_contain_text("corrupt_file")
    expect(failure).to_contain_text("Next step: Open it in its own program")
    page.get_by_role("button", name="Retry bad.pdf").press("Enter")
    expect(page.locator(".state")).to_have_text("Waiting for a worker")
    worker.run()
    wake(page)
    cards(page, 1, DONE)


def test_a_refusal_is_shown_at_the_upload_with_a_way_on(enter, tmp_path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 but then nothing")
    page = enter()
    page.set_input_files("#choose", tmp_path / "a.zip")
    expect(page.locator("#sending .failure code")).to_have_text(re.compile("zip|archive"))
    expect(page.get_by_role("button", name="Try again a.zip")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#outbox")).to_be_hidden()


def test_a_lost_answer_is_asked_for_again_and_makes_no_second_upload(enter, letter) -> None:
    page = enter()
    keys: list[str] = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()  # the server takes it; its answer is lost
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/documents", lose)
    page.set_input_files("#choose", letter)
    cards(page, 1)
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert Intake.objects.count() == 1


def test_what_a_reload_cut_off_is_continued_as_the_same_upload(enter, letter) -> None:
    page = enter()
    page.route("**/api/v1/documents", lambda route: None)
    with page.expect_request("**/api/v1/documents") as cut_off:
        page.set_input_files("#choose", letter)
    page.reload()
    page.unroute("**/api/v1/documents")
    expect(page.locator(".interrupted")).to_contain_text("Choose the same files again to continue")
    with page.expect_request("**/api/v1/documents") as sent:
        page.set_input_files("#choose", letter)
    assert sent.value.headers["idempotency-key"] == cut_off.value.headers["idempotency-key"]
    cards(page, 1)
    expect(page.locator(".interrupted")).to_have_count(0)
    assert Intake.objects.count() == 1


def test_what_had_arrived_before_a_reload_is_not_asked_for(enter, letter, ada) -> None:
    page = enter()
    page.route("**/api/v1/documents", lambda route: None)
    with page.expect_request("**/api/v1/documents") as sent:
        page.set_input_files("#choose", letter)
    # The bytes have arrived, and the page is left before it has the answer.
    accept(ada, upload("letter.txt"), client_key=sent.value.headers["idempotency-key"])
    page.reload()
    cards(page, 1)
    expect(page.locator(".interrupted")).to_have_count(0)


def test_cancelling_while_it_is_sent_keeps_nothing(enter, letter) -> None:
    page = enter()
    page.route("**/api/v1/documents", lambda route: None)
    page.set_input_files("#choose", letter)
    page.get_by_role("button", name="Cancel letter.txt").click()
    expect(page.locator("#outbox")).to_be_hidden()
    assert not Intake.objects.exists()


def test_the_focus_stays_while_the_page_is_kept_fresh(enter, worker, ada) -> None:
    intake = accept(ada, upload("a.txt", "a"), upload("b.txt", "b"))
    page = enter()
    page.locator(f"#delete-{intake.pk}").focus()
    page.locator(f"#files-{intake.pk} summary").click()
    page.locator(f"#delete-{intake.pk}").focus()
    worker.run()
    wake(page)
    cards(page, 1, DONE)
    assert page.evaluate("document.activeElement.id") == f"delete-{intake.pk}"
    assert page.locator(f"#files-{intake.pk}").get_attribute("open") is None  # as the reader left it


@pytest.mark.slow
def test_a_session_that_ended_is_told(enter, ada) -> None:
    accept(ada)
    page = enter()
    page.context.clear_cookies()
    expect(page.get_by_role("alert")).to_contain_text("You have been logged out")
