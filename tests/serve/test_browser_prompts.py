"""Pointing at a lesion in a real browser: click, box, keys, undo, reload, save; and what is joined with what."""

import json
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("onnx")

from tests.prompts.networks import write_prompt_network
from tests.segmentation.test_segmenter import write_network
from tests.serve.conftest import CHROMIUM, new_context, png_of, running
from tests.serve.page_steps import reload
from tests.serve.test_browser import canvas_colours, in_image, wait_until

from salus import Segmenter

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

SIZE = 320
A, B = (70, 130), (230, 130)
"""Centres of the two dark squares, 60 pixels wide, of `scans`."""


@pytest.fixture(scope="module")
def pointed_address(tmp_path_factory):
    path = write_prompt_network(tmp_path_factory.mktemp("network") / "pointed.onnx")
    with running(Segmenter(path)) as address:
        yield address


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    image = np.full((SIZE, SIZE), 255, np.uint8)
    for x, y in (A, B):
        image[y - 30 : y + 30, x - 30 : x + 30] = 0
    path = tmp_path_factory.mktemp("scans") / "squares.png"
    path.write_bytes(png_of(image))
    return path


@pytest.fixture
def open_page(browser):
    @contextmanager
    def open_(address, *paths):
        context, errors = new_context(browser, hint=False), []
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        expect(page.locator("html")).to_have_attribute("data-ready", "yes")
        page.set_input_files("#files", paths)
        expect(page.locator("#caption")).to_contain_text(paths[0].name)
        expect(page.locator("#cases li.tumour, #cases li.none")).to_have_count(len(paths))
        yield page
        context.close()
        assert errors == []

    return open_


def place(page, x, y):
    return in_image(page, x, y, SIZE, SIZE)


def click(page, x, y, **options):
    page.mouse.click(*place(page, x, y), **options)


def drag(page, start, end):
    page.mouse.move(*place(page, *start))
    page.mouse.down()
    page.mouse.move(*place(page, *end), steps=4)
    page.mouse.up()


def mask_at(page, *places):
    """The outline on the page at places of the image."""
    return page.evaluate(
        """places => import('./state.js').then(({ state: { frame } }) =>
        places.map(([x, y]) => frame.mask[y * frame.width + x]))""",
        places,
    )


def prompts(page):
    return page.evaluate("import('./state.js').then(({ state }) => state.frame.prompted?.prompts ?? [])")


@pytest.mark.slow
def test_clicks_and_a_box_outline_at_once_are_undone_survive_a_reload_and_are_saved(open_page, pointed_address, scan):
    with open_page(pointed_address, scan) as page:
        lesions, unsaved = page.locator("#lesions li"), page.locator("#cases li.unsaved")
        expect(page.locator("#finding")).to_have_text("No tumour found")
        page.keyboard.press("a")
        click(page, *A)
        expect(lesions).to_have_count(1)
        expect(unsaved).to_have_count(1)
        assert mask_at(page, A, B, (40, 30)) == [1, 0, 0]
        drag(page, (B[0] - 36, B[1] - 36), (B[0] + 36, B[1] + 36))
        expect(lesions).to_have_count(2)
        assert mask_at(page, A, B, (B[0] - 27, B[1] - 27), (B[0] - 33, B[1])) == [1, 1, 1, 0]
        page.keyboard.down("Alt")
        click(page, *A)
        page.keyboard.up("Alt")
        expect(lesions).to_have_count(1)
        assert prompts(page) == [
            {"points": [[pytest.approx(A[0], abs=1), pytest.approx(A[1], abs=1)]]},
            {"box": [pytest.approx(side, abs=1) for side in (194, 94, 266, 166)]},
            {"not_points": [[pytest.approx(A[0], abs=1), pytest.approx(A[1], abs=1)]]},
        ]
        page.keyboard.press("Control+z")
        expect(lesions).to_have_count(2)
        assert len(prompts(page)) == 2
        reload(page)
        expect(lesions).to_have_count(2)
        expect(unsaved).to_have_count(1)
        expect(page.locator("#finding-more")).to_have_text("Outlined where you pointed, not saved")
        assert len(prompts(page)) == 2
        page.keyboard.press("a")
        click(page, *A, button="right")  # goes on from there
        expect(lesions).to_have_count(1)
        page.keyboard.press("s")
        expect(page.locator("#cases li.saved")).to_have_count(1)
        expect(unsaved).to_have_count(0)
        with page.expect_download() as download:
            page.click("[data-get=json]")
        [entry] = json.loads(download.value.path().read_text())["images"]
        assert [list(prompt) for prompt in entry["prompts"]] == [["points"], ["box"], ["not_points"]]
        reload(page)
        expect(page.locator("#cases li.saved")).to_have_count(1)
        expect(lesions).to_have_count(1)
        page.keyboard.press("a")
        click(page, *A)  # a saved outline goes on from its prompts
        expect(unsaved).to_have_count(1)
        assert len(prompts(page)) == 4
        page.click("#reset")
        expect(page.locator("#finding")).to_have_text("No tumour found")
        assert prompts(page) == []
        page.keyboard.press("Control+z")
        expect(lesions).to_have_count(1)
        assert len(prompts(page)) == 4


