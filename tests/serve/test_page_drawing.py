"""Drawing on the page in a real browser: regions, proportions, polygon, holes, the network's outline beside."""

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes, uniform_filter
from tests.serve.conftest import CHROMIUM
from tests.serve.page_steps import HEIGHT, WIDTH, drag, image_box, open_files, saved_mask, wait_for_outline
from tests.serve.test_browser import canvas_colours, in_image, outline_pixels, wait_until

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def test_what_is_drawn_outside_the_region_of_a_dicom_file_does_not_stay_on_the_screen(page, files):
    open_files(page, files, "part.dcm")
    at = lambda x, y: in_image(page, x, y, 2 * WIDTH, HEIGHT)  # noqa: E731
    wait_for_outline(page)
    before = outline_pixels(page)
    page.keyboard.press("b")
    drag(page, at(450, 300), at(600, 300))
    expect(page.locator("#toast")).to_contain_text("Only the ultrasound region is outlined")
    page.mouse.move(2, 2)
    assert wait_until(page, lambda: abs(outline_pixels(page) - before) < 30)
    page.keyboard.press("p")
    for point in ((300, 380), (400, 380), (400, 440), (300, 440)):
        page.mouse.click(*at(*point))
    page.keyboard.press("Enter")
    expect(page.locator("#lesions li")).to_have_count(2)
    mask = saved_mask(page)
    assert mask[385:435, 305:344].all()
    assert not mask[:, WIDTH:].any()


