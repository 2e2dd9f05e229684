"""Calipers and calibration on the page, in a real browser."""

import json

import numpy as np
import pytest
from tests.read.wrap import region, wrap_dicom
from tests.serve.conftest import CHROMIUM, png_of
from tests.serve.page_steps import WIDTH, drag, open_files, reload, wait_for_outline
from tests.serve.test_browser import canvas_colours, in_image, wait_until
from tests.serve.test_ruler_ticks import WIDTH as WIDE
from tests.serve.test_ruler_ticks import draw_ruler, margins

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.mark.slow
def test_the_two_calipers_of_a_lesion_have_the_lengths_that_are_measured(page, files, segmenter):
    for name in ("3.png", "flat.dcm"):
        open_files(page, files, name) if name == "3.png" else page.set_input_files("#files", files / name)
    page.locator("#cases li button", has_text="flat.dcm").click()
    expect(page.locator("#caption")).to_contain_text("flat.dcm")
    result = segmenter(files / "flat.dcm")
    (lesion,) = result.lesions
    mask, found = result.mask.ravel().astype(int).tolist(), {"box": lesion.box, "area_px": lesion.area_px}
    lines = page.evaluate(
        """async ([mask, width, lesion, step]) => {
            const { lesionCalipers } = await import('./lesion_calipers.js');
            return lesionCalipers({ mask: Uint8Array.from(mask), width }, lesion, step);
        }""",
        [mask, WIDTH // 2, found, [0.1, 0.2]],
    )
    longest, across = np.reshape(lines, (2, 2, 2))
    (a, b), (c, d) = np.diff(longest, axis=0)[0] * [0.2, 0.1], np.diff(across, axis=0)[0] * [0.2, 0.1]
    assert np.hypot(a, b) == pytest.approx(lesion.longest, rel=1e-6)
    assert np.hypot(c, d) == pytest.approx(lesion.across, rel=1e-6)
    assert a * c + b * d == pytest.approx(0, abs=1e-9)
    wait_for_outline(page)
    before = canvas_colours(page)
    page.locator("#canvas").focus()
    page.keyboard.press("l")
    assert wait_until(page, lambda: (canvas_colours(page) != before).any())


@pytest.mark.parametrize(("kind", "is_offered"), [("half", True), ("flat", False)])
def test_calibration_is_offered_where_the_server_takes_it(page, phantom, tmp_path, kind, is_offered):
    """`half`: of two regions one has no scale. `flat`: without a scale, and the pixels are not square."""
    height, width = phantom.image.shape
    if kind == "half":
        regions = [region(0, 0, height, width), region(0, width, height, width, units=0)]
        wrap_dicom(tmp_path / "a.dcm", np.hstack([phantom.image] * 2), regions=regions)
    else:
        wrap_dicom(tmp_path / "a.dcm", phantom.image, PixelAspectRatio=["2", "1"])
    open_files(page, tmp_path, "a.dcm")
    columns = 2 * width if kind == "half" else width
    page.keyboard.press("m")
    drag(page, in_image(page, 50, 100, columns, height), in_image(page, 50, 200, columns, height))
    expect(page.locator("#calipers li")).to_have_count(1)
    expect(page.locator("#calibrate")).to_be_visible(visible=is_offered)


def test_a_caliper_over_a_known_length_gives_a_png_millimetres(page, files, segmenter):
    open_files(page, files, "3.png")
    page.keyboard.press("m")
    drag(page, in_image(page, 50, 100), in_image(page, 50, 200))
    expect(page.locator("#calipers .figures")).to_have_text(["100 px"])
    drag(page, in_image(page, 50, 200), in_image(page, 170, 190))  # its end is moved
    expect(page.locator("#calipers .figures")).to_have_text(["150 px"])  # 120 across, 90 down
    page.mouse.click(*in_image(page, 250, 400))  # a click sets none
    expect(page.locator("#calipers li")).to_have_count(1)
    page.fill("#known-length", "30")
    page.click("#calibrate button")
    (lesion,) = segmenter(files / "3.png").lesions
    size = page.locator("#lesions .size")
    expect(size).to_contain_text("mm")
    shown = [float(part) for part in size.inner_text().removesuffix(" mm").split(" × ")]
    assert shown == pytest.approx([0.2 * lesion.longest, 0.2 * lesion.across], rel=0.02)
    expect(page.locator("#caption")).to_contain_text("calibrated by hand")
    page.evaluate("fetch('v1/session', { method: 'DELETE' })")  # a server that forgot it gets it again
    reload(page)
    expect(page.locator("#calipers .figures")).to_have_text(["30.0 mm"])
    page.fill("#reader", "Ann Lee")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("Ann Lee")
    with page.expect_download() as download:
        page.click("[data-get=json]")
    (image,) = json.loads(download.value.path().read_text())["images"]
    assert image["lesions"][0]["longest"] == pytest.approx(0.2 * lesion.longest, rel=0.02)
    assert image["lesions"][0]["unit"] == "mm"
    assert image["calibrated_by_hand"]["reader"] == "Ann Lee"
    assert image["calibrated_by_hand"]["length_mm"] == 30
    page.click("#uncalibrate")
    expect(size).to_contain_text("px")
    page.get_by_role("button", name="Remove caliper A").click()
    expect(page.locator("#measure")).to_be_hidden()


def test_the_ticks_of_a_burned_in_ruler_are_proposed_and_the_reader_says_how_far_apart_they_are(page, files, tmp_path):
    image = draw_ruler(margins(), 30, 40, 11, WIDE - 20)
    (tmp_path / "ruler.png").write_bytes(png_of(image))
    page.set_input_files("#files", [tmp_path / "ruler.png", files / "3.png"])
    expect(page.locator("#caption")).to_contain_text("ruler.png")
    page.locator("#canvas").focus()
    page.keyboard.press("m")
    expect(page.locator("#ruler")).to_contain_text("11 evenly spaced marks at the right edge")
    expect(page.locator("#caption")).to_contain_text("not calibrated")
    page.click("#take-ruler")
    expect(page.locator("#calipers .figures")).to_have_text(["400 px"])
    expect(page.locator("#calibrate")).to_contain_text("The marks are")
    page.fill("#known-length", "5")
    page.keyboard.press("Enter")
    expect(page.locator("#calipers .figures")).to_have_text(["50.0 mm"])
    expect(page.locator("#caption")).to_contain_text("0.13 mm a pixel, calibrated by hand")
    expect(page.locator("#ruler")).to_be_hidden()
    page.locator("#cases li button", has_text="3.png").click()
    expect(page.locator("#caption")).to_contain_text("3.png")
    page.wait_for_function(
        "import('./api.js').then(({ ruler }) => import('./state.js').then(({ state }) => ruler(state.current.key, 1)))"
        ".then((ruler) => ruler === null)"
    )
    expect(page.locator("#ruler")).to_be_hidden()