def test_a_session_that_the_server_forgot_gets_the_saved_prompts_again(open_page, pointed_address, scan):
    with open_page(pointed_address, scan) as page:
        page.keyboard.press("a")
        click(page, *A)
        expect(page.locator("#lesions li")).to_have_count(1)
        page.keyboard.press("s")
        expect(page.locator("#cases li.saved")).to_have_count(1)
        page.evaluate("fetch('v1/session', { method: 'DELETE' })")
        click(page, *B)
        expect(page.locator("#toast")).to_contain_text("sent again")
        expect(page.locator("#lesions li")).to_have_count(2)
        page.click("#cases li button")
        page.evaluate("import('./state.js').then(({ state }) => (window.key = state.current.key))")
        answer = page.evaluate("fetch(`v1/cases/${key}/frames/1`).then((answer) => answer.json())")
        assert [list(prompt) for prompt in answer["prompts"]] == [["points"]]


def test_quick_clicks_are_taken_in_order_and_a_save_waits_for_them(open_page, pointed_address, scan):
    with open_page(pointed_address, scan) as page:
        page.keyboard.press("a")
        for x, y in (A, B, (A[0] + 20, A[1] + 20), (B[0] - 20, B[1] - 20)):
            click(page, x, y)
        page.keyboard.press("s")
        expect(page.locator("#cases li.saved")).to_have_count(1)
        expect(page.locator("#cases li.unsaved")).to_have_count(0)
        assert len(prompts(page)) == 4
        assert mask_at(page, A, B, (A[0] + 20, A[1] + 20)) == [1, 1, 1]
        for left in (3, 2, 1, 0):
            page.keyboard.press("Control+z")
            assert wait_until(page, lambda left=left: len(prompts(page)) == left)
        expect(page.locator("#finding")).to_have_text("No tumour found")


