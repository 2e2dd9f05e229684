"""axe-core, run in every state of the page, finds nothing that hinders readers who use a keyboard or a screen reader.

npm ci --prefix tests/serve/axe
"""

from pathlib import Path

import pytest
from tests.serve.conftest import CHROMIUM, make_cine, new_context, png_of, running
from tests.serve.test_browser import in_image

from salus import make_phantom

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect

AXE = Path(__file__).parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci --prefix tests/serve/axe"),
]

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""Of WCAG 2.2 AA, and those that axe calls best practice."""

RUN = """async (only) => (await axe.run(document, { runOnly: only })).violations.map(
  (v) => `${v.id}: ${v.nodes.map((node) => node.target).join(', ')} ${v.nodes[0].failureSummary}`)"""

DESKTOP, TABLET, PHONE = (1440, 900), (820, 1180), (390, 844)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, content in {"a.png": png_of(make_phantom(3).image), "b.png": png_of(make_phantom(7).image)}.items():
        (folder / name).write_bytes(content)
    for name in ("x.jpg", "y.jpg"):
        (folder / name).write_bytes(b"\xff\xd8 no image")
    make_cine(folder / "cine.dcm", 3)
    return folder


def violations(page):
    """What axe finds in the page as it is now."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    names = {"type": "rule", "values": ["label-content-name-mismatch"]}  # experimental, and so in no group of rules
    return page.evaluate(RUN, RULES) + page.evaluate(RUN, names)


def open_page(browser, address, size=DESKTOP, scheme="dark"):
    page = new_context(browser, color_scheme=scheme).new_page()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(address)
    expect(page.locator("html")).to_have_attribute("data-ready", "yes")
    return page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "scheme"), [(DESKTOP, "dark"), (DESKTOP, "light"), (TABLET, "dark"), (PHONE, "light")]
)
def test_no_state_of_the_page_has_a_violation(browser, address, files, size, scheme):
    page = open_page(browser, address, size, scheme)
    assert violations(page) == [], "empty"
    assert page.locator("h1").count() == 1
    page.set_input_files("#files", [files / name for name in ("a.png", "b.png", "x.jpg", "y.jpg", "cine.dcm")])
    expect(page.locator("#cases li.tumour")).to_have_count(3)
    expect(page.locator("#cases li.failed")).to_have_count(2)
    assert violations(page) == [], "images and errors"
    page.locator("#toast .all").click()

    page.locator("#canvas").focus()
    page.keyboard.press("b")
    page.route("**/measure", lambda route: None)  # measurements that do not come: the old ones are greyed
    page.mouse.move(*in_image(page, 60, 380))
    page.mouse.down()
    page.mouse.move(*in_image(page, 100, 380), steps=3)
    page.mouse.up()
    expect(page.locator("#lesions.pending")).to_have_count(1)
    expect(page.locator("#cases li.unsaved")).to_have_count(1)
    assert violations(page) == [], "a drawing that is being measured"
    page.unroute("**/measure")

    page.keyboard.press("m")
    page.mouse.move(*in_image(page, 60, 100))
    page.mouse.down()
    page.mouse.move(*in_image(page, 60, 200), steps=3)
    page.mouse.up()
    for key in ("g", "l", "1", "i"):
        page.keyboard.press(key)
    expect(page.locator("#calibrate")).to_be_visible()
    assert violations(page) == [], "calipers, maps and legend"
    page.fill("#known-length", "10")
    page.keyboard.press("Enter")
    expect(page.locator("#calibration")).to_be_visible()
    assert violations(page) == [], "calibrated"

    page.locator("#canvas").focus()
    page.keyboard.press("r")
    page.keyboard.press("z")
    expect(page.locator("#second-caption")).to_contain_text("lesion")
    assert violations(page) == [], "two images"
    page.keyboard.press("z")

    page.locator("#canvas").focus()
    page.keyboard.press("End")
    expect(page.locator("#frame-value")).to_have_text("1 of 3")
    assert violations(page) == [], "cine"
    page.keyboard.press("Home")
    expect(page.locator("#cine")).to_be_hidden()
    page.keyboard.press("s")
    expect(page.locator("#cases li.saved")).to_have_count(1)
    page.locator("#canvas").focus()
    page.locator("#lesions button").first.click()
    page.keyboard.press("Enter")
    expect(page.locator("#lesions li.accepted")).to_have_count(1)
    page.click("#descriptors summary")
    page.keyboard.press("Tab")
    page.click("#mark button >> nth=0")
    expect(page.locator("#notes-state")).not_to_have_text("")
    page.click("#versions summary")
    expect(page.locator("#versions li")).to_have_count(1)
    assert violations(page) == [], "saved and accepted, with its versions"
    page.get_by_role("button", name="Reject lesion 2").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#rejected li")).to_have_count(1)
    assert violations(page) == [], "a rejected lesion"
    page.locator("#canvas").focus()
    page.click("#download-all")
    expect(page.locator("#all-dialog [name=format]")).not_to_have_count(0)
    assert violations(page) == [], "download all"
    page.keyboard.press("Escape")
    page.click("#patients")
    expect(page.locator("#patients-dialog tbody tr")).not_to_have_count(0)
    assert violations(page) == [], "patients"
    page.keyboard.press("Escape")
    page.locator("#canvas").focus()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    assert violations(page) == [], "help"
    page.keyboard.press("Escape")
    page.select_option("#filter-state", "failed")
    expect(page.locator("#cases li")).to_have_count(2)
    page.locator("#cases li button").first.click()
    expect(page.locator("#finding")).to_have_text("Cannot be read")
    assert violations(page) == [], "a file that cannot be read"
    page.context.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_page_of_the_interface_has_no_violation(browser, address, scheme):
    page = open_page(browser, address + "/api.html", PHONE, scheme)
    expect(page.locator("#requests section")).not_to_have_count(0)
    assert violations(page) == []
    page.context.close()


def test_worklist_and_login_have_no_violation(browser, segmenter, files):
    with running(segmenter, folder=files, token="a token of some length") as address:
        page = new_context(browser).new_page()
        page.goto(address)
        assert violations(page) == [], "login"
        page.fill("input[name=token]", "a token of some length")
        page.click("text=Open")
        expect(page.locator("#work-items li")).not_to_have_count(0)
        expect(page.locator("#finding")).to_have_text("One lesion")
        assert violations(page) == [], "worklist"
        page.context.close()
