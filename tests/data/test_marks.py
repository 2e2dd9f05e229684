"""Suspected marks: drawn ones must be found on any background, and speckle alone must not look like them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from salus.data.layouts import read_data_set
from salus.data.marks import coloured_share, find_marks

SHAPE = (220, 300)


def speckle(seed: int, grain: float = 0.9, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    tissue = 0.35 + 3 * gaussian_filter(rng.normal(size=shape), (5, 15))
    return np.clip(tissue * gaussian_filter(rng.gamma(2, 0.5, shape), grain), 0, 0.9).astype(np.float32)


def drawn(pixels: np.ndarray, draw: object) -> np.ndarray:
    image = Image.fromarray((pixels * 255).astype(np.uint8))
    draw(ImageDraw.Draw(image))
    return np.asarray(image, np.float32) / 255


def plus(pen: ImageDraw.ImageDraw, x: int, y: int, arm: int) -> None:
    pen.line((x - arm, y, x + arm, y), fill=255)
    pen.line((x, y - arm, x, y + arm), fill=255)


def cross(pen: ImageDraw.ImageDraw, x: int, y: int, arm: int) -> None:
    pen.line((x - arm, y - arm, x + arm, y + arm), fill=255)
    pen.line((x - arm, y + arm, x + arm, y - arm), fill=255)


@pytest.mark.parametrize("shape", [plus, cross])
@pytest.mark.parametrize("arm", [4, 6, 8])
@pytest.mark.parametrize("grain", [0.9, 1.8])
def test_a_caliper_is_found(shape: object, arm: int, grain: float) -> None:
    marks = find_marks(drawn(speckle(3, grain), lambda pen: shape(pen, 120, 90, arm)))
    assert marks.kinds == ("calipers",)


def test_a_caliper_is_found_in_almost_every_place() -> None:
    rng = np.random.default_rng(0)
    places = [(int(rng.integers(9, SHAPE[1] - 9)), int(rng.integers(9, SHAPE[0] - 9)), seed) for seed in range(60)]
    marked = (drawn(speckle(seed), lambda pen, x=x, y=y: plus(pen, x, y, 6)) for x, y, seed in places)
    assert sum("calipers" in find_marks(image).kinds for image in marked) >= 57


@pytest.mark.parametrize("words", ["LT AXILLA", "RIGHT BREAST", "MAMA ESQ 10H", "21.9mm"])
@pytest.mark.parametrize("size", [11, 16])
def test_text_is_found_and_is_no_caliper(words: str, size: int) -> None:
    marks = find_marks(drawn(speckle(4), lambda pen: pen.text((60, 150), words, fill=250, font_size=size)))
    assert "text" in marks.kinds
    assert marks.letters >= 3


def test_marks_survive_enlarging() -> None:
    """A scan is marked at 220 rows, or at 800."""
    pixels = drawn(
        speckle(5), lambda pen: (plus(pen, 100, 60, 6), pen.text((60, 150), "RIGHT BREAST", fill=255, font_size=15))
    )
    large = np.asarray(Image.fromarray(pixels).resize((1090, 800), Image.Resampling.BICUBIC)).clip(0, 1)
    assert set(find_marks(large).kinds) == set(find_marks(pixels).kinds) == {"calipers", "text"}


def test_speckle_is_clean() -> None:
    flagged = [
        (seed, grain) for seed in range(12) for grain in (0.9, 1.4, 2.0) if find_marks(speckle(seed, grain)).kinds
    ]
    assert len(flagged) <= 1


def test_a_bright_spot_and_long_lines_are_no_caliper() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    spots = 0.2 + 0.7 * sum(
        np.exp(-((y - r) ** 2 + (x - c) ** 2) / (2 * w**2)) for r, c, w in ((60, 60, 1.5), (90, 200, 3))
    )
    assert find_marks(spots).kinds == ()
    lines = drawn(np.full(SHAPE, 0.2, np.float32), lambda pen: (pen.line((0, 80, 299, 80)), pen.line((90, 0, 90, 219))))
    assert find_marks(lines).kinds == ()


def test_colour_needs_more_than_a_pixel() -> None:
    grey = np.repeat((speckle(6) * 255).astype(np.uint8)[..., None], 3, axis=2)
    assert find_marks(grey[..., 0] / 255, grey).kinds == ()
    doppler = grey.copy()
    doppler[100:104, 50:60] = (220, 60, 20)
    assert "colour" in find_marks(doppler.mean(axis=2) / 255, doppler).kinds
    assert coloured_share(doppler) == pytest.approx(40 / (SHAPE[0] * SHAPE[1]))
    assert coloured_share(grey[..., 0]) == 0


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (8, 8), (700, 6)])
def test_any_shape_can_be_asked(shape: tuple[int, int]) -> None:
    assert find_marks(np.zeros(shape, np.float32)).kinds == ()


def test_real_images_seen_by_eye(real_data: Path) -> None:
    cases = {case.name: case for case in read_data_set(real_data / "busi").cases}
    seen = {
        "benign (279)": {"calipers", "text"},
        "benign (270)": {"calipers"},
        "benign (225)": {"text"},
        "normal (42)": set(),
        "benign (55)": set(),
        "malignant (52)": set(),
    }
    found = {name: set(find_marks(cases[name].read_image().pixels).kinds) for name in seen}
    assert found == seen
