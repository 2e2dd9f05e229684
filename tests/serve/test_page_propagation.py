"""Propagating an outline over the frames of a cine, in a real browser."""

import json

import numpy as np
import pytest
from tests.read.wrap import region, wrap_dicom
from tests.serve.conftest import CHROMIUM, reading, running
from tests.serve.page_steps import reload, wait_for_frame
from tests.serve.test_browser import in_image

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

SIZE, FRAMES, STEP, LAST = 320, 8, 4, 6
"""A dark square, 60 pixels wide, moves by `STEP` pixels from frame to frame, and is elsewhere after frame `LAST`."""


@pytest.fixture
def page(browser, pointed, tmp_path):
    """The page with that cine, and a network that outlines what is dark where it is pointed at."""
    pixels = np.full((FRAMES, SIZE, SIZE), 255, np.uint8)
    for i in range(FRAMES):
        left = 60 + STEP * i if i < LAST else 230
        pixels[i, 100:160, left : left + 60] = 0
    wrap_dicom(tmp_path / "cine.dcm", pixels, regions=[region(0, 0, SIZE, SIZE, (0.1, 0.1))], frame_time=60)
    with running(pointed) as address, reading(browser, address) as page:
        page.set_input_files("#files", tmp_path / "cine.dcm")
        expect(page.locator("#finding")).to_have_text("No tumour found")
        expect(page.locator("#frame-value")).to_have_text(f"1 of {FRAMES}")
        page.locator("#canvas").focus()
        yield page


def go_to(page, number):
    page.locator("#frame").evaluate(f"e => {{ e.value = {number}; e.dispatchEvent(new Event('input')); }}")
    expect(page.locator("#frame-value")).to_have_text(f"{number} of {FRAMES}")
    wait_for_frame(page, number)


def outline(page):
    """The outline of the frame that is shown, (height, width) bool."""
    mask = page.evaluate("import('./state.js').then(({ state }) => [...state.frame.mask])")
    return np.array(mask, bool).reshape(SIZE, SIZE)


def point(page):
    page.keyboard.down("Control")
    page.mouse.move(*in_image(page, 54, 94, SIZE, SIZE))
    page.mouse.down()
    page.mouse.move(*in_image(page, 126, 166, SIZE, SIZE), steps=4)
    page.mouse.up()
    page.keyboard.up("Control")
    expect(page.locator("#lesions li")).to_have_count(1)


@pytest.mark.slow
def test_an_outline_is_propagated_until_it_is_lost_and_saved_with_the_frame_that_it_is_from(page):
    point(page)
    page.click("#propagate-ahead")
    expect(page.locator("#toast")).to_contain_text(f"propagated to {LAST - 1} frames")
    expect(page.locator("#toast")).to_contain_text(f"From frame {LAST + 1} on")
    expect(page.locator("#frame-value")).to_have_text(f"{LAST} of {FRAMES}")
    wait_for_frame(page, LAST)
    expect(page.locator("#finding-more")).to_have_text("Propagated from frame 1, not saved")
    columns = np.flatnonzero(outline(page).any(axis=0))
    assert columns[0] == pytest.approx(60 + STEP * (LAST - 1), abs=2)  # where the square is by now
    assert columns[-1] <= 126  # and was: this network does not outline beyond what is pointed at
    go_to(page, LAST + 1)
    expect(page.locator("#finding")).to_have_text("No tumour found")
    page.click("#save-frames")
    expect(page.locator("#toast")).to_contain_text(f"{LAST} frames saved")
    expect(page.locator("#cases li.unsaved")).to_have_count(0)
    with page.expect_download() as download:
        page.click("[data-get=json]")
    images = json.loads(download.value.path().read_text())["images"]
    assert [image.get("derived_from_frame") for image in images] == [None, *[1] * (LAST - 1), None, None]
    assert [bool(image["corrected"]) for image in images] == [True] * LAST + [False] * (FRAMES - LAST)
    assert all(len(image["prompts"]) == 1 for image in images[:LAST])
    reload(page)
    expect(page.locator("#caption")).to_be_visible()
    go_to(page, 3)
    expect(page.locator("#finding-more")).to_have_text("Saved by you, propagated from frame 1")


@pytest.mark.slow
def test_a_frame_that_was_corrected_stays_as_it_is_and_all_can_be_undone(page):
    go_to(page, 4)
    page.keyboard.press("b")
    page.mouse.click(*in_image(page, 250, 250, SIZE, SIZE))
    expect(page.locator("#lesions li")).to_have_count(1)
    drawn = outline(page)
    go_to(page, 1)
    point(page)
    page.keyboard.press(">")
    expect(page.locator("#toast")).to_contain_text("propagated to 2 frames. Frame 4 was corrected")
    go_to(page, 4)
    assert (outline(page) == drawn).all()
    go_to(page, 3)
    page.keyboard.press("b")
    page.mouse.click(*in_image(page, 250, 250, SIZE, SIZE))  # one of the propagated ones is corrected
    expect(page.locator("#lesions li")).to_have_count(2)
    page.locator("#toast button.link", has_text="Undo").click()
    expect(page.locator("#live")).to_contain_text("taken back")
    expect(page.locator("#lesions li")).to_have_count(2)
    go_to(page, 2)
    expect(page.locator("#finding")).to_have_text("No tumour found")
    page.keyboard.press("Control+Shift+z")
    expect(page.locator("#finding-more")).to_have_text("Propagated from frame 1, not saved")
    reload(page)
    expect(page.locator("#frame-value")).to_have_text(f"2 of {FRAMES}")
    expect(page.locator("#finding-more")).to_have_text("Propagated from frame 1, not saved")
    page.locator("#canvas").focus()
    page.keyboard.press(">")  # goes on from there, and replaces nothing
    expect(page.locator("#toast")).to_contain_text("Frame 3 was corrected")
    go_to(page, 5)
    page.keyboard.press("<")
    expect(page.locator("#toast")).to_contain_text("no outline to propagate")
