"""Augmentation: what it changes, what it leaves, and that marks are no sign of a tumour."""

from dataclasses import replace

import numpy as np
import pytest

from salus.data.phantom.make import make_phantom
from salus.lab.training.augment.annotations import draw_random_marks
from salus.lab.training.augment.compose import augment, augment_batch
from salus.lab.training.augment.geometry import draw_field
from salus.lab.training.augment.grey import erase_strokes
from salus.lab.training.augment.settings import LIGHT, STRONG, Augmentation

OFF = Augmentation(mirror=0, warp=0, border=0, grey=0, speckle=0, shadow=0, margin=0, marks=0, erase=0)
"""Nothing is changed."""


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    mask = np.zeros((96, 96), bool)
    mask[30:60, 40:70] = True
    image = rng.integers(60, 200, (96, 96)).astype(np.uint8)
    image[mask] //= 4
    return image, mask


def test_nothing_is_changed_where_all_probabilities_are_zero(pair):
    image, mask = augment(*pair, np.random.default_rng(3), OFF)
    np.testing.assert_array_equal(image, pair[0])
    np.testing.assert_array_equal(mask, pair[1])


@pytest.mark.parametrize("settings", [STRONG, LIGHT])
def test_the_same_seed_gives_the_same_result_and_inputs_stay(pair, settings):
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
        image, mask = augment(*pair, np.random.default_rng(seed), replace(STRONG, mirror=0, warp=0, margin=0))
        np.testing.assert_array_equal(mask, pair[1])
        assert image.dtype == np.uint8
        assert image.shape == pair[0].shape


def test_the_mirror_is_left_to_right_alone(pair):
    image, mask = augment(*pair, np.random.default_rng(0), replace(OFF, mirror=1.0))
    np.testing.assert_array_equal(image, pair[0][:, ::-1])
    np.testing.assert_array_equal(mask, pair[1][:, ::-1])


def test_marks_fall_alike_on_tumour_and_elsewhere():
    """Over many draws the share of marked pixels inside a central tumour is about that of its surroundings."""
    blank = np.zeros((128, 128), np.uint8)
    marked = np.mean([draw_random_marks(blank, np.random.default_rng(seed)) > 0 for seed in range(1500)], axis=0)
    inside, ring = marked[48:80, 48:80].mean(), marked[32:96, 32:96].mean()
    assert marked.mean() > 0.005
    assert 0.6 < inside / ring < 1.6


def disc(rng, side=64, radius=8):
    y, x = rng.integers(radius, side - radius, 2)
    rows, columns = np.ogrid[:side, :side]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def test_marks_do_not_seek_the_tumour():
    """As much is written over the tumour of an image as over the place where another image has its own."""
    rng = np.random.default_rng(0)
    masks = [disc(rng) for _ in range(800)]
    blank = np.zeros((64, 64), np.uint8)
    drawn = [augment(blank, m, np.random.default_rng(i), replace(OFF, marks=1.0))[0] > 0 for i, m in enumerate(masks)]
    on_own = np.array([d[m].mean() for d, m in zip(drawn, masks, strict=True)])
    on_other = np.array([d[m].mean() for d, m in zip(drawn, masks[1:] + masks[:1], strict=True)])
    gap = on_own - on_other
    assert on_other.mean() > 0.01
    assert abs(gap.mean()) < 3 * gap.std() / np.sqrt(len(gap))


def test_the_image_does_not_tell_whether_there_is_a_tumour(pair):
    """Where the field stays, the same seed changes an image alike with its mask and without."""
    settings = replace(STRONG, warp=0, marks=0.9)
    for seed in range(30):
        with_mask, _ = augment(*pair, np.random.default_rng(seed), settings)
        without, _ = augment(pair[0], np.zeros_like(pair[1]), np.random.default_rng(seed), settings)
        np.testing.assert_array_equal(with_mask, without)


def test_the_mask_ends_where_the_field_does(pair):
    cut = 0
    everywhere = np.ones_like(pair[1])
    for seed in range(40):
        image, mask = augment(np.maximum(pair[0], 1), everywhere, np.random.default_rng(seed), replace(OFF, margin=1.0))
        np.testing.assert_array_equal(image > 0, mask)
        cut += not mask.all()
    assert cut > 25


