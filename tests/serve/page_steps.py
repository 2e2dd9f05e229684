"""Steps that the tests of the page share: open files, drag, press keys, save."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from tests.serve.test_browser import canvas_colours, outline_pixels, wait_until

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect

WIDTH, HEIGHT = 345, 477
"""Of phantom 3."""


def open_files(page, files, *names):
    """Open files, and wait until the first is on the canvas and all are in the list with their findings."""
    page.set_input_files("#files", [files / name for name in names])
    expect(page.locator("#caption")).to_contain_text(names[0])
    expect(page.locator("#cases li.tumour, #cases li.failed")).to_have_count(len(names))
    page.locator("#canvas").focus()


def wait_for_outline(page):
    """Wait until the image is painted with an outline; its name and findings are there before."""
    assert wait_until(page, lambda: outline_pixels(page) > 200)


def wait_until_kept(page):
    """Wait until the browser has stored the strokes that the page shows; until then the page asks not to be left."""
    page.wait_for_function("import('./drafts.js').then(({ isWriting }) => !isWriting())")


def reload(page):
    """Load the page again, once the strokes are kept."""
    wait_until_kept(page)
    page.reload()


def wait_for_frame(page, number):
    """Wait until a frame of a cine is on the canvas; its number is written while it is still being loaded."""
    page.wait_for_function(
        "number => import('./state.js').then(({ state }) => state.frame?.number === number)", arg=number
    )


def drag(page, *points):
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=8)
    page.mouse.up()


def press(page, key, code="", **options):
    """Press a key of a keyboard that the driver does not have."""
    event = {"key": key, "code": code, "bubbles": True, "cancelable": True, **options}
    page.evaluate("event => document.body.dispatchEvent(new KeyboardEvent('keydown', event))", event)


def is_save(response):
    return response.request.method == "PUT" and "/mask" in response.url


def is_note(response):
    return response.request.method == "PUT" and response.url.endswith("/notes")


def saved_mask(page):
    """Save the outline and give its mask, (height, width) bool, as the server holds it."""
    with page.expect_response(is_save):  # the page may say "Saved by you" of the time before
        page.keyboard.press("s")
    expect(page.locator("#finding-more")).to_have_text("Saved by you")
    key = page.locator("#cases li:has([aria-current=true])").get_attribute("data-key")
    picture = page.request.get(page.url.rstrip("/") + f"/v1/cases/{key}/frames/1/mask.png")
    return np.asarray(Image.open(BytesIO(picture.body()))) > 127


def image_box(page):
    """(width, height) of what is drawn on the canvas, in CSS pixels, without the outline's help; (0, 0) for nothing."""
    bright = canvas_colours(page)[6:-6, 6:-6].min(axis=2) > 40  # without the mark of the focus
    y, x = (length // 2 for length in bright.shape)
    rows = np.flatnonzero(bright[:, x - 60 : x + 60].any(axis=1))
    columns = np.flatnonzero(bright[y - 60 : y + 60].any(axis=0))
    return (np.ptp(columns), np.ptp(rows)) if len(columns) and len(rows) else (0, 0)
