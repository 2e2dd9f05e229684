"""Earlier outlines of an image on the page: listed with who and when, and restored, in a real browser."""

import numpy as np
import pytest
from PIL import Image
from tests.serve.conftest import CHROMIUM, new_context, png_of, running
from tests.serve.test_browser import in_image

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def test_an_earlier_outline_is_listed_and_restored(browser, segmenter, phantom, tmp_path):
    (tmp_path / "a.png").write_bytes(png_of(phantom.image))
    saved = tmp_path / "reviewed" / "masks" / "a.png"
    context = new_context(browser)
    with running(segmenter, folder=tmp_path) as address:
        page = context.new_page()
        page.goto(address)
        expect(page.locator("#lesions li")).to_have_count(1)
        page.click("#versions summary")
        expect(page.locator("#version-none")).to_be_visible()
        for reader, place in (("Ann", None), ("Ben", (60, 380))):
            page.fill("#reader", reader)
            page.keyboard.press("Enter")
            expect(page.locator("#toast")).to_contain_text(reader)
            page.locator("#canvas").focus()
            if place:
                page.keyboard.press("b")
                page.mouse.click(*in_image(page, *place))
                expect(page.locator("#lesions li")).to_have_count(2)
            page.click("#save")
            expect(page.locator("#versions li")).to_have_count(1 if reader == "Ann" else 2)
        assert (np.asarray(Image.open(saved)) > 0)[380, 60]
        expect(page.locator("#versions b")).to_have_text(["Ben", "Ann"])
        expect(page.locator("#versions li").first).to_contain_text("corrected; current")
        expect(page.locator("#versions li").last).to_contain_text("approved")
        expect(page.locator("#versions li").first.get_by_role("button")).to_have_count(0)
        page.get_by_role("button", name="Restore the outline of Ann").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#lesions li")).to_have_count(1)
        expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
        page.keyboard.press("Control+z")
        expect(page.locator("#lesions li")).to_have_count(2)
        page.keyboard.press("Control+Shift+z")
        expect(page.locator("#lesions li")).to_have_count(1)
        page.click("#save")
        expect(page.locator("#versions b")).to_have_text(["Ben", "Ben", "Ann"])  # Ann's stays, though Ben's equals it
        assert not (np.asarray(Image.open(saved)) > 0)[380, 60]
    context.close()
