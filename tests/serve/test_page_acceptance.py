"""A reader accepts single lesions on the page: by a key, by the list, and only while the outline stays as it is."""

import json

import pytest
from tests.serve.conftest import CHROMIUM, png_of, reading, running
from tests.serve.page_steps import open_files, saved_mask
from tests.serve.test_browser import in_image

from salus import make_phantom

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

DRAWN = (60, 400)
"""Where a second lesion is painted beside that of phantom 3."""


def open_with_two_lesions(page, files):
    open_files(page, files, "3.png")
    page.keyboard.press("b")
    page.mouse.click(*in_image(page, *DRAWN))
    expect(page.locator("#lesions li")).to_have_count(2)


def accepted(page):
    """Who accepted each lesion, from the download."""
    key = page.locator("#cases li:has([aria-current=true])").get_attribute("data-key")
    (image,) = page.request.get(page.url.rstrip("/") + f"/v1/cases/{key}/lesions.json").json()["images"]
    return [lesion.get("accepted") for lesion in image["lesions"]]


def test_enter_accepts_the_lesion_under_the_pointer_and_again_takes_that_back(page, files):
    open_with_two_lesions(page, files)
    rows = page.locator("#lesions li")
    page.mouse.move(*in_image(page, 20, 20))
    page.keyboard.press("Enter")  # points at neither of them
    expect(page.locator("#toast")).to_contain_text("Point at the lesion to accept")
    page.mouse.move(*in_image(page, *DRAWN))
    page.keyboard.press("Enter")
    expect(rows.nth(1)).to_contain_text("accepted by an unnamed reader")
    expect(rows.nth(0)).not_to_contain_text("accepted")
    page.fill("#reader", "Ann Lee")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("Ann Lee")
    page.locator("#canvas").focus()
    saved_mask(page)
    first, second = accepted(page)
    assert first is None
    assert second["reader"] == "Ann Lee"
    assert second["saved"].endswith("Z")
    page.mouse.move(*in_image(page, *DRAWN))
    page.keyboard.press("Enter")
    expect(rows.nth(1)).not_to_contain_text("accepted")
    assert accepted(page) == [None, None]


def test_the_lesion_chosen_in_the_list_is_accepted_and_stays_so_after_a_reload(page, files):
    open_with_two_lesions(page, files)
    rows = page.locator("#lesions li")
    rows.nth(0).locator("button").first.click()
    page.keyboard.press("Enter")
    expect(rows.nth(0)).to_contain_text("accepted by")
    rows.nth(1).hover()
    page.get_by_role("button", name="Accept lesion 2").click()
    expect(page.get_by_role("button", name="Accept lesion 2")).to_have_attribute("aria-pressed", "true")
    expect(rows.nth(1)).to_contain_text("accepted by")
    page.reload()
    expect(page.locator("#lesions li.accepted")).to_have_count(2)


def test_a_changed_outline_is_no_longer_accepted_until_the_change_is_undone(page, files):
    open_files(page, files, "3.png")
    page.mouse.move(*in_image(page, 20, 20))
    page.keyboard.press("Enter")  # the only lesion
    expect(page.locator("#lesions li.accepted")).to_have_count(1)
    page.keyboard.press("k")  # smooth
    expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
    expect(page.locator("#lesions li.accepted")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(page.locator("#lesions li.accepted")).to_have_count(1)


def test_an_acceptance_waits_for_a_silent_server(page, files):
    open_files(page, files, "3.png")
    page.route("**/notes", lambda route: route.abort())
    page.keyboard.press("Enter")
    expect(page.locator("#notes-state")).to_contain_text("Not sent yet")
    expect(page.locator("#lesions li.accepted")).to_have_count(1)
    page.unroute("**/notes")
    page.reload()
    expect(page.locator("#lesions li")).to_contain_text("accepted by")
    assert accepted(page)[0] is not None


def test_two_readers_of_a_worklist_accept_a_lesion_each(browser, segmenter, tmp_path):
    (tmp_path / "a.png").write_bytes(png_of(make_phantom(3).image))
    with running(segmenter, folder=tmp_path) as address:
        for name, number in (("Ann", 1), ("Ben", 2)):
            with reading(browser, address) as page:
                expect(page.locator("#caption")).to_contain_text("a.png")
                page.fill("#reader", name)
                page.keyboard.press("Enter")
                expect(page.locator("#toast")).to_contain_text(name)
                page.locator("#canvas").focus()
                page.keyboard.press("b")
                if number == 1:
                    page.mouse.click(*in_image(page, *DRAWN))
                expect(page.locator("#lesions li")).to_have_count(2)
                page.locator("#lesions li").nth(number - 1).hover()
                page.get_by_role("button", name=f"Accept lesion {number}").click()
                expect(page.locator("#lesions li").nth(number - 1)).to_contain_text(f"accepted by {name}")
                if number == 1:
                    page.keyboard.press("s")
                    expect(page.locator("#work-count")).to_have_text("1 of 1 done")
                else:
                    expect(page.locator("#lesions li").nth(0)).to_contain_text("accepted by Ann")
        notes = json.loads((tmp_path / "reviewed" / "notes" / "a.json").read_text())
        assert [lesion["reader"] for lesion in notes["accepted"]] == ["Ann", "Ben"]