def test_the_keyboard_alone_points_inside_and_outside(open_page, pointed_address, scan):
    with open_page(pointed_address, scan) as page:
        page.keyboard.press("a")
        expect(page.locator("button[data-tool=prompt]")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("Shift+ArrowUp")
        expect(page.locator("#live")).to_contain_text("outside the outline")
        for _ in range(100):  # to the left border, then back into square A
            page.keyboard.press("Shift+ArrowLeft")
        scale = place(page, 1, 0)[0] - place(page, 0, 0)[0]
        for _ in range(round(A[0] * scale / 8)):
            page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Enter")
        expect(page.locator("#lesions li")).to_have_count(1)
        page.keyboard.press("x")
        expect(page.locator("#point-outside")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("Enter")
        expect(page.locator("#finding")).to_have_text("No tumour found")
        assert [list(prompt) for prompt in prompts(page)] == [["points"], ["not_points"]]
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_contain_text("point at the lesion")


def test_what_is_pointed_at_is_drawn_with_the_tool_and_what_was_drawn_by_hand_stays(open_page, pointed_address, scan):
    def marks(page, colour):
        difference = np.abs(canvas_colours(page) - colour).sum(axis=-1)
        return int((difference < 40).sum())

    inside, outside = (0x7C, 0xF2, 0xA4), (0xFF, 0x7A, 0x70)
    with open_page(pointed_address, scan) as page:
        page.keyboard.press("b")
        drag(page, (60, 270), (100, 270))
        expect(page.locator("#lesions li")).to_have_count(1)
        page.keyboard.press("a")
        drag(page, (B[0] - 40, B[1] - 40), (B[0] + 40, B[1] + 40))
        expect(page.locator("#lesions li")).to_have_count(2)
        click(page, 150, 30, button="right")
        assert wait_until(page, lambda: marks(page, inside) > 200 and marks(page, outside) > 40)
        assert mask_at(page, (80, 270), B) == [1, 1]
        page.locator("#threshold").evaluate(
            "e => { e.value = 80; e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); }"
        )
        expect(page.locator("#threshold-value")).to_have_text("0.80")
        assert mask_at(page, (80, 270), B) == [1, 1]
        page.keyboard.down("Alt")  # a stroke that is pointed out goes
        click(page, 80, 270)
        page.keyboard.up("Alt")
        expect(page.locator("#lesions li")).to_have_count(1)
        page.keyboard.press("v")
        assert wait_until(page, lambda: marks(page, inside) == 0)


def test_a_click_outside_of_the_image_is_said_and_changes_nothing(open_page, pointed_address, scan):
    with open_page(pointed_address, scan) as page:
        page.keyboard.press("a")
        click(page, -20, 100)
        expect(page.locator("#toast")).to_contain_text("inside the ultrasound image")
        expect(page.locator("#cases li.unsaved")).to_have_count(0)
        assert prompts(page) == []


def test_a_network_without_prompts_offers_no_tool(open_page, scan, tmp_path):
    plain = Segmenter(write_network(tmp_path / "dark.onnx"))
    with running(plain) as address, open_page(address, scan) as page:
        expect(page.locator("button[data-tool=prompt]")).to_be_hidden()
        page.keyboard.press("a")
        expect(page.locator("#point-outside")).to_be_hidden()
        expect(page.locator("button[data-tool=pan]")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("?")
        assert "point at the lesion" not in page.locator("#keys").inner_text()


def test_parts_of_the_earlier_outline_stay_where_nothing_was_pointed_at(open_page, address, scan):
    """Rows of 12 pixels: three parts of the base, and what the network makes of prompts."""
    base = np.array([1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0])
    cases = (
        ([{"points": [[11.5, 0.5]]}], [11], [0, 1, 4, 5, 8, 9, 11]),  # a new part is added
        ([{"points": [[4.5, 0.5]]}], [5, 6], [0, 1, 5, 6, 8, 9]),  # one that is touched is replaced
        ([{"not_points": [[0.5, 0.5]]}], [], [4, 5, 8, 9]),  # one that is pointed out goes
        ([{"box": [3, 0, 7, 1]}], [6], [0, 1, 6, 8, 9]),  # one in a box is replaced
    )
    with open_page(address, scan) as page:
        for given, mask, expected in cases:
            row = [int(i in mask) for i in range(12)]
            joined = page.evaluate(
                """([prompts, mask, base]) => import('./prompt_outline.js').then(({ joinWithBase }) =>
                [...joinWithBase(Uint8Array.from(mask), { prompts, base: Uint8Array.from(base) }, 12, 1)])""",
                [given, row, base.tolist()],
            )
            assert np.flatnonzero(joined).tolist() == expected
