"""Single lesions on the page, in a real browser: delete, add, drag points of the outline, paint by grey value."""

import numpy as np
import pytest
from tests.serve.conftest import CHROMIUM, png_of, reading, running
from tests.serve.page_steps import open_files, saved_mask
from tests.serve.test_browser import in_image, wait_until

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

SIZE = 320
A, B = (70, 130), (230, 130)
"""Centres of two dark squares, 60 pixels wide."""


@pytest.fixture
def squares_page(browser, pointed, tmp_path):
    """The page with an image of two dark squares, and a network that outlines what is pointed at alone."""
    image = np.full((SIZE, SIZE), 255, np.uint8)
    for x, y in (A, B):
        image[y - 30 : y + 30, x - 30 : x + 30] = 0
    (tmp_path / "squares.png").write_bytes(png_of(image))
    with running(pointed) as address, reading(browser, address) as page:
        page.set_input_files("#files", tmp_path / "squares.png")
        expect(page.locator("#finding")).to_have_text("No tumour found")
        page.locator("#canvas").focus()
        yield page


def test_one_key_deletes_the_lesion_under_the_pointer_and_can_be_undone(page, files):
    open_files(page, files, "3.png")
    lesions = page.locator("#lesions li")
    whole = saved_mask(page)
    page.keyboard.press("b")
    page.mouse.click(*in_image(page, 60, 400))
    expect(lesions).to_have_count(2)
    page.mouse.move(*in_image(page, 20, 20))
    page.keyboard.press("d")  # points at neither of them
    expect(page.locator("#toast")).to_contain_text("Point at the lesion to delete")
    expect(lesions).to_have_count(2)
    page.mouse.move(*in_image(page, 60, 400))
    page.keyboard.press("d")
    expect(lesions).to_have_count(1)
    expect(page.locator("#toast")).to_contain_text("deleted")
    page.keyboard.press("Control+z")
    expect(lesions).to_have_count(2)
    page.mouse.move(*in_image(page, 60, 400))
    page.keyboard.press("d")
    expect(lesions).to_have_count(1)
    assert (saved_mask(page) == whole).all()
    page.mouse.move(*in_image(page, 20, 20))
    page.keyboard.press("d")  # there is only one
    expect(page.locator("#finding")).to_have_text("No tumour found")
    page.locator("#toast button.link", has_text="Undo").click()
    expect(lesions).to_have_count(1)
    assert (saved_mask(page) == whole).all()


def test_a_save_that_is_answered_late_leaves_the_button_that_undoes_a_deletion(page, files):
    open_files(page, files, "3.png")
    held = []
    page.route("**/mask?*", lambda route: held.append(route))
    page.keyboard.press("s")
    assert wait_until(page, lambda: held)
    page.mouse.move(*in_image(page, 20, 20))
    page.keyboard.press("d")
    expect(page.locator("#finding")).to_have_text("No tumour found")
    held[0].continue_()
    expect(page.locator("#toast")).to_contain_text("Saved.")  # and asks for the reader's name
    page.locator("#toast button.link", has_text="Undo").click()
    expect(page.locator("#lesions li")).to_have_count(1)
    expect(page.locator("#finding-more")).to_have_text("Saved by you")


def test_what_is_drawn_while_a_save_is_answered_late_is_saved_by_the_next_press(page, files):
    open_files(page, files, "3.png")
    held = []
    page.route("**/mask?*", lambda route: held.append(route))
    page.keyboard.press("s")
    assert wait_until(page, lambda: held)
    page.keyboard.press("b")
    page.mouse.click(*in_image(page, 60, 400))
    expect(page.locator("#lesions li")).to_have_count(2)
    page.keyboard.press("s")
    held[0].continue_()
    assert wait_until(page, lambda: len(held) == 2)
    held[1].continue_()
    expect(page.locator("#finding-more")).to_have_text("Saved by you")
    expect(page.locator("#lesions li")).to_have_count(2)
    expect(page.locator("#cases li.unsaved")).to_have_count(0)


def test_the_list_deletes_the_lesion_of_its_row(page, files):
    open_files(page, files, "3.png")
    whole = saved_mask(page)
    page.keyboard.press("b")
    page.mouse.click(*in_image(page, 60, 400))
    expect(page.locator("#lesions li")).to_have_count(2)
    page.locator("#lesions li").nth(1).hover()
    page.get_by_role("button", name="Delete lesion 2").click()
    expect(page.locator("#lesions li")).to_have_count(1)
    assert (saved_mask(page) == whole).all()


