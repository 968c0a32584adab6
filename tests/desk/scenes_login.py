"""Coming to the desk, and leaving it."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from tests.desk.scenes import Desk, scene


@scene("login/", "logout/")
def leave_and_come_back(desk: Desk) -> None:
    desk.site.user.set_password("a long pass phrase")
    desk.site.user.save()
    desk.page.context.clear_cookies()
    desk.page.goto(desk.site.address + "/admin/docqueue/queueitem/")
    for password in ("another one", "a long pass phrase"):
        desk.page.get_by_label("Username").fill(desk.who)
        desk.page.get_by_label("Password").fill(password)
        desk.page.get_by_role("button", name="Log in").click()
        if password == "another one":
            expect(desk.page.locator(".errornote")).to_contain_text("correct username and password")
    expect(desk.page.locator("h1", has_text="Live items")).to_be_visible()  # where it was going to
    assert Session.objects.count() == 2
    desk.page.get_by_role("button", name="Log out").click()
    expect(desk.page.get_by_role("heading", name="Log in")).to_be_visible()
    assert Session.objects.count() == 1