def test_pixels_that_are_not_square_are_drawn_in_their_true_proportions(page, files):
    open_files(page, files, "flat.dcm")
    assert wait_until(page, lambda: image_box(page)[0] > 100)
    width, height = image_box(page)
    assert width / height == pytest.approx(2 * (WIDTH // 2) / HEIGHT, rel=0.02)
    page.keyboard.press("b")
    for _ in range(5):
        page.keyboard.press("]")
    page.mouse.click(*in_image(page, 100, 400))  # of the image as it looks, which is that of phantom 3
    expect(page.locator("#lesions li")).to_have_count(2)
    mask = saved_mask(page)[340:]
    rows, columns = (np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (1, 0))
    assert rows == pytest.approx(2 * columns, abs=2)  # a disc on the screen and in mm


@pytest.mark.slow
def test_the_network_s_outline_is_shown_beside_the_reader_s_and_alone(page, files):
    def count(first, second, third):
        colours = canvas_colours(page)
        return int((np.abs(colours - [first, second, third]).sum(axis=2) < 60).sum())

    open_files(page, files, "3.png")
    page.keyboard.press("p")
    for point in ((150, 50), (300, 50), (300, 200), (150, 200)):
        page.mouse.click(*in_image(page, *point))
    page.keyboard.press("Enter")
    page.mouse.move(2, 2)
    cyan, amber = (90, 209, 255), (255, 214, 10)
    assert wait_until(page, lambda: count(*amber) > 200)
    assert count(*cyan) == 0
    page.keyboard.press("g")
    assert wait_until(page, lambda: count(*cyan) > 50)
    assert count(*amber) > 200
    dashed = count(*cyan)
    page.keyboard.down("c")
    assert wait_until(page, lambda: count(*amber) == 0)
    assert count(*cyan) > 1.3 * dashed  # now a whole line
    page.keyboard.up("c")
    assert wait_until(page, lambda: count(*amber) > 200)


def test_the_wheel_with_shift_changes_the_brush_and_alone_it_zooms(page, files):
    open_files(page, files, "3.png")
    page.keyboard.press("b")
    page.mouse.move(*in_image(page, 100, 100))
    expect(page.locator("#zoom")).to_contain_text("%")  # once it is painted
    size, zoom = page.locator("#size").input_value(), page.locator("#zoom").inner_text()
    page.keyboard.down("Shift")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Shift")
    expect(page.locator("#size")).not_to_have_value(size)
    expect(page.locator("#zoom")).to_have_text(zoom)
    page.mouse.wheel(0, -100)
    expect(page.locator("#zoom")).not_to_have_text(zoom)


def test_holes_are_filled_and_the_outline_is_smoothed(page, files):
    open_files(page, files, "3.png")
    page.keyboard.press("p")
    for point in ((60, 300), (140, 300), (140, 420), (100, 340), (60, 420)):
        page.mouse.click(*in_image(page, *point))
    page.keyboard.press("Enter")
    page.keyboard.press("e")
    page.mouse.click(*in_image(page, 100, 320))
    page.mouse.move(2, 2)
    drawn = saved_mask(page)
    assert (binary_fill_holes(drawn) != drawn).any()
    page.keyboard.press("h")
    expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
    filled = saved_mask(page)
    assert (filled == binary_fill_holes(drawn)).all()
    page.keyboard.press("k")
    expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
    radius = max(2, round(min(filled.shape) / 150))
    once = uniform_filter(filled.astype(float), 2 * radius + 1, mode="nearest")
    expected = uniform_filter(once, 2 * radius + 1, mode="nearest") >= 0.5
    assert (saved_mask(page) != expected).sum() <= 4  # rounding, at shares of exactly one half
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
    assert (saved_mask(page) == drawn).all()


def test_the_sketch_of_a_polygon_stays_when_the_tool_changes(page, files):
    open_files(page, files, "3.png", "7.png")
    page.keyboard.press("p")
    for point in ((60, 300), (140, 300), (140, 420), (20, 20)):
        page.mouse.click(*in_image(page, *point))
    page.keyboard.press("Backspace")  # the last corner
    page.keyboard.press("v")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#caption")).to_contain_text("7.png")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#caption")).to_contain_text("3.png")
    page.keyboard.press("Enter")
    expect(page.locator("#lesions li")).to_have_count(2)
    assert saved_mask(page)[310, 80:130].all()


def test_an_outline_that_was_never_saved_is_not_called_saved(page, files):
    open_files(page, files, "3.png")
    finding, row = page.locator("#finding-more"), page.locator("#cases li")
    network = finding.inner_text()
    assert "presence of a tumour" in network
    page.keyboard.press("b")
    page.mouse.click(*in_image(page, 60, 400))
    expect(page.locator("#lesions li")).to_have_count(2)
    page.fill("#comment", "seen")  # the list is written anew
    page.locator("#canvas").focus()
    expect(page.locator("#notes-state")).to_contain_text("Noted")
    expect(row).to_have_class("tumour unsaved")
    expect(row.locator("small")).to_have_text("two lesions")
    page.keyboard.press("Control+z")
    expect(finding).to_have_text(network)
    expect(page.locator("#confidence")).to_contain_text("Confidence")
    page.keyboard.press("Control+Shift+z")
    expect(page.locator("#lesions li")).to_have_count(2)
    saved_mask(page)
    expect(row.locator("small")).to_have_text("saved")
    page.keyboard.press("Control+z")
    expect(finding).to_have_text("Drawn by you, not saved")
    expect(row.locator("small")).to_have_text("saved")
    page.keyboard.press("Control+Shift+z")
    expect(finding).to_have_text("Saved by you")


def unsaved_frames(page):
    """The frames with unsaved outlines by the name of their image."""
    return page.evaluate(
        """import('./state.js').then(({ state }) => Object.fromEntries(
        state.cases.map(({ id, label }) => [label, [...(state.drafts.get(id) ?? [])]])))"""
    )


@pytest.mark.parametrize("key", ["b", "r"])
def test_a_stroke_ends_with_the_image_on_which_it_began(page, files, key):
    open_files(page, files, "7.png", "3.png")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#caption")).to_contain_text("3.png")
    page.keyboard.press("ArrowUp")  # both are loaded
    expect(page.locator("#caption")).to_contain_text("7.png")
    wait_for_outline(page)
    page.keyboard.press(key)
    x, y, *size = page.evaluate(  # on the outline
        """import('./state.js').then(({ state: { frame: { mask, width, height } } }) => {
        const i = mask.indexOf(1);
        return [i % width, Math.floor(i / width), width, height]; })"""
    )
    page.mouse.move(*in_image(page, x, y, *size))
    page.mouse.down()
    page.mouse.move(*in_image(page, x, y - 25, *size), steps=4)
    page.keyboard.press("ArrowDown")
    expect(page.locator("#caption")).to_contain_text("3.png")
    page.mouse.move(*in_image(page, 60, 60), steps=4)
    page.mouse.up()
    assert unsaved_frames(page) == {"7.png": [1], "3.png": []}
    assert not page.evaluate(
        """import('./state.js').then(({ state: { frame } }) =>
        frame.mask.some((value, i) => value !== frame.base[i]) || frame.history.past.length > 0)"""
    )
    page.keyboard.press("ArrowUp")
    expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
    page.keyboard.press("Control+z")
    expect(page.locator("#finding-more")).to_contain_text("presence of a tumour")


def test_drawing_in_a_cine_that_plays_stops_it_and_changes_one_frame(page, files):
    open_files(page, files, "cine.dcm")
    wait_for_outline(page)
    page.keyboard.press("b")
    page.click("#play")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
    size = page.evaluate("import('./state.js').then(({ state: { frame } }) => [frame.width, frame.height])")
    drag(page, *(in_image(page, x, size[1] // 2, *size) for x in (60, 100, 140, 100, 60)))
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
    [numbers] = unsaved_frames(page).values()
    assert len(numbers) == 1
    changed = page.evaluate(
        """import('./state.js').then(({ state }) => [...state.current.loaded.values()]
        .filter(({ mask, base }) => mask.some((value, i) => value !== base[i])).map(({ number }) => number))"""
    )
    assert changed == numbers
