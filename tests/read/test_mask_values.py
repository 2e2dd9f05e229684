"""What is lesion in a mask file is decided by its own values, or refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from salus.errors import SalusError
from salus.read.image import read_mask_file
from salus.read.mask_values import interpret_mask

ROWS, COLUMNS = np.mgrid[:60, :80]
DISTANCE = np.hypot(ROWS - 28, COLUMNS - 37)
DISC = DISTANCE < 15
CORE = DISTANCE < 8
SOFT = ndimage.gaussian_filter(DISC.astype(float), 2)


def reading(values: np.ndarray, **options):
    return interpret_mask(values, "a.png", **options)


@pytest.mark.parametrize(
    ("values", "meaning"),
    [
        (DISC, "mask"),
        (DISC.astype(np.uint8), "mask"),
        (DISC.astype(np.uint8) * 255, "mask"),
        (DISC.astype(np.uint8) * 37, "mask"),
        (DISC.astype(np.uint16), "mask"),
        (DISC.astype(np.uint16) * 65535, "mask"),
        (DISC.astype(np.float32), "mask"),
        (DISC.astype(np.float32) * 255, "mask"),
        (DISC.astype(np.int32), "mask"),
        (np.where(COLUMNS > 37, 2, 1).astype(np.uint8) * DISC, "labels"),
        (np.where(COLUMNS > 37, 3, 1).astype(np.uint16) * DISC, "labels"),
        (np.where(ROWS > 30, 4, 2).astype(np.float32) * DISC, "labels"),
        (np.zeros((4, 5), np.uint8), "empty"),
    ],
)
def test_masks_and_labels_are_lesion_above_zero(values: np.ndarray, meaning: str) -> None:
    found = reading(values)
    assert (found.decision.meaning, found.probability) == (meaning, None)
    np.testing.assert_array_equal(found.mask, values > 0)


@pytest.mark.parametrize("type_and_range", [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1.0)])
@pytest.mark.parametrize("height", [1.0, 0.7, 0.31, 0.05])
def test_grades_are_lesion_from_half_of_the_types_range_on(type_and_range: tuple, height: float) -> None:
    kind, scale = type_and_range
    values = SOFT * height * scale
    values = values.astype(kind) if kind == np.float32 else values.round().astype(kind)
    if kind != np.float32 and (height == 0.31 or (kind, height) == (np.uint16, 0.05)):  # a mask of another range?
        with pytest.raises(SalusError, match="fills an area and is below half of"):
            reading(values)
        return
    found = reading(values)
    assert found.decision.meaning == "grades"
    np.testing.assert_array_equal(found.mask, values >= scale / 2)
    np.testing.assert_allclose(found.probability, values / scale, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.full((9, 9), 1, np.uint8), "holds 1 everywhere"),
        (np.full((9, 9), 128, np.uint8), "holds 128 everywhere"),
        (np.where(DISC, 2, 1).astype(np.uint8), "holds 1 and 2, and no 0"),
        (np.where(DISC, 255, 200).astype(np.uint8), "holds 200 and 255, and no 0"),
        (DISC.astype(np.uint8) + CORE, "labels or a probability near 0"),
        ((DISC * 127 + CORE * 128).astype(np.uint8), r"wide areas of few values \(0, 127, 255\)"),
        ((SOFT * 100).round().astype(np.uint8), "fills an area"),
        ((SOFT * 255).round().astype(np.uint16), "8 bits in a wider file"),
        (-SOFT.astype(np.float32), "no mask and no probability"),
        ((SOFT * 4 - 2).astype(np.float32), "no mask and no probability"),
        (np.dstack([DISC, CORE, CORE * 0]).astype(np.uint8) * 255, "several colours"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(values: np.ndarray, why: str) -> None:
    with pytest.raises(SalusError, match=f"a.png: cannot tell which pixels are lesion: .*{why}.*--mask-values"):
        reading(values)


def test_a_faint_probability_is_no_label_map() -> None:
    faint = (SOFT * 9).round().astype(np.uint8)
    assert not reading(faint).mask.any()


def test_a_small_lesion_in_a_faint_map_is_not_taken_for_noise() -> None:
    values = np.ones((60, 80), np.uint8)
    values[:5] = 0
    values[20:25, 20:24] = np.arange(140, 240, 5).reshape(5, 4)
    assert reading(values).mask.sum() == 20


@pytest.mark.parametrize("quality", [60, 75, 95])
def test_a_jpeg_of_0_and_1_or_of_0_and_255_is_its_mask(tmp_path: Path, quality: int) -> None:
    for high in (1, 255):
        path = tmp_path / f"{high}.jpg"
        Image.fromarray(DISC.astype(np.uint8) * high).save(path, quality=quality)
        stored = np.asarray(Image.open(path))
        np.testing.assert_array_equal(read_mask_file(path).mask, stored >= (1 if stored.max() < 9 else 128))


@pytest.mark.parametrize("colour", [0, 255, (200, 0, 0)])
def test_where_opacity_alone_draws_the_mask_it_is_read(tmp_path: Path, colour: int | tuple) -> None:
    """Black, white or red paint on a transparent ground, and a file that is transparent all over."""
    painted = np.zeros((60, 80, 4), np.uint8)
    painted[..., :3] = colour
    painted[..., 3] = DISC * 255
    Image.fromarray(painted).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask_file(tmp_path / "a.png").mask, DISC)
    painted[..., 3] = 0
    Image.fromarray(painted).save(tmp_path / "b.png")
    assert not read_mask_file(tmp_path / "b.png").mask.any()


def test_colours_count_where_opacity_says_nothing(tmp_path: Path) -> None:
    white = np.dstack([DISC * 255] * 3 + [np.full(DISC.shape, 255)]).astype(np.uint8)
    Image.fromarray(white).save(tmp_path / "opaque.png")
    np.testing.assert_array_equal(read_mask_file(tmp_path / "opaque.png").mask, DISC)
    white[..., 3] = np.where(COLUMNS < 70, 255, 0)  # a transparent margin
    Image.fromarray(white).save(tmp_path / "margin.png")
    np.testing.assert_array_equal(read_mask_file(tmp_path / "margin.png").mask, DISC & (COLUMNS < 70))
    grey = Image.fromarray(np.dstack([DISC * 255, np.full(DISC.shape, 255)]).astype(np.uint8))
    grey.save(tmp_path / "la.png")
    np.testing.assert_array_equal(read_mask_file(tmp_path / "la.png").mask, DISC)
    palette = Image.fromarray(DISC.astype(np.uint8), "L").convert("P")
    palette.info["transparency"] = 0
    palette.save(tmp_path / "palette.png", transparency=0)
    np.testing.assert_array_equal(read_mask_file(tmp_path / "palette.png").mask, DISC)
    white[..., 3] = 0
    Image.fromarray(white).save(tmp_path / "hidden.png")
    with pytest.raises(SalusError, match="every pixel is transparent"):
        read_mask_file(tmp_path / "hidden.png")


@pytest.mark.parametrize(
    ("how", "lesion"),
    [
        ("above-zero", [0, 1, 1, 1, 1]),
        ("half", [0, 0, 0, 1, 1]),
        ("half-max", [0, 0, 1, 1, 1]),
        ("3,130", [0, 1, 0, 1, 0]),
    ],
)
def test_a_reading_can_be_forced(how: str, lesion: list[int]) -> None:
    values = np.array([[0, 3, 80, 130, 150]], np.uint8)
    found = reading(values, mask_values=how)
    assert found.mask.astype(int).tolist() == [lesion]
    assert found.decision.describe() == f"--mask-values {how} says"
    assert (found.probability is not None) is (how == "half")


def test_a_probability_on_no_known_scale_cannot_be_forced() -> None:
    with pytest.raises(SalusError, match="values from 0 to 300 are no probability"):
        reading(np.array([[0.0, 300.0]], np.float32), mask_values="half")