def test_ctrl_and_a_click_add_a_lesion_with_any_tool(squares_page):
    page, lesions = squares_page, squares_page.locator("#lesions li")
    page.keyboard.down("Control")
    page.mouse.click(*in_image(page, *A, SIZE, SIZE))
    page.keyboard.up("Control")
    expect(lesions).to_have_count(1)
    page.keyboard.press("b")
    page.keyboard.down("Control")
    page.mouse.move(*in_image(page, B[0] - 34, B[1] - 34, SIZE, SIZE))
    page.mouse.down()
    page.mouse.move(*in_image(page, B[0] + 34, B[1] + 34, SIZE, SIZE), steps=4)
    page.mouse.up()
    page.keyboard.up("Control")
    expect(lesions).to_have_count(2)
    mask = saved_mask(page)
    assert mask[A[1], A[0]]
    assert mask[B[1] - 26 : B[1] + 26, B[0] - 26 : B[0] + 26].all()
    assert not mask[:, 110:190].any()
    page.mouse.move(*in_image(page, *A, SIZE, SIZE))
    page.keyboard.press("d")
    expect(lesions).to_have_count(1)
    page.keyboard.press("Control+z")
    expect(lesions).to_have_count(2)


def test_a_button_says_how_a_lesion_is_added(squares_page):
    squares_page.click("#add-lesion")
    expect(squares_page.locator("button[data-tool=prompt]")).to_have_attribute("aria-pressed", "true")
    squares_page.mouse.click(*in_image(squares_page, *A, SIZE, SIZE))
    expect(squares_page.locator("#lesions li")).to_have_count(1)


def loop_of(page):
    """The outline's first loop: its corners (x, y), which of them can be dragged, and how many of them follow."""
    loop = page.evaluate(
        """async () => {
        const { state: { frame } } = await import('./state.js'), { findLoops } = await import('./outline_points.js');
        return findLoops(frame.mask, frame.width, frame.height)[0]; }"""
    )
    return np.array(loop["corners"]), loop["points"], loop["reach"]


def test_a_point_of_the_outline_is_dragged_and_only_what_is_near_it_follows(page, files):
    open_files(page, files, "3.png")
    before = saved_mask(page)
    page.keyboard.press("r")
    corners, points, reach = loop_of(page)
    assert 6 <= len(points) <= 16
    k = max(points, key=lambda i: corners[i][1])  # the lowest one
    x, y = corners[k].tolist()
    page.mouse.move(*in_image(page, x, y))
    page.mouse.down()
    page.mouse.move(*in_image(page, x, y + 30), steps=5)
    page.mouse.up()
    expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
    expect(page.locator("#lesions li")).to_have_count(1)
    after = saved_mask(page)
    changed = np.argwhere(after != before)
    assert after[y + 26, x]
    assert not before[y + 26, x]
    assert not (before & ~after).any()  # the lowest point was drawn down: nothing is lost
    near = [i for i in range(len(corners)) if min(abs(i - k), len(corners) - abs(i - k)) < reach]
    left, right = corners[near][:, 0].min(), corners[near][:, 0].max()
    assert left <= changed[:, 1].min()
    assert changed[:, 1].max() <= right
    assert changed[:, 0].min() >= corners[near][:, 1].min() - 1
    page.keyboard.press("Control+z")
    assert (saved_mask(page) == before).all()
    page.mouse.move(*in_image(page, 40, 400))  # beside the outline the image is moved
    page.mouse.down()
    page.mouse.move(*in_image(page, 60, 420), steps=3)
    page.mouse.up()
    expect(page.locator("#cases li.unsaved")).to_have_count(0)


