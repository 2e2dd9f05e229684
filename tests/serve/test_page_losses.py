"""Nothing that a reader did is lost on the page: two tabs, an answer that never comes, a reload within a word."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tests.serve.conftest import CHROMIUM, new_context, png_of, reading, running
from tests.serve.page_steps import drag, open_files, reload, saved_mask, wait_until_kept
from tests.serve.test_browser import in_image, wait_until

from salus import make_phantom

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def paint(page, x, y):
    page.bring_to_front()
    page.locator("#canvas").focus()
    page.keyboard.press("b")
    page.mouse.click(*in_image(page, x, y))


@pytest.fixture
def other_tab(page, files):
    """A second tab of the browser, in which the same image is open."""
    open_files(page, files, "3.png")
    tab = page.context.new_page()
    tab.goto(page.url)
    expect(tab.locator("#lesions li")).to_have_count(1)
    return tab


def test_two_tabs_keep_their_unsaved_strokes_apart(page, other_tab):
    paint(other_tab, 60, 400)
    expect(other_tab.locator("#lesions li")).to_have_count(2)
    paint(page, 200, 420)
    expect(page.locator("#lesions li")).to_have_count(2)
    page.keyboard.press("s")
    expect(page.locator("#finding-more")).to_have_text("Saved by you")
    reload(other_tab)
    expect(other_tab.locator("#finding-more")).to_have_text("Drawn by you, not saved")
    expect(other_tab.locator("#lesions li")).to_have_count(2)
    other_tab.bring_to_front()
    other_tab.locator("#canvas").focus()
    other_tab.keyboard.press("s")  # the other tab saved meanwhile
    expect(other_tab.locator("#conflict")).to_be_visible()
    other_tab.click("#conflict button:has-text('mine')")
    expect(other_tab.locator("#finding-more")).to_have_text("Saved by you")


def test_the_strokes_of_closed_tabs_are_all_found_again(page, other_tab):
    paint(other_tab, 60, 400)
    expect(other_tab.locator("#lesions li")).to_have_count(2)
    paint(page, 200, 420)
    expect(page.locator("#lesions li")).to_have_count(2)
    wait_until_kept(other_tab)
    other_tab.close()
    page.wait_for_function(  # the browser has noticed
        """navigator.locks.query().then(({ held }) =>
        held.filter(({ name }) => name.startsWith('salus-tab-')).length === 1)"""
    )
    reload(page)
    expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
    expect(page.locator("#lesions li")).to_have_count(2)
    page.locator("#canvas").focus()
    for _ in range(2):
        page.keyboard.press("Control+z")
    expect(page.locator("#lesions li")).to_have_count(1)
    expect(page.locator("#finding-more")).to_contain_text("presence of a tumour")


def test_calipers_of_two_tabs_are_both_kept(page, other_tab):
    other_tab.bring_to_front()
    other_tab.locator("#canvas").focus()
    other_tab.keyboard.press("m")
    drag(other_tab, in_image(other_tab, 60, 100), in_image(other_tab, 60, 200))
    expect(other_tab.locator("#calipers li")).to_have_count(1)
    expect(page.locator("#calipers li")).to_have_count(1)
    page.bring_to_front()
    page.locator("#canvas").focus()
    page.keyboard.press("m")
    drag(page, in_image(page, 100, 100), in_image(page, 200, 100))
    expect(page.locator("#calipers li")).to_have_count(2)
    reload(other_tab)
    expect(other_tab.locator("#calipers li")).to_have_count(2)


def test_a_polygon_that_is_not_closed_outlives_a_reload_and_a_closed_tab(page, files):
    open_files(page, files, "3.png")
    page.keyboard.press("p")
    for point in ((60, 300), (140, 300)):
        page.mouse.click(*in_image(page, *point))
    page.reload()
    expect(page.locator("#lesions li")).to_have_count(1)
    page.keyboard.press("p")
    page.mouse.click(*in_image(page, 140, 420))
    tab = page.context.new_page()
    tab.goto(page.url)
    page.close()
    expect(tab.locator("#lesions li")).to_have_count(1)
    tab.keyboard.press("p")
    tab.mouse.click(*in_image(tab, 60, 420))
    tab.keyboard.press("Enter")
    expect(tab.locator("#lesions li")).to_have_count(2)
    assert saved_mask(tab)[305:415, 65:135].all()
    reload(tab)
    expect(tab.locator("#lesions li")).to_have_count(2)
    tab.keyboard.press("Enter")  # none is left to be closed: the key accepts a lesion, and none is pointed at
    expect(tab.locator("#toast")).to_contain_text("Point at the lesion to accept")


def test_a_comment_that_is_being_typed_outlives_a_reload(page, files):
    open_files(page, files, "3.png")
    page.locator("#comment").press_sequentially("half a sen")
    reload(page)
    expect(page.locator("#comment")).to_have_value("half a sen")
    expect(page.locator("#notes-state")).to_contain_text("Noted")


def lose_answer(route):
    """Have the server act on a request, and the page get no answer."""
    route.fetch()
    route.abort()


@pytest.fixture
def reader(browser, segmenter, tmp_path):
    """The page with a worklist of two images, whose output is in `tmp_path / "reviewed"`."""
    for name, seed in (("a.png", 3), ("b.png", 7)):
        (tmp_path / name).write_bytes(png_of(make_phantom(seed).image))
    with running(segmenter, folder=tmp_path) as address, reading(browser, address) as page:
        expect(page.locator("#lesions li")).to_have_count(1)
        paint(page, 60, 400)
        expect(page.locator("#lesions li")).to_have_count(2)
        yield page


@pytest.mark.parametrize("drawn_meanwhile", [False, True])
def test_a_save_whose_answer_was_lost_is_no_conflict_with_oneself(reader, tmp_path, drawn_meanwhile):
    reader.route("**/mask?*", lose_answer)
    reader.keyboard.press("s")
    expect(reader.locator("#toast .bad")).to_contain_text("kept in this browser")
    reader.unroute("**/mask?*")
    if drawn_meanwhile:
        paint(reader, 200, 420)
        expect(reader.locator("#lesions li")).to_have_count(3)
    reader.keyboard.press("s")
    expect(reader.locator("#work-count")).to_have_text("1 of 2 done")
    expect(reader.locator("#conflict")).to_have_count(0)
    expect(reader.locator("#toast .bad")).to_have_count(0)  # it no longer holds
    saved = np.asarray(Image.open(tmp_path / "reviewed" / "masks" / "a.png")) > 0
    assert saved[400, 60]
    assert saved[420, 200] == drawn_meanwhile


def test_notes_whose_answer_was_lost_are_no_conflict_with_oneself(reader, tmp_path):
    reader.route("**/notes", lose_answer)
    with reader.expect_event("requestfailed"):
        reader.fill("#comment", "seen")
        reader.locator("#canvas").focus()
    expect(reader.locator("#toast .bad")).to_contain_text("does not answer")
    expect(reader.locator("#notes-state")).to_contain_text("Not sent yet")
    reader.unroute("**/notes")
    reload(reader)
    expect(reader.locator("#notes-state")).to_contain_text("Noted")
    expect(reader.locator("#toast .bad")).to_have_count(0)
    assert json.loads((tmp_path / "reviewed" / "notes" / "a.json").read_text())["comment"] == "seen"


def test_an_output_that_cannot_be_written_is_said_and_saving_works_once_it_can(reader, tmp_path):
    output = tmp_path / "reviewed"
    shutil.rmtree(output, ignore_errors=True)
    output.write_text("a file where the folder should be")
    for _ in range(2):  # a lock that stayed would have the second one wait for ever
        reader.keyboard.press("s")
        expect(reader.locator("#toast .bad")).to_contain_text("kept in this browser")
        expect(reader.locator("#save")).to_be_enabled()
    expect(reader.locator("#toast .bad")).to_contain_text("2 times")
    output.unlink()
    reader.keyboard.press("s")
    expect(reader.locator("#work-count")).to_have_text("1 of 2 done")
    assert (output / "masks" / "a.png").is_file()


def test_a_stroke_that_is_drawn_while_the_image_is_saved_stays_on_it(reader, tmp_path):
    held = []
    reader.route("**/mask?*", lambda route: held.append(route))
    reader.keyboard.press("s")
    assert wait_until(reader, lambda: held)
    reader.mouse.move(*in_image(reader, 200, 420))
    reader.mouse.down()
    reader.unroute("**/mask?*")  # what was held goes on
    expect(reader.locator("#work-count")).to_have_text("1 of 2 done")
    expect(reader.locator("#toast")).to_contain_text("Saved.")
    reader.mouse.move(*in_image(reader, 220, 420), steps=4)
    reader.mouse.up()
    expect(reader.locator("#caption")).to_contain_text("a.png")
    expect(reader.locator("#finding-more")).to_contain_text("not saved")
    reader.keyboard.press("s")
    expect(reader.locator("#caption")).to_contain_text("b.png")
    saved = np.asarray(Image.open(tmp_path / "reviewed" / "masks" / "a.png")) > 0
    assert saved[420, 220]
    assert saved[400, 60]


def test_an_image_that_is_closed_in_one_tab_is_gone_in_the_other(page, other_tab):
    other_tab.bring_to_front()
    other_tab.locator("#cases li").hover()
    other_tab.click("#cases .close")
    expect(page.locator("#cases li")).to_have_count(0)
    expect(page.locator("#toast")).to_contain_text("3.png was closed in another tab")
    expect(page.locator("#save")).to_be_disabled()


def test_where_the_browser_keeps_nothing_the_page_says_so_and_asks_before_it_is_left(browser, address, files):
    context = new_context(browser, hint=False)
    context.add_init_script("indexedDB.open = () => { throw new Error('not in a private window'); }")
    page, asked = context.new_page(), []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto(address)
    page.wait_for_selector("html[data-ready=yes]")
    open_files(page, files, "3.png")
    paint(page, 60, 400)
    expect(page.locator("#toast .bad")).to_contain_text("This browser keeps no unsaved outlines")
    page.route("**/mask?*", lambda route: route.abort())
    page.keyboard.press("s")
    expect(page.locator("#toast")).to_contain_text("Save it again before you leave the page.")
    expect(page.locator("#toast")).not_to_contain_text("is kept in this browser")
    page.unroute("**/mask?*")
    page.reload()
    assert asked == ["beforeunload"]
    context.close()


def test_what_is_kept_of_an_open_image_is_not_forgotten_by_its_age(page, files):
    open_files(page, files, "3.png", "7.png")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#caption")).to_contain_text("3.png")
    paint(page, 60, 400)
    expect(page.locator("#lesions li")).to_have_count(2)
    wait_until_kept(page)
    page.evaluate(
        """import('./browser_store.js').then(async (store) => {
        for (const record of await store.allFiles()) await store.putFile({ ...record, added: 1 });
        const [{ id }] = await store.allFiles();
        for (const record of await store.outlinesOf(id)) await store.replaceOutline({ ...record, added: 1 });
        await store.putFile({ id: 'closed', file: null, label: 'closed.png', key: 'x', added: 1 }); })"""
    )
    page.reload()
    expect(page.locator("#finding-more")).to_have_text("Drawn by you, not saved")
    labels = page.evaluate("import('./browser_store.js').then((store) => store.allFiles())")
    assert sorted(record["label"] for record in labels) == ["3.png", "7.png"]
