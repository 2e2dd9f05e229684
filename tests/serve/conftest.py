"""Fixtures of the server's tests: a network, phantoms as files, a DICOM cine, clients, and a server that runs."""

import shutil
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from fastapi.testclient import TestClient
from tests.read.wrap import region, wrap_dicom

from salus import Segmenter, make_phantom
from salus.serve.app import create_app
from salus.serve.server import listen
from salus.serve.settings import ServeSettings
from salus.serve.slow_headers import SlowHeaderTimeout

BASE_URL = "http://127.0.0.1:8765"
SPACING = (0.08, 0.08)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    """Chromium, for all tests of a file."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(segmenter):
    """The address of a server that runs for all tests of a file."""
    with running(segmenter) as address:
        yield address


@pytest.fixture(scope="session")
def segmenter():
    return Segmenter()


@pytest.fixture
def serve(segmenter):
    """Makes clients of servers with given settings."""
    with ExitStack() as stack:

        def make_client(**settings):
            app = create_app(ServeSettings(**settings), segmenter)
            return stack.enter_context(TestClient(app, base_url=BASE_URL))

        yield make_client


@pytest.fixture
def client(serve):
    return serve()


@pytest.fixture(scope="session")
def phantom():
    """Of seed 3: one lesion, outlined well."""
    return make_phantom(3)


@pytest.fixture(scope="session")
def png(phantom):
    return png_of(phantom.image)


def png_of(values):
    content = BytesIO()
    Image.fromarray(values).save(content, "PNG")
    return content.getvalue()


def upload(client, content, name="Jane Doe 1970.png"):
    return client.post("/v1/cases", files={"file": (name, content)})


@pytest.fixture(scope="session")
def cine(tmp_path_factory):
    """A DICOM cine of 24 frames with a calibrated region: a phantom that swells and shrinks, under a head line."""
    return make_cine(tmp_path_factory.mktemp("cine") / "cine.dcm", 24)


def make_cine(path, frames):
    image = Image.fromarray(make_phantom(23).image)
    width, height = image.size
    pixels = np.zeros((frames, height + 60, width + 40), np.uint8)
    pixels[:, 12:34, 20:180] = 40
    for i in range(frames):
        scale = 1 + 0.09 * np.sin(2 * np.pi * i / frames)
        box = (width * (1 - 1 / scale) / 2, height * (1 - 1 / scale) / 2)
        part = image.transform((width, height), Image.Transform.AFFINE, (1 / scale, 0, box[0], 0, 1 / scale, box[1]), 2)
        pixels[i, 50 : 50 + height, 20 : 20 + width] = np.asarray(part)
    return wrap_dicom(path, pixels, regions=[region(50, 20, height, width, SPACING)], frame_time=60)


@contextmanager
def running(segmenter, **settings):
    """A server on a free port of loopback, or on the `port` given; gives its address."""
    import uvicorn

    server_settings = ServeSettings(**{"port": 0, **settings})
    listener = listen(server_settings)
    server_settings = replace(server_settings, port=listener.getsockname()[1])
    app = create_app(server_settings, segmenter)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, http=SlowHeaderTimeout))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.fixture(scope="session")
def pointed(tmp_path_factory):
    """Of a small network that takes prompts."""
    pytest.importorskip("onnx")
    from tests.prompts.networks import write_prompt_network

    return Segmenter(write_prompt_network(tmp_path_factory.mktemp("network") / "pointed.onnx"))


@pytest.fixture
def image():
    """White, 64 x 64, with two black squares."""
    image = np.full((64, 64), 255, np.uint8)
    image[20:32, 8:20] = image[20:32, 40:52] = 0
    return image


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Images by name; `flat.dcm` has pixels twice as wide as high, `part.dcm` a region that is half of the image."""
    folder = tmp_path_factory.mktemp("files")
    for seed in (3, 7):
        (folder / f"{seed}.png").write_bytes(png_of(make_phantom(seed).image))
    for i in range(14):
        (folder / f"broken-{i:02}.jpg").write_bytes(b"\xff\xd8 no image")
    image = make_phantom(3).image
    height, width = image.shape
    flat = np.asarray(Image.fromarray(image).resize((width // 2, height)))
    wrap_dicom(folder / "flat.dcm", flat, regions=[region(0, 0, height, width // 2, (0.1, 0.2))])
    wide = np.zeros((height, 2 * width), np.uint8)
    wide[:, :width] = image
    wrap_dicom(folder / "part.dcm", wide, regions=[region(0, 0, height, width, (0.1, 0.1))])
    make_cine(folder / "cine.dcm", 3)
    return folder


NOTES_STAY = """const wait = setTimeout;
window.setTimeout = (act, ms, ...rest) => wait(act, [3500, 7500].includes(ms) ? 2 ** 31 - 1 : ms, ...rest);"""
"""Has notes stay that go by themselves after a while: on a busy machine a test may look later."""


def new_context(browser, *, hint=True, **options):
    """Open a window of the browser that shares nothing with others, patient and without gradual changes of colours.

    Args:
        browser: of the fixture.
        hint: the page shows its first hint.
        options: of `Browser.new_context`.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce", **options)
    context.set_default_timeout(60_000)
    context.add_init_script(NOTES_STAY)
    if not hint:
        context.add_init_script("localStorage.setItem('salus-loop-seen', 'yes')")
    return context


@contextmanager
def reading(browser, address):
    """The page, for a reader who has seen its first hint; no error may arise in its code."""
    context = new_context(browser, hint=False, color_scheme="dark")
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(address)
    page.wait_for_selector("html[data-ready=yes]")
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def page(browser, address):
    with reading(browser, address) as page:
        yield page
