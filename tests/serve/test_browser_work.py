"""What a reader did is never lost: reload, closed tab, killed server, forgotten session, another reader, undo."""

import re
import subprocess
import sys
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from tests.serve.conftest import CHROMIUM, new_context, png_of, running
from tests.serve.page_steps import reload, wait_until_kept
from tests.serve.test_browser import TIMEOUT_MS, drop, in_image

from salus import make_phantom

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
expect.set_options(timeout=TIMEOUT_MS)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture
def new_reader(browser):
    """Makes browsers that share nothing; gives a function that opens a tab in it."""
    contexts = []

    def make():
        context = new_context(browser)
        contexts.append(context)

        def open_tab(address):
            page = context.new_page()
            page.goto(address)
            expect(page.locator("html")).to_have_attribute("data-ready", "yes")
            return page

        return open_tab

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def scan(tmp_path, png):
    (tmp_path / "scans").mkdir()
    path = tmp_path / "scans" / "phantom-03.png"
    path.write_bytes(png)
    return path


def paint(page, x, y, shape=(477, 345)):
    """Draw a short stroke with the brush, in an image of a shape."""
    height, width = shape
    page.keyboard.press("b")
    page.mouse.move(*in_image(page, x, y, width, height))
    page.mouse.down()
    page.mouse.move(*in_image(page, x + 40, y + 8, width, height), steps=4)
    page.mouse.up()


def kept_outlines(page):
    """Count the outlines that the browser's store holds."""
    return page.evaluate("import('./browser_store.js').then((s) => s.unsavedFrames()).then((map) => map.size)")


def test_two_readers_of_a_worklist_never_overwrite_each_other_unseen(new_reader, segmenter, scan):
    with running(segmenter, folder=scan.parent) as address:
        ann, ben = (new_reader()(address) for _ in range(2))
        for page, name in ((ann, "Ann"), (ben, "Ben")):
            expect(page.locator("#finding")).to_have_text("One lesion")
            page.fill("#reader", name)
            page.keyboard.press("Enter")
            expect(page.locator("#toast")).to_contain_text(name)
        paint(ann, 60, 380)
        expect(ann.locator("#lesions li")).to_have_count(2)
        ann.click("#save")
        expect(ann.locator("#work-count")).to_have_text("1 of 1 done")
        paint(ben, 200, 420)
        expect(ben.locator("#lesions li")).to_have_count(2)
        ben.click("#save")
        expect(ben.get_by_role("dialog", name="This outline has changed")).to_contain_text("Ann saved another outline")
        mask = np.asarray(Image.open(scan.parent / "reviewed" / "masks" / "phantom-03.png")) > 0
        assert mask[380, 60]
        assert not mask[420, 205]
        ben.click("text=Load theirs")
        expect(ben.locator("#finding-more")).to_contain_text("Ann")
        expect(ben.locator("#work-items li.unsaved")).to_have_count(0)
        ben.keyboard.press("Control+z")  # back to Ben's own
        expect(ben.locator("#lesions li")).to_have_count(2)
        ben.click("[data-show=done]")
        expect(ben.locator("#work-items li.unsaved")).to_have_count(1)
        ben.click("#save")
        expect(ben.locator("#work-items li.unsaved")).to_have_count(0)
        mask = np.asarray(Image.open(scan.parent / "reviewed" / "masks" / "phantom-03.png")) > 0
        assert mask[420, 205]
        assert not mask[380, 60]
        later = new_reader()(address)  # a third one sees it corrected
        expect(later.locator("#finding-more")).to_contain_text("Ben")
        expect(later.locator("#lesions li")).to_have_count(2)
        assert len(list((scan.parent / "reviewed" / "history" / "phantom-03").glob("*.png"))) == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
