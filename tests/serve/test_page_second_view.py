"""Two images side by side, in a real browser."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from tests.serve.conftest import CHROMIUM, png_of
from tests.serve.page_steps import open_files
from tests.serve.test_browser import canvas_colours, wait_until

from salus import make_phantom

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def second_colours(page):
    picture = page.locator("#second-canvas").screenshot()
    return np.asarray(Image.open(BytesIO(picture)).convert("RGB")).astype(int)


def amber(colours):
    r, g, b = np.moveaxis(colours, -1, 0)
    return int(((r > 200) & (g > 160) & (b < 110)).sum())


@pytest.mark.slow
def test_two_views_of_one_patient_are_side_by_side_and_change_places(page, tmp_path):
    names = ["bus_07-l.png", "bus_08-l.png", "bus_07-r.png"]
    for name, seed in zip(names, (3, 7, 16), strict=True):
        (tmp_path / name).write_bytes(png_of(make_phantom(seed).image))
    page.keyboard.press("z")
    expect(page.locator("#second")).to_be_hidden()  # no image is open
    open_files(page, tmp_path, *names)
    page.evaluate("import('./api.js').then((api) => api.changeSession({ patient_pattern: 'bus_{patient}-*' }))")
    wide = page.locator("#canvas").bounding_box()["width"]
    page.keyboard.press("z")
    expect(page.locator("#second-case")).to_have_value(
        page.evaluate(
            "import('./state.js').then(({ state }) => state.cases.find(({ label }) => label === 'bus_07-r.png').id)"
        )
    )
    assert page.locator("#second-case optgroup").evaluate_all("groups => groups.map((group) => group.label)") == [
        "Same patient",
        "Other images",
    ]
    assert page.locator("#canvas").bounding_box()["width"] < 0.6 * wide
    expect(page.locator("#second-caption")).to_contain_text("lesion")
    assert wait_until(page, lambda: amber(second_colours(page)) > 100)

    # it is only looked at: a brush does nothing in it, and its wheel zooms nothing else
    page.keyboard.press("b")
    zoom, before = page.locator("#zoom").inner_text(), second_colours(page)
    box = page.locator("#second-canvas").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 90, steps=3)
    page.mouse.up()
    page.mouse.wheel(0, -200)
    assert wait_until(page, lambda: (second_colours(page) != before).any())
    expect(page.locator("#zoom")).to_have_text(zoom)
    expect(page.locator("#cases li.unsaved")).to_have_count(0)

    page.click("#second-swap")
    expect(page.locator("#caption")).to_contain_text("bus_07-r.png")
    expect(page.locator("#second-case option:checked")).to_have_text("bus_07-l.png")
    page.locator("#canvas").focus()
    page.keyboard.press("d")
    expect(page.locator("#finding")).to_have_text("No tumour found")
    page.click("#second-swap")
    expect(page.locator("#second-case option:checked")).to_have_text("bus_07-r.png")
    expect(page.locator("#second-caption")).to_contain_text("No tumour found")
    assert wait_until(page, lambda: amber(second_colours(page)) == 0)
    assert wait_until(page, lambda: amber(canvas_colours(page)) > 100)
    page.click("#second-close")
    expect(page.locator("#second")).to_be_hidden()
    assert page.locator("#canvas").bounding_box()["width"] == wide
