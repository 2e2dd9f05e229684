"""A reader accepts or rejects single lesions on the page: by a key, by the list, and until the outline changes."""

import json

import pytest
from tests.serve.conftest import CHROMIUM, png_of, reading, running
from tests.serve.page_steps import is_note, open_files, reload, saved_mask
from tests.serve.test_browser import in_image, wait_until

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


def downloaded(page):
    """The image of `lesions.json`."""
    key = page.locator("#cases li:has([aria-current=true])").get_attribute("data-key")
    (image,) = page.request.get(page.url.rstrip("/") + f"/v1/cases/{key}/lesions.json").json()["images"]
    return image


def accepted(page):
    """Who accepted each lesion, from the download."""
    return [lesion.get("accepted") for lesion in downloaded(page)["lesions"]]


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
    with page.expect_response(is_note):  # the page shows it before the server knows
        page.keyboard.press("Enter")
    expect(rows.nth(1)).not_to_contain_text("accepted")
    assert accepted(page) == [None, None]


def test_the_lesion_is_meant_that_was_under_the_pointer_when_the_key_was_pressed(page, files):
    open_files(page, files, "3.png")
    held = []
    page.route("**/measure", lambda route: held.append(route))
    page.keyboard.press("b")
    page.mouse.click(*in_image(page, *DRAWN))
    page.keyboard.press("Enter")  # waits for the measurements of what was drawn
    page.mouse.move(*in_image(page, 217, 100))  # the other lesion
    assert wait_until(page, lambda: len(held) == 2)
    page.unroute("**/measure")  # what was held goes on
    expect(page.locator("#lesions li").nth(1)).to_contain_text("accepted by")
    expect(page.locator("#lesions li.accepted")).to_have_count(1)


def test_what_is_saved_right_after_a_name_was_typed_has_that_name(page, files):
    open_files(page, files, "3.png")
    page.fill("#reader", "Ann")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("Ann")
    held = []
    page.route("**/v1/session", lambda route: held.append(route))
    page.fill("#reader", "Ben")
    page.keyboard.press("Enter")
    page.locator("#canvas").focus()
    page.keyboard.press("s")
    assert wait_until(page, lambda: held)
    held[0].continue_()
    expect(page.locator("#finding-more")).to_have_text("Saved by you")
    assert downloaded(page)["reader"] == "Ben"


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
    reload(page)
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
    with page.expect_event("requestfailed"):
        page.keyboard.press("Enter")
    expect(page.locator("#notes-state")).to_contain_text("Not sent yet")
    expect(page.locator("#lesions li.accepted")).to_have_count(1)
    page.unroute("**/notes")
    reload(page)
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


def test_shift_and_enter_reject_a_lesion_and_undo_takes_that_back(page, files):
    open_with_two_lesions(page, files)
    lesions, rejected = page.locator("#lesions li"), page.locator("#rejected li")
    page.mouse.move(*in_image(page, 20, 20))
    page.keyboard.press("Shift+Enter")  # points at neither of them
    expect(page.locator("#toast")).to_contain_text("Point at the lesion to reject")
    page.mouse.move(*in_image(page, *DRAWN))
    page.keyboard.press("Shift+Enter")
    expect(lesions).to_have_count(1)
    expect(rejected).to_contain_text("by an unnamed reader")
    with page.expect_response(is_note):
        page.locator("#toast button.link", has_text="Undo").click()
    expect(lesions).to_have_count(2)
    expect(rejected).to_have_count(0)
    page.keyboard.press("Control+Shift+z")
    expect(lesions).to_have_count(1)
    expect(rejected).to_contain_text("by an unnamed reader")
    page.fill("#reader", "Ann Lee")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("Ann Lee")
    page.locator("#canvas").focus()
    page.mouse.move(*in_image(page, 20, 20))
    page.keyboard.press("d")  # the other one: deleted, and not rejected
    expect(page.locator("#finding")).to_have_text("No tumour found")
    assert not saved_mask(page).any()
    (one,) = downloaded(page)["rejected"]
    assert one["reader"] == "Ann Lee"
    top, left, height, width = one["box"]
    assert top < DRAWN[1] < top + height
    assert left < DRAWN[0] < left + width
    reload(page)
    expect(rejected).to_contain_text("by Ann Lee")
    page.click("#reset")  # the network's outline, without what was drawn
    expect(lesions).to_have_count(1)
    assert len(downloaded(page)["rejected"]) == 1


def test_the_list_rejects_the_lesion_of_its_row_which_is_accepted_no_longer(page, files):
    open_files(page, files, "3.png")
    page.locator("#lesions li").hover()
    page.get_by_role("button", name="Accept lesion 1").click()
    expect(page.locator("#lesions li")).to_contain_text("accepted by")
    page.locator("#lesions li").hover()
    page.get_by_role("button", name="Reject lesion 1").click()
    expect(page.locator("#finding")).to_have_text("No tumour found")
    expect(page.locator("#rejected li")).to_contain_text("by an unnamed reader")
    with page.expect_response(is_note):
        page.keyboard.press("Control+z")
    expect(page.locator("#lesions li")).to_have_count(1)
    expect(page.locator("#lesions li.accepted")).to_have_count(0)
    assert accepted(page) == [None]
