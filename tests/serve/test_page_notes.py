"""Descriptors, comment and marks on the page, in a real browser."""

import json

import pytest
from tests.serve.conftest import CHROMIUM, new_context, png_of, running
from tests.serve.page_steps import open_files, reload
from tests.serve.test_browser import in_image

from salus import make_phantom

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def lesions_json(page):
    with page.expect_download() as download:
        page.click("[data-get=json]")
    return json.loads(download.value.path().read_text())["images"]


def test_descriptors_comment_and_mark_are_noted_by_keyboard_and_downloaded(page, files):
    open_files(page, files, "3.png", "7.png")
    page.fill("#reader", "Ann Lee")
    page.keyboard.press("Enter")
    page.locator("#descriptors summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Take what is measured: oval, parallel").focus()
    page.keyboard.press("Enter")
    page.select_option("#descriptors [name=margin]", "indistinct")
    page.fill("#comment", "Zyste? ")
    page.locator("#canvas").focus()
    page.keyboard.press("u")
    expect(page.locator("#cases li").first).to_contain_text("unsure")
    expect(page.locator("#notes-state")).to_contain_text("Ann Lee")
    expect(page.locator("#descriptors summary")).to_have_text("Lesion 1: oval, parallel, indistinct")
    (image,) = lesions_json(page)
    notes = image["notes"]
    assert (notes["mark"], notes["comment"], notes["reader"]) == ("unsure", "Zyste?", "Ann Lee")
    words = image["lesions"][0]["descriptors"]
    assert (words["shape"], words["orientation"], words["margin"]) == ("oval", "parallel", "indistinct")
    page.keyboard.press("p")  # a larger second lesion: the description stays with the first
    for point in ((20, 290), (320, 290), (320, 460), (20, 460)):
        page.mouse.click(*in_image(page, *point))
    page.keyboard.press("Enter")
    expect(page.locator("#descriptors summary")).to_have_text(
        ["Lesion 1: not described", "Lesion 2: oval, parallel, indistinct"]
    )
    page.keyboard.press("Control+z")
    expect(page.locator("#descriptors summary")).to_have_text(["Lesion 1: oval, parallel, indistinct"])
    page.keyboard.press("ArrowDown")
    expect(page.locator("#caption")).to_contain_text("7.png")
    expect(page.locator("#comment")).to_have_value("")
    page.select_option("#filter-state", "marked")
    expect(page.locator("#cases b")).to_have_text(["3.png"])


def test_what_was_noted_outlives_a_reload_a_silent_server_and_a_forgotten_session(page, files):
    open_files(page, files, "3.png")
    page.route("**/notes", lambda route: route.abort())
    with page.expect_event("requestfailed"):
        page.fill("#comment", "kept")
        page.locator("#canvas").focus()
    expect(page.locator("#notes-state")).to_contain_text("Not sent yet")
    page.unroute("**/notes")
    reload(page)
    expect(page.locator("#comment")).to_have_value("kept")
    expect(page.locator("#notes-state")).to_contain_text("Noted")
    assert lesions_json(page)[0]["notes"]["comment"] == "kept"
    page.evaluate("fetch('v1/session', { method: 'DELETE' })")
    reload(page)
    expect(page.locator("#comment")).to_have_value("kept")
    assert lesions_json(page)[0]["notes"]["comment"] == "kept"


def test_a_skipped_image_of_a_worklist_is_done_and_another_reader_s_notes_are_not_replaced_unseen(
    browser, segmenter, tmp_path
):
    for name, seed in (("a.png", 3), ("b.png", 7)):
        (tmp_path / name).write_bytes(png_of(make_phantom(seed).image))
    with running(segmenter, folder=tmp_path) as address:
        pages = []
        for name in ("Ann", "Ben"):
            pages.append(new_context(browser).new_page())
            pages[-1].goto(address)
            expect(pages[-1].locator("#caption")).to_contain_text("a.png")
            pages[-1].fill("#reader", name)
            pages[-1].keyboard.press("Enter")
            expect(pages[-1].locator("#toast")).to_contain_text(name)
            pages[-1].locator("#canvas").focus()
        ann, ben = pages
        ann.keyboard.press("j")
        expect(ann.locator("#caption")).to_contain_text("b.png")
        expect(ann.locator("#work-count")).to_have_text("1 of 2 done")
        ben.fill("#comment", "mine")
        ben.locator("#canvas").focus()
        expect(ben.locator("#toast .bad")).to_contain_text("a.png: Ann described this image meanwhile")
        expect(ben.locator("#mark [aria-pressed=true]")).to_have_text("Skip")
        ben.keyboard.press("Escape")  # closes the message
        expect(ben.locator("#toast .bad")).to_have_count(0)
        ben.reload()  # what was refused is still there to be chosen
        expect(ben.locator("#notes-refused li")).to_contain_text("“mine”")
        ben.click("#notes-refused button:has-text('Replace by mine')")
        expect(ben.locator("#notes-state")).to_contain_text("Ben")
        expect(ben.locator("#comment")).to_have_value("mine")
        notes = json.loads((tmp_path / "reviewed" / "notes" / "a.json").read_text())
        assert (notes["reader"], notes["comment"], notes["mark"]) == ("Ben", "mine", "")
        expect(ben.locator("#notes-refused")).to_be_hidden()
        for page in pages:
            page.context.close()
