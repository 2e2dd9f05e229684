"""What readers stumbled over on the page, and the tools of the viewer, in a real browser."""

import json
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_fill_holes, uniform_filter
from tests.read.wrap import region, wrap_dicom
from tests.serve.conftest import CHROMIUM, make_cine, png_of
from tests.serve.test_browser import canvas_colours, in_image, outline_pixels, wait_until

from salus import make_phantom

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

WIDTH, HEIGHT = 345, 477
"""Of phantom 3."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Images by name; `flat.dcm` has pixels twice as wide as high, `part.dcm` a region that is half of the image."""
    folder = tmp_path_factory.mktemp("files")
    for seed in (3, 7):
        (folder / f"{seed}.png").write_bytes(png_of(make_phantom(seed).image))
    for i in range(14):
        (folder / f"broken-{i:02}.jpg").write_bytes(b"\xff\xd8 no image")
    image = make_phantom(3).image
    flat = np.asarray(Image.fromarray(image).resize((WIDTH // 2, HEIGHT)))
    wrap_dicom(folder / "flat.dcm", flat, regions=[region(0, 0, HEIGHT, WIDTH // 2, (0.1, 0.2))])
    wide = np.zeros((HEIGHT, 2 * WIDTH), np.uint8)
    wide[:, :WIDTH] = image
    wrap_dicom(folder / "part.dcm", wide, regions=[region(0, 0, HEIGHT, WIDTH, (0.1, 0.1))])
    make_cine(folder / "cine.dcm", 3)
    return folder


@pytest.fixture
def page(browser, address):
    """The page, for a reader who has seen its first hint; no error may arise in its code."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    context.set_default_timeout(60_000)
    context.add_init_script("localStorage.setItem('salus-loop-seen', 'yes')")
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(address)
    expect(page.locator("html")).to_have_attribute("data-ready", "yes")
    yield page
    context.close()
    assert errors == []


def open_files(page, files, *names):
    """Open files, and wait until the first is on the canvas and all are in the list with their findings."""
    page.set_input_files("#files", [files / name for name in names])
    expect(page.locator("#caption")).to_contain_text(names[0])
    expect(page.locator("#cases li.tumour, #cases li.failed")).to_have_count(len(names))
    page.locator("#canvas").focus()


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


def saved_mask(page):
    """Save the outline and give its mask, (height, width) bool, as the server holds it."""
    page.keyboard.press("s")
    expect(page.locator("#finding-more")).to_have_text("Saved by you")
    key = page.locator("#cases li:has([aria-current=true])").get_attribute("data-key")
    picture = page.request.get(page.url.rstrip("/") + f"/v1/cases/{key}/frames/1/mask.png")
    return np.asarray(Image.open(BytesIO(picture.body()))) > 127


def image_box(page):
    """(width, height) of what is drawn on the canvas, in CSS pixels, without the outline's help."""
    bright = canvas_colours(page)[6:-6, 6:-6].min(axis=2) > 40  # without the mark of the focus
    y, x = (length // 2 for length in bright.shape)
    rows = np.flatnonzero(bright[:, x - 60 : x + 60].any(axis=1))
    columns = np.flatnonzero(bright[y - 60 : y + 60].any(axis=0))
    return columns[-1] - columns[0], rows[-1] - rows[0]


def test_an_image_that_is_clicked_while_it_waits_is_shown_when_it_is_there(page, files):
    held = []
    page.route("**/v1/cases", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    page.set_input_files("#files", [files / "3.png", files / "7.png"])
    expect(page.locator("#cases li")).to_have_count(2)
    page.locator("#cases li button").nth(1).click()
    expect(page.locator("#finding")).to_have_text("Looking…")
    assert wait_until(page, lambda: len(held) == 2)
    for route in held:
        route.continue_()
    expect(page.locator("#caption")).to_contain_text("7.png")
    assert wait_until(page, lambda: outline_pixels(page) > 200)


def test_while_the_next_image_is_loaded_nothing_can_be_drawn_or_saved_under_its_name(page, files):
    open_files(page, files, "3.png", "7.png")
    held = []
    page.route("**/frames/1/image.png", lambda route: held.append(route))
    page.keyboard.press("ArrowDown")
    expect(page.locator("#cases [aria-current=true]")).to_contain_text("7.png")
    assert wait_until(page, lambda: outline_pixels(page) == 0)
    expect(page.locator("#save")).to_be_disabled()
    expect(page.locator("#finding")).to_have_text("Looking…")
    assert wait_until(page, lambda: held)
    page.unroute("**/frames/1/image.png")  # what was held goes on
    expect(page.locator("#caption")).to_contain_text("7.png")


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


def test_what_is_drawn_outside_the_region_of_a_dicom_file_does_not_stay_on_the_screen(page, files):
    open_files(page, files, "part.dcm")
    at = lambda x, y: in_image(page, x, y, 2 * WIDTH, HEIGHT)  # noqa: E731
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
def test_errors_stay_until_they_are_closed_and_the_same_one_is_shown_once(page, files):
    page.set_input_files("#files", [files / f"broken-{i:02}.jpg" for i in (0, 1, 2)])
    expect(page.locator("#toast .toast")).to_have_count(3)
    page.wait_for_timeout(4000)
    expect(page.locator("#toast .toast")).to_have_count(3)
    for button in page.locator("#toast .toast .close").all():
        inner, outer = button.locator("svg").bounding_box(), button.bounding_box()
        assert outer["x"] <= inner["x"]
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]
    page.locator("#toast .toast .close").first.click()
    expect(page.locator("#toast .toast")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator("#toast .toast")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#toast .toast")).to_have_count(0)
    page.set_input_files("#files", [files / f"broken-{i:02}.jpg" for i in (0, 0, 1)])
    expect(page.locator("#toast .toast")).to_have_count(2)
    expect(page.locator("#toast")).to_contain_text("(2 times)")
    page.get_by_role("button", name="Close all").click()
    expect(page.locator("#toast")).to_be_hidden()


def test_the_cross_that_closes_an_image_lies_in_its_button_which_lies_in_its_row(page, files):
    open_files(page, files, "3.png")
    row = page.locator("#cases li").first
    row.hover()
    boxes = [place.bounding_box() for place in (row.locator(".close svg"), row.locator(".close"), row)]
    for inner, outer in pairwise(boxes):
        for start, length in (("x", "width"), ("y", "height")):
            assert outer[start] <= inner[start]
            assert inner[start] + inner[length] <= outer[start] + outer[length]


def test_the_list_scrolls_along_with_the_keys(page, files):
    names = ["3.png", *(f"broken-{i:02}.jpg" for i in range(14)), "7.png"]
    page.set_viewport_size({"width": 1440, "height": 700})
    open_files(page, files, *names)
    inside = """e => { const a = e.getBoundingClientRect(), b = e.closest('.side').getBoundingClientRect();
        return a.top >= b.top - 1 && a.bottom <= b.bottom + 1; }"""
    current = page.locator("#cases [aria-current=true]")
    page.keyboard.press("End")
    expect(current).to_contain_text("7.png")
    assert current.evaluate(inside)
    page.keyboard.press("ArrowUp")
    expect(current).to_contain_text("broken-13.jpg")
    expect(page.locator("#finding")).to_have_text("Cannot be read")
    page.keyboard.press("Home")
    expect(current).to_contain_text("3.png")
    assert current.evaluate(inside)


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


def test_keys_work_on_other_keyboards_and_not_while_a_name_is_typed(page, files):
    open_files(page, files, "3.png", "7.png")
    size = lambda: int(page.locator("#size").input_value())  # noqa: E731
    first = size()
    press(page, "]", "Digit9", ctrlKey=True, altKey=True, modifierAltGraph=True)  # Windows, German
    press(page, "]", "Digit6", altKey=True)  # Mac, German: the Option key
    second = size()
    assert second > first
    press(page, "[", "Digit8", modifierAltGraph=True)  # Linux, German
    assert first < size() < second
    press(page, "и", "KeyB")  # Russian: the key B
    expect(page.locator("button[data-tool=brush]")).to_have_attribute("aria-pressed", "true")
    press(page, "à", "Digit0")  # French: 0 without Shift
    press(page, "e", "KeyE", altKey=True)  # of the browser's menu
    expect(page.locator("button[data-tool=brush]")).to_have_attribute("aria-pressed", "true")
    page.fill("#filter-name", "")
    page.locator("#filter-name").press_sequentially("7.ep")
    expect(page.locator("button[data-tool=brush]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#cases li")).to_have_count(0)


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
    size, zoom = page.locator("#size").input_value(), page.locator("#zoom").inner_text()
    page.keyboard.down("Shift")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Shift")
    expect(page.locator("#size")).not_to_have_value(size)
    expect(page.locator("#zoom")).to_have_text(zoom)
    page.mouse.wheel(0, -100)
    expect(page.locator("#zoom")).not_to_have_text(zoom)


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
    page.keyboard.press("o")
    page.wait_for_timeout(200)
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
    before = canvas_colours(page)
    page.locator("#canvas").focus()
    page.keyboard.press("l")
    assert wait_until(page, lambda: (canvas_colours(page) != before).any())


def test_a_caliper_over_a_known_length_gives_a_png_millimetres(page, files, segmenter):
    open_files(page, files, "3.png")
    page.keyboard.press("m")
    drag(page, in_image(page, 50, 100), in_image(page, 50, 200))
    expect(page.locator("#calipers .figures")).to_have_text(["100 px"])
    drag(page, in_image(page, 50, 200), in_image(page, 130, 160))  # its end is moved
    expect(page.locator("#calipers .figures")).to_have_text(["100 px"])  # 80 across, 60 down
    page.mouse.click(*in_image(page, 250, 400))  # a click sets none
    expect(page.locator("#calipers li")).to_have_count(1)
    page.fill("#known-length", "20")
    page.click("#calibrate button")
    (lesion,) = segmenter(files / "3.png").lesions
    size = page.locator("#lesions .size")
    expect(size).to_contain_text("mm")
    shown = [float(part) for part in size.inner_text().removesuffix(" mm").split(" × ")]
    assert shown == pytest.approx([0.2 * lesion.longest, 0.2 * lesion.across], rel=0.02)
    expect(page.locator("#caption")).to_contain_text("by your calibration")
    page.reload()
    expect(page.locator("#calipers .figures")).to_have_text(["20.0 mm"])
    page.click("#uncalibrate")
    expect(size).to_contain_text("px")
    page.get_by_role("button", name="Remove caliper A").click()
    expect(page.locator("#measure")).to_be_hidden()


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


def test_what_is_printed_is_the_image_with_its_findings(page, files):
    open_files(page, files, "3.png")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    expect(page.locator("#paper")).to_be_visible()
    for place in ("#finding", "#lesions", ".notice", "#printed", "#caption"):
        expect(page.locator(place)).to_be_visible()
    for place in (".tools", ".side", "#display", "#download", ".actions"):
        expect(page.locator(place)).to_be_hidden()
    paper = np.asarray(Image.open(BytesIO(page.locator("#paper").screenshot())).convert("RGB")).astype(int)
    assert ((paper[..., 0] > 200) & (paper[..., 2] < 110)).sum() > 200  # the outline
    assert page.pdf().startswith(b"%PDF")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#paper").count() == 0


def test_the_list_is_filtered_and_sorted(page, files, segmenter):
    open_files(page, files, "7.png", "3.png", "broken-00.jpg")
    names = page.locator("#cases b")
    page.select_option("#sort", "name")
    expect(names).to_have_text(["3.png", "7.png", "broken-00.jpg"])
    page.select_option("#sort", "confidence")
    order = sorted(("7.png", "3.png"), key=lambda name: segmenter(files / name).confidence)
    expect(names).to_have_text([*order, "broken-00.jpg"])
    page.select_option("#filter-state", "failed")
    expect(names).to_have_text(["broken-00.jpg"])
    page.select_option("#filter-state", "all")
    page.fill("#filter-name", "3.P")
    expect(names).to_have_text(["3.png"])


def test_the_way_of_working_is_shown_once(browser, address, files):
    context = browser.new_context()
    page = context.new_page()
    for visible in (True, False):
        page.goto(address)
        expect(page.locator("html")).to_have_attribute("data-ready", "yes")
        if visible:
            page.set_input_files("#files", files / "3.png")
        expect(page.locator("#finding")).to_have_text("One lesion", timeout=60_000)
        expect(page.locator("#loop")).to_be_visible(visible=visible)
        if visible:
            page.click("#loop-close")
    context.close()


def test_the_page_of_the_interface_lists_every_request_and_loads_nothing_from_elsewhere(browser, address):
    page, requests = browser.new_page(), []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address + "/api.html")
    expect(page.locator("html")).to_have_attribute("data-ready", "yes")
    paths = json.loads(page.request.get(address + "/openapi.json").body())["paths"]
    expected = {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}
    assert {heading.inner_text() for heading in page.locator("#requests h3").all()} == expected
    assert all(url.startswith(address) for url in requests)
    page.close()
