"""Augmentation: what changes, what does not, and that marks say nothing about the tumour."""

from dataclasses import replace

import numpy as np
import pytest

from salus.data.phantom import make_phantom
from salus.train.augment import LIGHT, NONE, STRONG, augment, augment_batch
from salus.train.augment_grey import erase_strokes
from salus.train.augment_marks import draw_random_marks


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    mask = np.zeros((96, 96), bool)
    mask[30:60, 40:70] = True
    image = rng.integers(60, 200, (96, 96)).astype(np.uint8)
    image[mask] //= 4
    return image, mask


def test_nothing_is_changed_where_nothing_is_asked(pair):
    image, mask = augment(*pair, np.random.default_rng(3), NONE)
    np.testing.assert_array_equal(image, pair[0])
    np.testing.assert_array_equal(mask, pair[1])


@pytest.mark.parametrize("settings", [STRONG, LIGHT])
def test_the_seed_decides_and_inputs_stay(pair, settings):
    before = pair[0].copy()
    first = augment(*pair, np.random.default_rng(5), settings)
    again = augment(*pair, np.random.default_rng(5), settings)
    other = augment(*pair, np.random.default_rng(6), settings)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()
    np.testing.assert_array_equal(pair[0], before)


def test_the_mask_goes_where_the_image_goes(pair):
    """The image is the mask itself, so after any warp both must still be the same shape."""
    mask = pair[1]
    geometry = replace(STRONG, grey=0, speckle=0, shadow=0, margin=0, marks=0, erase=0)
    moved = 0
    for seed in range(40):
        image, warped = augment(mask.astype(np.uint8) * 255, mask, np.random.default_rng(seed), geometry)
        np.testing.assert_array_equal(image >= 128, warped)
        moved += (warped != mask).any()
    assert moved > 30


def test_grey_changes_leave_the_mask(pair):
    for seed in range(20):
        image, mask = augment(*pair, np.random.default_rng(seed), replace(STRONG, mirror=0, warp=0))
        np.testing.assert_array_equal(mask, pair[1])
        assert image.dtype == np.uint8
        assert image.shape == pair[0].shape


def test_the_mirror_is_left_to_right_alone(pair):
    image, mask = augment(*pair, np.random.default_rng(0), replace(NONE, mirror=1.0))
    np.testing.assert_array_equal(image, pair[0][:, ::-1])
    np.testing.assert_array_equal(mask, pair[1][:, ::-1])


def test_marks_fall_alike_on_tumour_and_elsewhere():
    """Over many draws the share of marked pixels inside a central tumour is about that of its surroundings."""
    blank = np.zeros((128, 128), np.uint8)
    marked = np.mean([draw_random_marks(blank, np.random.default_rng(seed)) > 0 for seed in range(1500)], axis=0)
    inside, ring = marked[48:80, 48:80].mean(), marked[32:96, 32:96].mean()
    assert marked.mean() > 0.005
    assert 0.6 < inside / ring < 1.6


def test_strokes_are_erased_and_tissue_is_not():
    image = np.full((64, 64), 60, np.uint8)
    image[20, 10:40] = 255  # a line of a caliper
    image[40:60, 40:60] = 200  # a bright region
    found = erase_strokes(image, 5)
    assert found[20, 10:40].max() < 90
    np.testing.assert_array_equal(found[42:58, 42:58], 200)


def test_any_image_is_taken():
    phantom = make_phantom(1, size=(120, 160)).image
    for image in (np.zeros((32, 48), np.uint8), np.full((48, 32), 255, np.uint8), phantom):
        empty = np.zeros(image.shape, bool)
        for seed in range(15):
            with np.errstate(all="raise", under="ignore"):
                changed, mask = augment(image, empty, np.random.default_rng(seed))
            assert changed.shape == image.shape
            assert not mask.any()


def test_a_batch_is_its_images(pair):
    images, masks = np.stack([pair[0]] * 3), np.stack([pair[1]] * 3)
    batch = augment_batch(images, masks, np.random.default_rng(1))
    rng = np.random.default_rng(1)
    for i in range(3):
        one = augment(images[i], masks[i], rng)
        np.testing.assert_array_equal(batch[0][i], one[0])
        np.testing.assert_array_equal(batch[1][i], one[1])