def test_saved_and_unsaved_outlines_and_the_position_outlive_a_killed_server_and_a_closed_tab(
    new_reader, scan, tmp_path
):
    others = []
    for seed in (7, 16):
        others.append(tmp_path / f"phantom-{seed:02}.png")
        others[-1].write_bytes(png_of(make_phantom(seed).image))

    def start(port):
        command = [sys.executable, "-m", "salus", "serve", "--no-browser", "--port", port, "--work", tmp_path / "work"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        return server, re.search(r"http://\S+", server.stdout.readline())[0]

    server, address = start("0")
    try:
        open_tab = new_reader()
        page = open_tab(address)
        drop(page, scan, *others)
        expect(page.locator("#cases li.tumour")).to_have_count(3)
        expect(page.locator("#lesions li")).to_have_count(1)
        paint(page, 60, 380)
        expect(page.locator("#lesions li")).to_have_count(2)
        page.keyboard.press("s")
        expect(page.locator("#cases li.saved")).to_have_count(1)
        page.click("#cases li:nth-child(2) button")
        expect(page.locator("#caption")).to_contain_text("phantom-07")
        paint(page, 30, 30, make_phantom(7).image.shape)
        expect(page.locator("#cases li.unsaved")).to_have_count(1)
        expect(page.locator("#lesions li")).to_have_count(2)
        server.kill()
        server.wait()
        page.keyboard.press("s")  # the server does not answer; the outline stays
        expect(page.locator("#toast .bad")).to_contain_text("kept in this browser")
        expect(page.locator("#cases li.unsaved")).to_have_count(1)
        wait_until_kept(page)
        page.close()
        server, _ = start(str(urlsplit(address).port))
        page = open_tab(address)
        expect(page.locator("#caption")).to_contain_text("phantom-07")
        expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
        expect(page.locator("#lesions li")).to_have_count(2)
        expect(page.locator("#cases b")).to_have_text(["phantom-03.png", "phantom-07.png", "phantom-16.png"])
        expect(page.locator("#cases li.saved")).to_have_count(1)
        page.keyboard.press("s")
        expect(page.locator("#cases li.saved")).to_have_count(2)
        page.keyboard.press("ArrowUp")
        expect(page.locator("#finding-more")).to_contain_text("Saved by you")
        expect(page.locator("#lesions li")).to_have_count(2)
        page.on("dialog", lambda dialog: dialog.accept())
        page.click("#end")
        expect(page.locator(".lead")).to_be_visible()
        assert list((tmp_path / "work").rglob("*.png")) == []
        reload(page)
        expect(page.locator("html")).to_have_attribute("data-ready", "yes")
        expect(page.locator("#cases li")).to_have_count(0)
    finally:
        server.kill()
        server.communicate()


def test_a_session_that_the_server_forgot_is_sent_again_by_itself(new_reader, segmenter, scan):
    with running(segmenter) as address:
        page = new_reader()(address)
        drop(page, scan)
        expect(page.locator("#lesions li")).to_have_count(1)
        paint(page, 60, 380)
        expect(page.locator("#lesions li")).to_have_count(2)
        page.keyboard.press("s")
        expect(page.locator("#cases li.saved")).to_have_count(1)
        page.evaluate("fetch('v1/session', { method: 'DELETE' })")
        expect(page.locator("#export")).to_be_enabled()
        paint(page, 200, 420)
        expect(page.locator("#toast")).to_contain_text("sent again")
        expect(page.locator("#lesions li")).to_have_count(3)
        assert page.evaluate("fetch('v1/session').then((answer) => answer.json())")["saved"] == 1
        page.keyboard.press("s")
        expect(page.locator("#cases li.unsaved")).to_have_count(0)
        page.evaluate("fetch('v1/session', { method: 'DELETE' })")
        reload(page)
        expect(page.locator("#lesions li")).to_have_count(3)
        expect(page.locator("#cases li.saved b")).to_have_text("phantom-03.png")


def test_a_forgotten_session_is_sent_again_also_where_that_failed_once(new_reader, segmenter, scan):
    with running(segmenter) as address:
        page = new_reader()(address)
        drop(page, scan)
        expect(page.locator("#lesions li")).to_have_count(1)
        page.evaluate("fetch('v1/session', { method: 'DELETE' })")
        page.route("**/v1/cases", lambda route: route.abort())
        paint(page, 60, 380)
        expect(page.locator("#toast")).to_contain_text("no session")
        page.unroute("**/v1/cases")
        paint(page, 200, 420)
        expect(page.locator("#toast")).to_contain_text("sent again")
        expect(page.locator("#lesions li")).to_have_count(3)


def close_notes(page):
    for _ in page.locator("#toast .close").all():
        page.keyboard.press("Escape")
    expect(page.locator("#toast")).to_be_hidden()


def test_every_change_can_be_undone_and_what_is_unsaved_shows_in_the_list(new_reader, segmenter, scan):
    with running(segmenter) as address:
        page = new_reader()(address)
        drop(page, scan)
        lesions, unsaved = page.locator("#lesions li"), page.locator("#cases li.unsaved")
        expect(lesions).to_have_count(1)
        paint(page, 60, 380)
        expect(lesions).to_have_count(2)
        expect(unsaved).to_have_count(1)
        page.keyboard.press("Control+z")  # to the start: nothing is unsaved
        expect(unsaved).to_have_count(0)
        expect(lesions).to_have_count(1)
        page.keyboard.press("Control+Shift+z")
        expect(lesions).to_have_count(2)
        page.locator("#threshold").evaluate(
            "e => { e.value = 60; e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); }"
        )
        expect(page.locator("#threshold-value")).to_have_text("0.60")
        expect(lesions).to_have_count(2)  # what was drawn stays
        page.keyboard.press("s")
        expect(page.locator("#cases li.saved")).to_have_count(1)
        page.click("#reset")
        expect(lesions).to_have_count(1)
        expect(page.locator("#export")).to_be_disabled()
        page.keyboard.press("Control+z")
        expect(lesions).to_have_count(2)
        expect(page.locator("#export")).to_be_enabled()
        expect(page.locator("#cases li.saved")).to_have_count(1)
        expect(unsaved).to_have_count(0)
        expect(page.locator("#threshold-value")).to_have_text("0.60")
        page.click("#reset")
        expect(lesions).to_have_count(1)
        page.click("#toast >> text=Undo")
        expect(lesions).to_have_count(2)
        close_notes(page)  # their buttons lie over the image
        page.keyboard.press("p")  # a sketch stays while another tool is used
        for x, y in ((200, 400), (260, 400), (260, 440), (200, 440)):
            page.mouse.click(*in_image(page, x, y))
        page.keyboard.press("v")
        page.keyboard.press("p")
        page.keyboard.press("Enter")
        expect(lesions).to_have_count(3)
        assert kept_outlines(page) == 1
        reload(page)
        expect(lesions).to_have_count(3)
        expect(unsaved).to_have_count(1)
        page.keyboard.press("Control+z")
        expect(lesions).to_have_count(2)
        expect(unsaved).to_have_count(0)


def test_file_names_stay_with_images_in_another_tab(new_reader, segmenter, scan):
    with running(segmenter) as address:
        open_tab = new_reader()
        drop(open_tab(address), scan)
        first = open_tab(address)
        expect(first.locator("#cases li b")).to_have_text("phantom-03.png")
        expect(first.locator("#cases li.tumour")).to_have_count(1)
        with first.expect_download() as download:
            first.click("[data-get=json]")
        assert download.value.suggested_filename == "phantom-03-lesions.json"


def test_uploads_that_waited_are_taken_up_after_a_reload(new_reader, segmenter, scan):
    with running(segmenter) as address:
        page = new_reader()(address)
        page.route("**/v1/cases", lambda route: None if route.request.method == "POST" else route.continue_())
        drop(page, scan)
        expect(page.locator("#cases li")).to_have_count(1)
        assert (
            page.evaluate("import('./browser_store.js').then((s) => s.allFiles()).then((files) => files.length)") == 1
        )
        page.unroute("**/v1/cases")
        reload(page)
        expect(page.locator("#cases li.tumour b")).to_have_text("phantom-03.png")
