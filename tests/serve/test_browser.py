"""The page in a real browser: upload, threshold, correct, undo, save, export; nothing leaves the computer.

SALUS_SCREENSHOTS=docs/images makes the pictures of the documentation in the same run.
"""

import os
import zipfile
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from tests.serve.conftest import CHROMIUM, new_context, png_of, running

from salus import make_phantom, read_data_set

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
expect.set_options(timeout=60_000)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

TIMEOUT_MS = 60_000
"""Milliseconds to wait for what the network makes; the machine may be busy."""


@pytest.fixture
def open_page(browser):
    """Opens the page; at its end no request may have gone to another host, and no error may have been logged."""

    @contextmanager
    def open_(address, **options):
        hosts, errors = set(), []
        context = new_context(browser, hint=False, **options)
        page = context.new_page()
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.on(
            "console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            page.goto(address)
            expect(page.locator("html")).to_have_attribute("data-ready", "yes")
            yield page
        finally:
            context.close()
        assert hosts <= {urlsplit(address).netloc, ""}  # "" is that of blob: addresses
        assert errors == []

    return open_


def drop(page, *paths):
    """Drag files from the desktop onto the page and let them go."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 600, "y": 450, "data": data})


def canvas_colours(page):
    """The canvas as an array of colours."""
    return np.asarray(Image.open(BytesIO(page.locator("#canvas").screenshot())).convert("RGB")).astype(int)


def outline_pixels(page):
    """Count the pixels of the outline's colour."""
    r, g, b = np.moveaxis(canvas_colours(page), -1, 0)
    return int(((r > 200) & (g > 160) & (b < 110)).sum())


def wait_until(page, condition):
    """Whether a condition holds within the time that a busy machine may need to draw."""
    for _ in range(TIMEOUT_MS // 100):
        if condition():
            return True
        page.wait_for_timeout(100)
    return False


def screenshot(page, name):
    """Make a picture for the documentation where SALUS_SCREENSHOTS is set."""
    if os.environ.get("SALUS_SCREENSHOTS"):
        page.mouse.move(2, 2)
        page.wait_for_timeout(400)
        place = Path(os.environ["SALUS_SCREENSHOTS"]) / f"serve-{name}.jpg"
        Image.open(BytesIO(page.screenshot())).convert("RGB").save(place, quality=82, optimize=True)


@pytest.fixture
def phantoms(tmp_path):
    paths = []
    for seed in (3, 7, 16, 21):
        paths.append(tmp_path / f"phantom-{seed:02}.png")
        paths[-1].write_bytes(png_of(make_phantom(seed).image))
    return paths


def in_image(page, x, y, width=345, height=477):
    """Where a pixel of the image (of phantom 3) lies on the screen, while it fits the window."""
    box = page.locator("#canvas").bounding_box()
    scale = min((box["width"] - 24) / width, (box["height"] - 24) / height)
    left, top = (box["width"] - width * scale) / 2, (box["height"] - height * scale) / 2
    return box["x"] + left + x * scale, box["y"] + top + y * scale


def test_images_are_dropped_thresholded_corrected_undone_saved_and_exported(open_page, segmenter, phantoms, tmp_path):
    with running(segmenter) as address, open_page(address, color_scheme="dark") as page:
        screenshot(page, "empty")
        drop(page, *phantoms)
        expect(page.locator("#cases li.tumour")).to_have_count(4)
        expect(page.locator("#finding")).to_have_text("One lesion")
        (lesion,) = segmenter(phantoms[0]).lesions
        text = f"One lesion; lesion 1, {lesion.longest:.3g} by {lesion.across:.3g} pixels"
        expect(page.locator("#live")).to_contain_text(text)
        assert wait_until(page, lambda: outline_pixels(page) > 500)
        screenshot(page, "desktop")

        # the slider redraws before the server answers, which measures when it is let go
        before, size = canvas_colours(page), page.locator("#lesions .size").inner_text()
        page.route("**/at?threshold=*", lambda route: route.abort())
        page.locator("#threshold").evaluate("e => { e.value = 5; e.dispatchEvent(new Event('input')); }")
        assert wait_until(page, lambda: (canvas_colours(page) != before).any())
        expect(page.locator("#lesions .size")).to_have_text(size)
        page.unroute("**/at?threshold=*")
        page.locator("#threshold").evaluate("e => e.dispatchEvent(new Event('change'))")
        expect(page.locator("#lesions .size").first).not_to_have_text(size)
        expect(page.locator("#threshold-value")).to_have_text("0.05")
        page.keyboard.press("Control+z")
        expect(page.locator("#lesions .size")).to_have_count(1)
        expect(page.locator("#lesions .size")).to_have_text(size)
        expect(page.locator("#threshold-value")).to_have_text(f"{segmenter(phantoms[0]).threshold:.2f}")

        # a stroke of the brush far from the lesion is a second one; undo, redo, and the eraser's too
        page.keyboard.press("b")
        page.mouse.move(*in_image(page, 60, 380))
        page.mouse.down()
        page.mouse.move(*in_image(page, 110, 390), steps=6)
        page.mouse.up()
        expect(page.locator("#lesions li")).to_have_count(2)
        expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
        expect(page.locator("#confidence span")).to_have_text("Network agrees")
        expect(page.locator("#cases li.unsaved")).to_have_count(1)
        screenshot(page, "correct")
        page.click("#undo")
        expect(page.locator("#lesions li")).to_have_count(1)
        page.keyboard.press("Control+Shift+z")
        expect(page.locator("#lesions li")).to_have_count(2)
        page.keyboard.press("p")  # a polygon, closed by Enter
        for x, y in ((200, 400), (260, 400), (260, 440), (200, 440)):
            page.mouse.click(*in_image(page, x, y))
        page.keyboard.press("Enter")
        expect(page.locator("#lesions li")).to_have_count(3)
        page.keyboard.press("e")
        page.keyboard.press("]")
        page.mouse.move(*in_image(page, 55, 380))
        page.mouse.down()
        page.mouse.move(*in_image(page, 118, 392), steps=12)
        page.mouse.up()
        expect(page.locator("#lesions li")).to_have_count(2)
        page.keyboard.press("s")
        expect(page.locator("#cases li.saved")).to_have_count(1)
        expect(page.locator("#cases li.unsaved")).to_have_count(0)
        expect(page.locator("#finding-more")).to_have_text("Saved by you")

        with page.expect_download() as download:
            page.click("#export")
        zipfile.ZipFile(download.value.path()).extractall(tmp_path / "out")
        data = read_data_set(tmp_path / "out" / "salus-corrected")
        assert len(data.labelled) == 1
        image = data.cases[0].read_image().pixels
        mask = data.cases[0].read_mask(image.shape)
        assert np.array_equal(np.rint(255 * image), make_phantom(3).image)
        assert mask[402:438, 203:258].all()
        assert not mask[375:395, 62:108].any()
        network_mask = segmenter(make_phantom(3).image).mask
        assert (mask & ~network_mask)[:390].sum() == 0
        assert (network_mask & ~mask).sum() == 0

        for kind, start in (("mask", b"\x89PNG"), ("overlay", b"\xff\xd8"), ("json", b"{")):
            with page.expect_download() as download:
                page.click(f"[data-get={kind}]")
            assert download.value.suggested_filename.startswith("phantom-03")
            assert Path(download.value.path()).read_bytes().startswith(start)

        page.click("#reset")
        expect(page.locator("#lesions li")).to_have_count(1)
        expect(page.locator("#export")).to_be_disabled()

        page.reload()  # the session holds the images, the browser their names
        expect(page.locator("#cases li.tumour b").first).to_have_text("phantom-03.png")
        page.on("dialog", lambda dialog: dialog.accept())
        page.click("#end")
        expect(page.locator(".lead")).to_be_visible()
        assert page.evaluate("fetch('/v1/cases').then((response) => response.json())") == []
        page.wait_for_load_state("networkidle")


def test_a_cine_is_played_and_measured_in_millimetres(open_page, segmenter, cine):
    with running(segmenter) as address, open_page(address, color_scheme="dark") as page:
        drop(page, cine)
        expect(page.locator("#frame-value")).to_have_text("1 of 24")
        expect(page.locator("#chart polyline")).not_to_have_count(0)
        expect(page.locator("#lesions .size").first).to_contain_text("mm")
        first = page.locator("#lesions .size").first.inner_text()
        page.locator("#view").click(position={"x": 5, "y": 5})
        for _ in range(6):
            page.keyboard.press("ArrowRight")
        expect(page.locator("#frame-value")).to_have_text("7 of 24")
        expect(page.locator("#lesions .size").first).not_to_have_text(first)
        assert "24 frames" in page.locator("#chart title").text_content()
        screenshot(page, "cine")
        box = page.locator("#chart").bounding_box()
        page.mouse.click(box["x"] + box["width"] - 1, box["y"] + 30)
        expect(page.locator("#frame-value")).to_have_text("24 of 24")
        page.keyboard.press("Space")
        expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
        expect(page.locator("#frame-value")).not_to_have_text("24 of 24")
        page.keyboard.press("Space")
        expect(page.locator("#play")).to_have_attribute("aria-label", "Play")


def test_themes_small_screens_keyboard_and_names_for_screen_readers(open_page, segmenter, phantoms):
    with running(segmenter) as address, open_page(address, color_scheme="light") as page:
        drop(page, *phantoms)
        expect(page.locator("#cases li.tumour")).to_have_count(4)
        page.locator("#probability").fill("60")
        expect(page.locator("#legend")).to_have_text("probability01")
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.set_viewport_size({"width": 820, "height": 1180})
        assert page.evaluate("document.documentElement.scrollWidth") <= 820
        screenshot(page, "tablet")
        page.set_viewport_size({"width": 1440, "height": 900})
        screenshot(page, "light")
        page.keyboard.press("t")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Help")).to_be_visible()
        page.keyboard.press("Escape")
        page.locator("#canvas").focus()
        page.keyboard.press("ArrowDown")
        expect(page.locator("#cases li").nth(1).locator("button").first).to_have_attribute("aria-current", "true")
        expect(page.get_by_role("img", name="phantom-07.png: One lesion")).to_be_visible()
        for role in ("button", "slider", "checkbox"):
            for control in page.get_by_role(role).all():
                assert page.evaluate(
                    "e => e.textContent.trim() || e.ariaLabel || e.labels?.length", control.element_handle()
                )


def test_a_file_name_that_is_code_is_shown_as_text(open_page, segmenter, phantoms):
    name = "<img src=x onerror=document.title='run'>\"'.png"
    phantoms[0].rename(phantoms[0].with_name(name))
    with running(segmenter, folder=phantoms[0].parent) as address, open_page(address) as page:
        expect(page.locator("#work-items b").first).to_have_text(name)
        drop(page, phantoms[0].with_name(name))
        expect(page.locator("#cases b")).to_have_text(name)
        expect(page.locator("#caption")).to_contain_text("onerror")
        page.click("#save")
        expect(page.locator("#toast")).to_be_visible()
        assert page.title() == "Salus"
        assert page.locator("img").count() == 0


def test_a_worklist_is_reviewed_one_after_another(open_page, segmenter, phantoms):
    folder = phantoms[0].parent
    with running(segmenter, folder=folder) as address, open_page(address, color_scheme="dark") as page:
        expect(page.locator("#work-count")).to_have_text("0 of 4 done")
        expect(page.locator("#finding")).to_have_text("One lesion")
        page.click("#save")
        expect(page.locator("#work-count")).to_have_text("1 of 4 done")
        expect(page.locator("#caption")).to_contain_text("phantom-07.png")
        expect(page.locator("#finding")).to_have_text("One lesion")
        screenshot(page, "worklist")
        page.keyboard.press("n")
        expect(page.locator("#caption")).to_contain_text("phantom-16.png")
        page.click("[data-show=done]")
        expect(page.locator("#work-items b")).to_have_text(["phantom-03.png"])
    data = read_data_set(folder / "reviewed")
    assert [case.name for case in data.cases] == ["phantom-03"]


def test_a_typed_token_opens_the_page(segmenter, browser):
    with running(segmenter, token="a token of some length") as address:
        context = new_context(browser)
        page = context.new_page()
        page.goto(address)
        assert page.url.endswith("/enter")
        page.fill("input[name=token]", "a token of some length")
        page.click("text=Open")
        expect(page.locator("html")).to_have_attribute("data-ready", "yes")
        expect(page.locator(".lead")).to_be_visible()
        context.close()
