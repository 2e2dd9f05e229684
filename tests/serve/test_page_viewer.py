"""The viewer in a real browser: small windows, window and level, presets, cines, paper."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from tests.serve.conftest import CHROMIUM
from tests.serve.page_steps import drag, open_files, wait_for_outline
from tests.serve.test_browser import canvas_colours, in_image, outline_pixels, wait_until

from salus import make_phantom

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.mark.parametrize(("width", "height"), [(720, 450), (640, 360), (360, 640), (1280, 400)])
def test_in_a_small_or_magnified_window_a_cine_is_large_and_nothing_is_clipped(page, files, width, height):
    page.set_viewport_size({"width": width, "height": height})
    open_files(page, files, "cine.dcm")
    expect(page.locator("#frame-value")).to_contain_text("1 of 3")
    box = page.locator("#canvas").bounding_box()
    assert box["height"] >= 300
    assert box["width"] >= min(width, 560)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    notice = page.locator(".notice")
    assert "not a medical device" in notice.inner_text()
    assert notice.evaluate("e => e.scrollWidth <= e.clientWidth && e.getBoundingClientRect().right <= innerWidth")
    assert page.locator("h1").count() == 1


def test_window_and_level_belong_to_each_image(page, files):
    open_files(page, files, "3.png", "7.png")
    page.locator("#window").fill("90")
    page.keyboard.press("i")
    page.locator("#canvas").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#caption")).to_contain_text("7.png")
    expect(page.locator("#window")).to_have_value("255")
    expect(page.locator("#invert")).not_to_be_checked()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#window")).to_have_value("90")
    expect(page.locator("#invert")).to_be_checked()


def test_space_plays_a_cine_with_any_tool_and_moves_the_image_when_it_is_held_and_dragged(page, files):
    open_files(page, files, "cine.dcm")
    expect(page.locator("#frame-value")).to_contain_text("1 of 3")
    page.keyboard.press("b")
    page.keyboard.down("Space")
    drag(page, in_image(page, 100, 100), in_image(page, 150, 150))
    page.keyboard.up("Space")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
    expect(page.locator("#cases li.unsaved")).to_have_count(0)
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")


def test_presets_inversion_and_full_screen(page, files):
    open_files(page, files, "3.png")
    wait_for_outline(page)
    page.keyboard.press("o")
    assert wait_until(page, lambda: outline_pixels(page) == 0)
    middle = lambda: canvas_colours(page)[400:500, 480:560]  # noqa: E731
    plain = middle()
    page.keyboard.press("i")
    assert wait_until(page, lambda: np.abs(middle() + plain - 255).max() <= 2)
    page.keyboard.press("i")
    page.select_option("#presets", "Auto")
    image = make_phantom(3).image
    low, high = np.percentile(image[image > 0], [1, 99])
    assert float(page.locator("#window").input_value()) == pytest.approx(high - low, abs=2)
    assert float(page.locator("#level").input_value()) == pytest.approx((high + low) / 2, abs=2)
    page.locator("#canvas").focus()
    page.keyboard.press("w")
    expect(page.locator("#presets")).to_have_value("Dark tissue")
    page.keyboard.press("f")
    assert wait_until(page, lambda: page.evaluate("document.fullscreenElement?.className") == "stage")
    page.keyboard.press("f")
    assert wait_until(page, lambda: page.evaluate("document.fullscreenElement") is None)


def pages(pdf):
    assert pdf.startswith(b"%PDF")
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_the_report_of_a_cine_is_one_sheet(page, files):
    open_files(page, files, "cine.dcm")
    expect(page.locator("#frame-value")).to_have_text("1 of 3")
    page.fill("#comment", "Grew since May; compare with the left side.")
    page.keyboard.press("Tab")
    expect(page.locator("#notes-state")).not_to_have_text("")
    assert [pages(page.pdf(format=sheet)) for sheet in ("A4", "Letter")] == [1, 1]


def test_what_is_printed_is_the_image_with_its_findings(page, files):
    open_files(page, files, "3.png")
    page.fill("#reader", "Ann Lee")
    page.click("#descriptors summary")
    page.select_option("#descriptors [name=margin]", "spiculated")
    page.fill("#comment", "next to a scar")
    page.locator("#canvas").focus()
    expect(page.locator("#notes-state")).to_contain_text("Ann Lee")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    expect(page.locator("#paper")).to_be_visible()
    for place in ("#finding", ".notice", "#printed", "#caption"):
        expect(page.locator(place)).to_be_visible()
    for place in (".tools", ".side", "#lesions", "#display", "#download", ".actions"):
        expect(page.locator(place)).to_be_hidden()
    paper = np.asarray(Image.open(BytesIO(page.locator("#paper").screenshot())).convert("RGB")).astype(int)
    assert ((paper[..., 0] > 200) & (paper[..., 2] < 110)).sum() > 100  # the outline
    report = page.locator("#report")
    for text in (
        "3.png",
        "Ann Lee",
        "in pixels",
        "Longest × across",
        "spiculated",
        "next to a scar",
        "not a medical device",
    ):
        expect(report).to_contain_text(text)
    expect(report).to_be_visible()
    assert [pages(page.pdf(format=sheet)) for sheet in ("A4", "Letter")] == [1, 1]
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#paper, #report").count() == 0
