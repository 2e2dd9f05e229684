"""What OHIF shows of the results that Salus stored in an archive, compared with the mask and the measurements."""

import json
import shutil
import sys
from contextlib import closing
from io import BytesIO

import numpy as np
import pytest
import requests
from PIL import Image
from pydicom.uid import generate_uid

pytest.importorskip("dicomweb_client", reason="the extra dicomweb is not installed")
pytest.importorskip("highdicom", reason="the extra dicom is not installed")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import sync_playwright
from tests.dicomweb.ohif import need_pages, viewer
from tests.node.servers import Orthanc, need
from tests.read.wrap import region, wrap_dicom

import salus
from salus.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")]

PATIENCE = 60_000
"""Milliseconds that a step may take: the viewer draws without a graphics card."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The archive with a still and a cine, segmented; of each kind the study and the folder of its results."""
    need_pages()
    need("Orthanc")
    folder = tmp_path_factory.mktemp("ohif")
    archive = Orthanc(folder)
    archive.start()
    pixels = salus.make_phantom(3).image
    calibrated = {"regions": [region(0, 0, *pixels.shape)]}
    with closing(archive), pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORTHANC_PASSWORD", "secret")
        studies = {}
        for kind, values in (("still", pixels), ("cine", np.stack([pixels] * 3))):
            study, out = generate_uid(), folder / f"out-{kind}"
            image = wrap_dicom(folder / f"{kind}.dcm", values, StudyInstanceUID=study, **calibrated)
            requests.post(f"{archive.url}/instances", image.read_bytes(), auth=("salus", "secret"), timeout=60)
            url = f"{archive.url}/dicom-web"
            who = ["--user", "salus", "--password-env", "ORTHANC_PASSWORD"]
            assert main(["segment", "--from", url, "--study", study, "--to", url, *who, "-o", str(out)]) == 0
            studies[kind] = (study, out)
        with viewer(archive) as address:
            yield address, studies


@pytest.fixture(scope="module")
def browser(results):
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    options = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
    with sync_playwright() as program_of:
        browser = program_of.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture(params=["still", "cine"])
def case(request, results, browser):
    """A page that shows the image, and the folder of its results."""
    address, studies = results
    study, out = studies[request.param]
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.goto(f"{address}/viewer?StudyInstanceUIDs={study}", wait_until="domcontentloaded")
    page.get_by_text("Skip all").click(timeout=PATIENCE)
    yield page, out
    context.close()


def show(page, modality):
    page.get_by_text(modality, exact=True).last.dblclick(timeout=PATIENCE)


def red_of(page, shape):
    """Where the viewer paints a segment over the image, at the image's size."""
    box = page.locator(".cornerstone-viewport-element").first.bounding_box()
    if box is None:  # the viewport is being replaced
        return np.zeros(shape, bool)
    clip = {name: box[name] for name in ("x", "y", "width", "height")}
    picture = np.asarray(Image.open(BytesIO(page.screenshot(clip=clip))).convert("RGB"), int)
    scale = min(picture.shape[0] / shape[0], picture.shape[1] / shape[1])
    height, width = round(shape[0] * scale), round(shape[1] * scale)
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    red = (picture[..., 0] - picture[..., 1] > 25)[top : top + height, left : left + width]
    return np.asarray(Image.fromarray(red).resize(shape[::-1], Image.Resampling.NEAREST))


def test_segmentation_and_report_are_shown_as_they_were_computed(case):
    page, out = case
    mask = np.asarray(Image.open(next((out / "masks").rglob("*.png")))) > 0
    assert not red_of(page, mask.shape).any()
    show(page, "SEG")
    page.get_by_text("Yes", exact=True).click(timeout=PATIENCE)
    for _ in range(60):
        shown = red_of(page, mask.shape)
        if shown.sum() > mask.sum() / 2:
            break
        page.wait_for_timeout(500)
    dice = 2 * (shown & mask).sum() / (shown.sum() + mask.sum())
    assert dice > 0.95  # the viewer draws a line along the outline, too

    lesion = json.loads((out / "lesions.json").read_text())["images"][0]["lesions"][0]
    show(page, "SR")
    for name, value in (("Area", lesion["area"]), ("Long axis", lesion["longest"]), ("Short axis", lesion["across"])):
        page.get_by_text(f"{name}: {value:.2f} mm").first.wait_for(timeout=PATIENCE, state="attached")
