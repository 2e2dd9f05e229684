"""The page in Firefox: open, correct, undo, save, reload, a cine. The other tests of the page use Chromium."""

import pytest
from tests.serve.conftest import running
from tests.serve.firefox import FIREFOX, running_firefox

WIDTH, HEIGHT = 345, 477
"""Of phantom 3."""

pytestmark = [
    pytest.mark.skipif(FIREFOX is None, reason="Firefox is not installed (Debian: apt-get install firefox-esr)"),
    pytest.mark.slow,
]

CANVAS = """const canvas = document.getElementById('canvas'), { left, top } = canvas.getBoundingClientRect();
return [left, top, canvas.clientWidth, canvas.clientHeight];"""


def test_images_are_opened_corrected_saved_and_kept_in_firefox(segmenter, files, tmp_path):
    with running(segmenter) as address, running_firefox(tmp_path) as firefox:

        def at(x, y):
            left, top, width, height = firefox.run(CANVAS)
            scale = min((width - 24) / WIDTH, (height - 24) / HEIGHT)
            return left + (width - WIDTH * scale) / 2 + x * scale, top + (height - HEIGHT * scale) / 2 + y * scale

        def lesions(count):
            firefox.wait_for(f"document.querySelectorAll('#lesions:not(.pending) li').length === {count}")

        firefox.send("WebDriver:Navigate", url=address)
        firefox.wait_for("document.documentElement.dataset.ready === 'yes'")
        firefox.run(
            "window.faults = []; for (const name of ['error', 'unhandledrejection'])"
            " addEventListener(name, (event) => faults.push(String(event.message ?? event.reason)));"
        )
        firefox.choose_files("#files", files / "3.png", files / "broken-00.jpg", files / "cine.dcm")
        firefox.wait_for("document.querySelectorAll('#cases li.tumour').length === 2")
        firefox.wait_for("document.querySelectorAll('#cases li.failed').length === 1")
        firefox.wait_for("document.getElementById('caption').textContent.includes('3.png')")
        firefox.run("document.querySelector('#toast .close').click(); document.getElementById('canvas').focus();")
        lesions(1)
        firefox.press("b")
        firefox.drag(at(60, 400), at(100, 400))
        lesions(2)
        firefox.press("\ue009", "z")  # Ctrl
        lesions(1)
        firefox.press("\ue009", "\ue008", "z")  # and Shift
        lesions(2)
        firefox.move(at(80, 400))
        firefox.press("d")
        lesions(1)
        firefox.press("\ue009", "z")
        lesions(2)
        firefox.press("s")
        firefox.wait_for("document.querySelectorAll('#cases li.saved').length === 1")
        firefox.press("\ue010")  # End: the cine
        firefox.wait_for("document.getElementById('frame-value').textContent === '1 of 3'")
        firefox.press("\ue014")  # right: its next frame
        firefox.wait_for("document.getElementById('frame-value').textContent.startsWith('2 of 3')")
        assert firefox.run("return window.faults;") == []
        firefox.send("WebDriver:Navigate", url=address)
        firefox.wait_for("document.querySelectorAll('#cases li.saved').length === 1")
        firefox.wait_for("document.getElementById('caption').textContent.includes('cine.dcm')")
