"""The patients of the exported data set, by a pattern of file names, in a real browser."""

import io
import zipfile

import pytest
from tests.serve.conftest import CHROMIUM, png_of
from tests.serve.page_steps import open_files, reload

from salus import make_phantom, read_data_set

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def test_a_pattern_on_the_page_makes_images_one_patient_in_the_export(page, tmp_path):
    names = ["bus_07-l.png", "bus_07-r.png", "bus_08-l.png"]
    for name, seed in zip(names, (3, 7, 16), strict=True):
        (tmp_path / name).write_bytes(png_of(make_phantom(seed).image))
    open_files(page, tmp_path, *names)
    for number in range(1, len(names) + 1):
        page.keyboard.press("s")
        expect(page.locator("#cases li.saved")).to_have_count(number)
        if number < len(names):
            page.keyboard.press("ArrowDown")
            expect(page.locator("#caption")).to_contain_text(names[number])
    page.click("#patients")
    expect(page.locator("#patient-count")).to_have_text("3 images of 3 patients")
    page.keyboard.type("bus_*")
    expect(page.locator("#patient-count")).to_contain_text("write {patient} once")
    expect(page.get_by_role("button", name="Use this pattern")).to_be_disabled()
    page.fill("#patient-pattern", "bus_{patient}-*")
    expect(page.locator("#patient-count")).to_have_text("3 images of 2 patients")
    expect(page.locator("#patients-dialog tbody td:nth-child(2)")).to_have_text(["07", "07", "08"])
    page.keyboard.press("Enter")
    expect(page.locator("#patients-dialog")).to_have_count(0)
    with page.expect_download() as download:
        page.click("#export")
    zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())).extractall(tmp_path)
    cases = read_data_set(tmp_path / "salus-corrected").cases
    assert {case.name: case.patient for case in cases} == {"bus_07-l": "07", "bus_07-r": "07", "bus_08-l": "08"}
    reload(page)
    page.click("#patients")
    expect(page.locator("#patient-pattern")).to_have_value("bus_{patient}-*")
    page.keyboard.press("Escape")
    expect(page.locator("#patients-dialog")).to_have_count(0)
