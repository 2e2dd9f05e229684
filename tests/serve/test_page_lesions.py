"""Single lesions on the page, in a real browser: delete one, add one."""

import numpy as np
import pytest
from tests.serve.conftest import CHROMIUM, png_of, reading, running
from tests.serve.page_steps import open_files, saved_mask
from tests.serve.test_browser import in_image

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
    page.locator("#toast button.link").click()
    expect(lesions).to_have_count(1)
    assert (saved_mask(page) == whole).all()


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