def test_the_hole_of_an_outline_is_dragged_too(page, files):
    open_files(page, files, "3.png")
    page.keyboard.press("p")
    for point in ((40, 260), (240, 260), (240, 460), (40, 460)):
        page.mouse.click(*in_image(page, *point))
    page.keyboard.press("Enter")
    page.keyboard.press("e")
    for _ in range(5):
        page.keyboard.press("]")
    page.mouse.click(*in_image(page, 140, 360))
    page.mouse.move(2, 2)
    before = saved_mask(page)
    hole = np.flatnonzero(~before[360, 60:220]) + 60
    assert len(hole) > 20
    page.keyboard.press("r")
    page.mouse.move(*in_image(page, hole[-1] + 1, 360))
    page.mouse.down()
    page.mouse.move(*in_image(page, hole[-1] + 21, 360), steps=5)
    page.mouse.up()
    expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
    after = saved_mask(page)
    assert not after[360, hole[0] : hole[-1] + 18].any()
    assert not (after & ~before).any()


def test_the_magic_brush_stays_within_one_grey_value(squares_page):
    page = squares_page
    page.keyboard.press("y")
    for _ in range(12):
        page.keyboard.press("]")
    radius = int(page.locator("#size").input_value())
    assert radius > 50  # reaches beyond the square
    page.mouse.click(*in_image(page, *A, SIZE, SIZE))
    expect(page.locator("#lesions li")).to_have_count(1)
    mask = saved_mask(page)
    square = np.zeros_like(mask)
    square[A[1] - 30 : A[1] + 30, A[0] - 30 : A[0] + 30] = True
    assert not (mask & ~square).any()
    assert (mask & square).sum() > 0.75 * square.sum()  # up to the blurred edge
    page.keyboard.press("Control+z")
    expect(page.locator("#finding")).to_have_text("No tumour found")


@pytest.mark.parametrize("radius", [1, 0.4])
def test_the_smallest_magic_brush_paints_where_the_stroke_begins_between_pixels(page, radius):
    painted = page.evaluate(
        """async (radius) => {
            const { MagicBrush } = await import('./magic_brush.js'), [width, height] = [20, 20];
            const frame = { image: new Uint8Array(400).fill(90), mask: new Uint8Array(400), width, height };
            new MagicBrush(frame, [5, 5], radius, radius).paint([5, 5], radius, radius);
            return frame.mask.indexOf(1) >= 0;
        }""",
        radius,
    )
    assert painted


def test_each_region_drops_parts_by_its_own_size(page):
    """Parts of 10 pixels: in a region of which that is too small a share, in none, and in a small region."""
    counts = page.evaluate(
        """async () => {
            const { referenceMask } = await import('./frames.js'), [width, height] = [400, 200];
            const large = { top: 0, left: 0, height: 200, width: 200 };
            const small = { top: 0, left: 300, height: 50, width: 50 };
            const probability = new Uint8Array(80000), starts = [50, 250, 310].map((left) => 10 * width + left);
            for (const start of starts) probability.fill(255, start, start + 10);
            const answer = { regions: [large, small], network_threshold: 0.2 };
            const mask = referenceMask({ width, height, probability, answer }, 0.5);
            return starts.map((start) => mask.subarray(start, start + 10).filter(Boolean).length);
        }"""
    )
    assert counts == [0, 0, 10]


def test_a_deleted_lesion_does_not_come_back_as_a_ring_at_a_lower_threshold(squares_page):
    """Rows of 14 pixels: the outline at the threshold of before and at a lower one, and what the reader made of it."""
    keep = """([moved, mask, reference, prompts]) => import('./prompt_outline.js').then(({ keepDrawn }) => {
        const kept = Uint8Array.from(moved);
        return [keepDrawn(kept, Uint8Array.from(mask), Uint8Array.from(reference), 14, 1, prompts), [...kept]];
    })"""
    before, lower = [2, 3, 9, 10], [1, 2, 3, 4, 8, 9, 10, 11]
    cases = (
        ([9, 10], [], True, [8, 9, 10, 11]),  # the first lesion was deleted
        ([3, 9, 10], [], True, [1, 3, 4, 8, 9, 10, 11]),  # a part of it was erased
        ([2, 3, 6, 9, 10], [], True, [1, 2, 3, 4, 6, 8, 9, 10, 11]),  # something was added
        ([9, 10], [{"points": [[2.5, 0.5]]}], False, lower),  # the reader points at the deleted one
        (before, [], False, lower),
    )
    for mask, prompts, kept, expected in cases:
        rows = [[int(i in row) for i in range(14)] for row in (lower, mask, before)]
        was_kept, row = squares_page.evaluate(keep, [*rows, prompts])
        assert (was_kept, np.flatnonzero(row).tolist()) == (kept, expected)