def test_a_field_is_one_piece_that_keeps_the_middle():
    from scipy.ndimage import label

    for seed in range(60):
        field = draw_field((90, 120), np.random.default_rng(seed))
        assert label(field)[1] == 1
        assert field[20:70, 40:80].all()
        assert field.mean() > 0.5


def test_a_tumour_is_never_lost_to_the_field_of_view():
    """Wherever it was, more than half of the tumour's area times the least magnification remains."""
    rng = np.random.default_rng(1)
    geometry = replace(STRONG, warp=1.0, zoom=(1.0, 1.5), margin=0)
    for seed in range(150):
        mask = disc(rng, 96, 7)
        _, moved = augment(np.zeros((96, 96), np.uint8), mask, np.random.default_rng(seed), geometry)
        assert moved.sum() > 0.5 * mask.sum()


def test_no_image_is_turned_upside_down():
    """Grey that grows with depth still does, and no tissue is mirrored above the skin."""
    ramp = np.repeat(np.linspace(20, 240, 96).astype(np.uint8)[:, None], 96, axis=1)
    for seed in range(60):
        settings = replace(OFF, mirror=0.5, warp=1.0, zoom=(0.75, 1.5), aspect=0.25, shift=0.12)
        image, _ = augment(ramp, np.zeros(ramp.shape, bool), np.random.default_rng(seed), settings)
        assert (np.diff(image[:60, 48].astype(int)) >= 0).all()
        assert image[0, 48] < image[60, 48]


def test_black_around_the_field_is_upright():
    """Rows and columns outside are wholly black or not at all."""
    white = np.full((96, 96), 255, np.uint8)
    seen = 0
    for seed in range(40):
        settings = replace(STRONG, warp=1.0, border=1.0, grey=0, speckle=0, shadow=0, margin=0, marks=0, erase=0)
        image, _ = augment(white, white > 0, np.random.default_rng(seed), settings)
        shown = image >= 128
        np.testing.assert_array_equal(shown, shown.any(axis=1)[:, None] & shown.any(axis=0)[None])
        seen += not shown.all()
    assert seen > 10


def test_greys_stay_those_of_a_sonogram():
    """Speckle and gain together neither blind nor blacken an image, and black stays black."""
    image = make_phantom(3, size=(128, 128)).image
    image[:, :20] = 0
    for seed in range(150):
        changed, _ = augment(image, image > 255, np.random.default_rng(seed), replace(OFF, grey=1.0, speckle=0.5))
        assert (changed == 255).mean() < 0.04
        assert 0.09 * 255 < changed.mean() < 0.6 * 255
        assert changed[:, :12].max() <= 2


def test_brighter_stays_brighter():
    """No grey wraps round: in a row, where the time gain is one, gain and curves keep the order of greys."""
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None], 64, axis=0)
    for seed in range(80):
        changed, _ = augment(ramp, ramp > 255, np.random.default_rng(seed), replace(OFF, grey=1.0))
        assert (np.diff(changed.astype(int), axis=1) >= 0).all()


def test_erased_strokes_have_the_grey_of_the_tissue_around():
    """Painted out, a mark's pixels have the mean of the tissue around it, not its darkest grey."""
    rng = np.random.default_rng(0)
    tissue = rng.integers(60, 120, (128, 128)).astype(np.uint8)
    marked = tissue.copy()
    strokes = np.zeros(tissue.shape, bool)
    strokes[30, 20:60] = strokes[80:110, 90] = True
    marked[strokes] = 250
    found = erase_strokes(marked, 5)[strokes].astype(float)
    assert abs(found.mean() - tissue.mean()) < 4
    assert found.max() < 130


def test_strokes_are_erased_and_tissue_is_not():
    image = np.full((64, 64), 60, np.uint8)
    image[20, 10:40] = 255  # a line of a caliper
    image[40:60, 40:60] = 200  # a bright region
    found = erase_strokes(image, 5)
    assert found[20, 10:40].max() < 90
    np.testing.assert_array_equal(found[42:58, 42:58], 200)


def test_images_of_any_shape_and_grey_are_augmented():
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
