"""Opening images, the list of them, and messages, in a real browser."""

import json
import zipfile
from io import BytesIO
from itertools import pairwise

import pytest
from tests.serve.conftest import CHROMIUM, new_context
from tests.serve.page_steps import open_files, press
from tests.serve.test_browser import outline_pixels, wait_until

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


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


def test_a_note_goes_by_itself_and_an_error_not(browser, address, files):
    context = browser.new_context()  # in which notes go
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(address)
    page.set_input_files("#files", [files / "3.png", files / "broken-00.jpg"])
    expect(page.locator("#lesions li")).to_have_count(1)
    expect(page.locator("#toast .bad")).to_have_count(1)
    page.locator("#canvas").focus()
    page.keyboard.press("d")
    expect(page.locator("#finding")).to_have_text("No tumour found")
    expect(page.locator("#toast .toast")).to_have_count(1)  # that of the deletion, which other tests see, is gone
    expect(page.locator("#toast .toast")).to_contain_text("broken-00.jpg")
    context.close()


def test_errors_stay_until_they_are_closed_and_the_same_one_is_shown_once(page, files):
    page.set_input_files("#files", [files / f"broken-{i:02}.jpg" for i in (0, 1, 2)])
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
    context = new_context(browser)
    page = context.new_page()
    for visible in (True, False):
        page.goto(address)
        expect(page.locator("html")).to_have_attribute("data-ready", "yes")
        if visible:
            page.set_input_files("#files", files / "3.png")
        expect(page.locator("#finding")).to_have_text("One lesion")
        expect(page.locator("#loop")).to_be_visible(visible=visible)
        if visible:
            page.click("#loop-close")
    context.close()


def test_the_page_of_the_interface_lists_every_request_and_loads_nothing_from_elsewhere(browser, address):
    page, requests = new_context(browser).new_page(), []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address + "/api.html")
    expect(page.locator("html")).to_have_attribute("data-ready", "yes")
    paths = json.loads(page.request.get(address + "/openapi.json").body())["paths"]
    expected = {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}
    assert {heading.inner_text() for heading in page.locator("#requests h3").all()} == expected
    assert all(url.startswith(address) for url in requests)
    page.context.close()


def test_all_images_are_downloaded_in_the_formats_that_are_chosen(page, files):
    open_files(page, files, "3.png", "7.png")
    page.click("#download-all")
    for name in ("overlay", "json"):
        page.uncheck(f"#all-dialog [value={name}]")
    page.check("#all-dialog [value=coco]")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    archive = zipfile.ZipFile(BytesIO(download.value.path().read_bytes()))
    names = {f"salus/{name}" for name in ("masks/3.png", "masks/7.png", "lesions.csv", "coco.json")}
    assert set(archive.namelist()) == names
    expect(page.locator("#all-dialog")).to_have_count(0)
    page.click("#download-all")  # the choice is kept
    expect(page.locator("#all-dialog [value=coco]")).to_be_checked()
    page.get_by_label("3.png alone").check()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "3.zip"
