"""Count what a reader does on the page for each image, and how long it takes: a browser reviews a worklist of phantoms.

    pip install playwright; a Chromium must be there
    python bench/page_count.py [--images 30] [--chromium PATH]

Approve: S for each image. Correct: a simulated reader compares the outline with the phantom's truth and, below the Dice
coefficient `GOOD`, points (A) at the middle of the lesion, then at the middle of the largest error, inside the lesion
or with Alt outside, until it is good or `MAX_CLICKS` are spent; then S. Times are those of the page, from the key or
click until the browser shows the result.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt, label

from salus import make_phantom

FIRST_SEED = 5000
"""Seed of the first phantom; far from those in tests and documentation."""

GOOD, MAX_CLICKS = 0.9, 3

SETTLED = """(label) => window.salusState?.current?.label === label && window.salusState.frame
    && !window.salusState.frame.outdated"""
MASK = "() => Array.from(window.salusState.frame.mask)"


@dataclass(frozen=True)
class Work:
    """What one image took.

    Attributes:
        clicks: prompts that the reader set.
        keys: keys that the reader pressed.
        first: Dice coefficient of the network's outline.
        last: Dice coefficient of the saved outline.
        click_seconds: from each click to the measured outline.
        save_seconds: from S until the next image is shown; None for the last one.
    """

    clicks: int
    keys: int
    first: float
    last: float
    click_seconds: tuple[float, ...]
    save_seconds: float | None


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """Compute the Dice coefficient; 1 where both are empty."""
    total = mask.sum() + truth.sum()
    return 2 * float((mask & truth).sum()) / float(total) if total else 1.0


def place_to_point_at(mask: np.ndarray, truth: np.ndarray, clicks: int) -> tuple[float, float, bool]:
    """Find where a reader would point: (x, y) of an innermost pixel, and whether it lies outside of the lesion.

    Args:
        mask: the outline, (height, width) bool.
        truth: the lesion.
        clicks: set before; the first points at the lesion, later ones at the largest error.
    """
    labels, count = label(mask ^ truth if clicks or not truth.any() else truth)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    depth = distance_transform_edt(np.pad(labels == sizes.argmax(), 1))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return float(x) + 0.5, float(y) + 0.5, not bool(truth[y, x])


def current_mask(page: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Read the outline that the page shows, (height, width) bool."""
    return np.asarray(page.evaluate(MASK), bool).reshape(shape)


def review(page: Any, names: list[str], truths: list[np.ndarray], *, correct: bool) -> list[Work]:
    """Review the worklist from its first image to its last."""
    done = []
    page.evaluate("import('./state.js').then(({ state }) => { window.salusState = state; })")
    if correct:
        page.keyboard.press("a")
    for number, (name, truth) in enumerate(zip(names, truths, strict=True)):
        page.wait_for_function(SETTLED, arg=name, polling="raf")
        mask, click_seconds = current_mask(page, truth.shape), []
        first = dice(mask, truth)
        while correct and dice(mask, truth) < GOOD and len(click_seconds) < MAX_CLICKS:
            x, y, outside = place_to_point_at(mask, truth, len(click_seconds))
            place = page.evaluate(
                "([x, y, h, w]) => { const box = document.getElementById('canvas').getBoundingClientRect();"
                " const scale = Math.min((box.width - 24) / w, (box.height - 24) / h);"
                " return [box.left + (box.width - w * scale) / 2 + x * scale,"
                " box.top + (box.height - h * scale) / 2 + y * scale]; }",
                [x, y, *truth.shape],
            )
            steps = page.evaluate("window.salusState.frame.history.past.length")
            started = time.perf_counter()
            if outside:
                page.keyboard.down("Alt")
            page.mouse.click(*place)
            if outside:
                page.keyboard.up("Alt")
            page.wait_for_function(
                "(steps) => window.salusState.frame.history.past.length > steps && !window.salusState.frame.outdated",
                arg=steps,
                polling="raf",
            )
            click_seconds.append(time.perf_counter() - started)
            mask = current_mask(page, truth.shape)
        started, save_seconds = time.perf_counter(), None
        page.keyboard.press("s")
        if number + 1 < len(names):
            page.wait_for_function(SETTLED, arg=names[number + 1], polling="raf")
            save_seconds = time.perf_counter() - started
        else:
            page.wait_for_selector("#toast >> text=done")
        done.append(Work(len(click_seconds), 1, first, dice(mask, truth), tuple(click_seconds), save_seconds))
    return done


def report(title: str, works: list[Work]) -> None:
    """Print what the images took."""
    clicks = np.array([work.clicks for work in works])
    saves = 1000 * np.array([work.save_seconds for work in works if work.save_seconds is not None])
    waits = 1000 * np.array([second for work in works for second in work.click_seconds])
    print(f"{title}: {len(works)} images")
    print(f"  keys an image {np.mean([work.keys for work in works]):.2f}, clicks an image {clicks.mean():.2f}", end="")
    counts = [int((clicks == n).sum()) for n in (0, 1, 2)] + [int((clicks > 2).sum())]
    print(f"; images with 0, 1, 2, more clicks: {counts}")
    first, last = np.array([work.first for work in works]), np.array([work.last for work in works])
    print(f"  Dice of the network's outlines {first.mean():.3f}, saved {last.mean():.3f}; saved below {GOOD}:", end="")
    print(f" {int((last < GOOD).sum())}")
    for what, times in (("S to the next image", saves), ("click to the outline", waits)):
        if len(times):
            median, late, longest = np.quantile(times, [0.5, 0.95, 1])
            print(f"  {what}: median {median:.0f}, 95% {late:.0f}, longest {longest:.0f} ms")


def main() -> None:
    """Review the same phantoms twice, approving and correcting, and print the counts."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name) / "scans"
        folder.mkdir()
        phantoms = [make_phantom(FIRST_SEED + i) for i in range(args.images)]
        names = [f"{i:03}.png" for i in range(args.images)]
        for file, phantom in zip(names, phantoms, strict=True):
            Image.fromarray(phantom.image).save(folder / file)
        truths = [phantom.mask > 0 for phantom in phantoms]
        browser = driver.chromium.launch(executable_path=args.chromium, args=["--headless", "--no-sandbox"])
        for title, correct in (("approve", False), ("correct by prompt", True)):
            command = [sys.executable, "-m", "salus", "serve", "--no-browser", "--port", "0", "--keep-days", "0"]
            command += ["--folder", str(folder), "-o", str(Path(name) / title.replace(" ", "-"))]
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            try:
                assert server.stdout is not None
                match = re.search(r"http://\S+", server.stdout.readline())
                assert match is not None
                page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
                page.set_default_timeout(120_000)
                page.add_init_script("localStorage.setItem('salus-loop-seen', 'yes')")
                page.goto(match[0])
                page.wait_for_selector("html[data-ready=yes]")
                page.locator("#canvas").focus()
                report(title, review(page, names, truths, correct=correct))
            finally:
                server.terminate()
                server.wait(20)


if __name__ == "__main__":
    main()
