"""A worklist whose folder changes, or gives way to another one: nothing on the page goes to an image it is not of."""

import numpy as np
import pytest
from PIL import Image
from tests.serve.conftest import CHROMIUM, new_context, png_of, running
from tests.serve.page_steps import drag, is_save, wait_until_kept
from tests.serve.test_browser import in_image
from tests.serve.test_page_losses import paint

from salus import make_phantom

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

PICTURE = make_phantom(3).image


@pytest.fixture
def page(browser):
    """A page of a reader that outlives the servers; no error may arise in its code but that a server is gone."""
    context = new_context(browser, hint=False)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert [error for error in errors if "The server does not answer" not in error] == []


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "scans")


def make_folder(folder):
    """A folder with the images a.png and b.png, which are equal."""
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(png_of(PICTURE))
    return folder


def visit(page, address):
    page.goto(address)
    page.wait_for_selector("html[data-ready=yes]")
    expect(page.locator("#lesions li")).to_have_count(1)


def draw_in_b(page):
    """Open b.png, and draw a second lesion that is not saved."""
    page.click("#work-items button[title='b.png']")
    expect(page.locator("#caption")).to_contain_text("b.png")
    expect(page.locator("#lesions li")).to_have_count(1)
    paint(page, 60, 400)
    expect(page.locator("#lesions li")).to_have_count(2)
    wait_until_kept(page)


def port_of(address):
    return int(address.rpartition(":")[2])


def test_an_outline_is_saved_under_its_image_after_a_restart_with_other_files(page, segmenter, folder):
    with running(segmenter, folder=folder) as address:
        visit(page, address)
        draw_in_b(page)
    (folder / "0.png").write_bytes(png_of(PICTURE))
    with running(segmenter, folder=folder, port=port_of(address)):
        with page.expect_response(is_save):
            page.keyboard.press("s")
        expect(page.locator("#work-count")).to_have_text("1 of 3 done")
        masks = folder / "reviewed" / "masks"
        assert [path.name for path in masks.iterdir()] == ["b.png"]
        assert np.asarray(Image.open(masks / "b.png"))[400, 60]
        page.click("#work-items button[title='a.png']")  # in the list its number is that of another image by now
        expect(page.locator("#caption")).to_contain_text("a.png")
        expect(page.locator("#toast .bad")).to_have_count(0)


def test_an_image_that_was_renamed_is_said_to_be_gone_and_its_outline_stays(page, segmenter, folder):
    with running(segmenter, folder=folder) as address:
        visit(page, address)
        draw_in_b(page)
    (folder / "b.png").rename(folder / "c.png")
    with running(segmenter, folder=folder, port=port_of(address)):
        page.keyboard.press("s")
        expect(page.locator("#toast .bad")).to_contain_text("The worklist no longer has b.png")
        assert not (folder / "reviewed").exists()
    (folder / "c.png").rename(folder / "b.png")
    with running(segmenter, folder=folder, port=port_of(address)):
        page.reload()
        expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")


def test_what_is_kept_in_the_browser_of_one_folder_is_not_shown_in_another(page, segmenter, folder, tmp_path):
    with running(segmenter, folder=folder) as address:
        visit(page, address)
        draw_in_b(page)
        page.keyboard.press("m")
        drag(page, in_image(page, 60, 100), in_image(page, 60, 200))
        expect(page.locator("#calipers li")).to_have_count(1)
    page.fill("#comment", "not sent yet")
    page.locator("#canvas").focus()
    expect(page.locator("#notes-state")).to_contain_text("Not sent yet")
    other = make_folder(tmp_path / "other")
    with running(segmenter, folder=other, port=port_of(address)):
        visit(page, address)
        page.click("#work-items button[title='b.png']")
        expect(page.locator("#caption")).to_contain_text("b.png")
        expect(page.locator("#finding-more")).to_contain_text("presence of a tumour")
        expect(page.locator("#comment")).to_have_value("")
        expect(page.locator("#calipers li")).to_have_count(0)
        assert not (other / "reviewed").exists()
    with running(segmenter, folder=folder, port=port_of(address)):
        page.goto(address)
        page.click("#work-items button[title='b.png']")
        expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
        expect(page.locator("#comment")).to_have_value("not sent yet")


def test_an_outline_that_was_drawn_on_a_picture_of_before_is_taken_up_only_on_request(page, segmenter, folder):
    with running(segmenter, folder=folder) as address:
        visit(page, address)
        draw_in_b(page)
        (folder / "b.png").write_bytes(png_of(np.ascontiguousarray(PICTURE[:, ::-1])))
        page.keyboard.press("s")
        expect(page.locator("#toast .bad")).to_contain_text("The file b.png was replaced by another one")
        assert not (folder / "reviewed").exists()
        page.reload()
        page.click("#work-items button[title='b.png']")
        expect(page.locator("#toast .bad")).to_contain_text("b.png is another picture")
        expect(page.locator("#finding-more")).to_contain_text("presence of a tumour")
        page.get_by_role("button", name="Take it up").click()
        expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
