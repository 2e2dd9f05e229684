"""Lesions put in and taken out, on images where it is known which grey is from where."""

import numpy as np

from salus.lab.training.augment.lesions import RIM, cover_lesion, paste_lesion

SIDE = 100
REACH = 2 * RIM[1] * SIDE + 1  # pixels around a lesion that may change


def disc(row, column, radius):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def image_of(mask, ground, lesion, seed=0):
    """Tissue of a brightness with a little noise, darker in the mask."""
    noise = np.random.default_rng(seed).integers(-5, 6, (SIDE, SIDE))
    return (np.where(mask, lesion, ground) + noise).astype(np.uint8)


def far_from(mask):
    rows, columns = np.nonzero(mask)
    around = np.zeros_like(mask)
    reach = int(np.ceil(REACH))
    around[
        max(0, rows.min() - reach) : rows.max() + reach + 1, max(0, columns.min() - reach) : columns.max() + reach + 1
    ] = 1
    return ~around


def test_a_covered_lesion_is_gone_and_the_rest_is_as_it_was():
    mask = disc(40, 30, 8)
    image = image_of(mask, 120, 30)
    for seed in range(20):
        covered, empty = cover_lesion(image, mask, image, mask, np.random.default_rng(seed))
        assert not empty.any()
        assert covered.min() > 100  # no grey of the lesion is left, nor was another's moved in
        np.testing.assert_array_equal(covered[far_from(mask)], image[far_from(mask)])


def test_tissue_of_another_scanner_is_made_as_bright_and_comes_without_its_lesions():
    mask, taken = disc(40, 30, 8), disc(42, 70, 10)
    image, donor = image_of(mask, 120, 30), image_of(taken, 80, 20, seed=1)
    made = [cover_lesion(image, mask, donor, taken, np.random.default_rng(seed)) for seed in range(20)]
    found = [one for one in made if one is not None]
    assert len(found) > 10
    for covered, _ in found:
        assert covered.min() > 100
        assert abs(covered[mask].mean() - 120) < 3


def test_without_room_nothing_is_covered():
    wide = np.zeros((SIDE, SIDE), bool)
    wide[30:60, 10:90] = True
    assert cover_lesion(image_of(wide, 120, 30), wide, image_of(wide, 120, 30), wide, np.random.default_rng(0)) is None
    mask, black = disc(40, 30, 8), np.zeros((SIDE, SIDE), np.uint8)
    assert cover_lesion(image_of(mask, 120, 30), mask, black, mask & False, np.random.default_rng(0)) is None


def test_a_pasted_lesion_lies_where_its_mask_says():
    lesion = disc(40, 30, 8)
    other = image_of(lesion, 80, 20)
    none = np.zeros_like(lesion)
    image = image_of(none, 160, 0, seed=1)
    places = set()
    for seed in range(20):
        pasted, mask = paste_lesion(image, none, other, lesion, np.random.default_rng(seed))
        assert mask.sum() == lesion.sum()
        assert pasted[mask].max() < 60  # 20 + 5, twice as bright at most, for the ground is
        assert abs(pasted[mask].mean() - 40) < 3
        np.testing.assert_array_equal(pasted[far_from(mask)], image[far_from(mask)])
        rows, columns = np.nonzero(mask)
        places.add((rows.min(), columns.min()))
        assert abs(rows.mean() - 40) < 0.08 * SIDE * 4  # about its depth
    assert len(places) > 15


def test_a_lesion_that_is_there_stays():
    lesion, own = disc(40, 30, 8), disc(45, 60, 12)
    other, image = image_of(lesion, 80, 20), image_of(own, 90, 25, seed=1)
    made = [paste_lesion(image, own, other, lesion, np.random.default_rng(seed)) for seed in range(20)]
    found = [one for one in made if one is not None]
    assert len(found) > 10
    for pasted, mask in found:
        assert mask.sum() == lesion.sum() + own.sum()
        np.testing.assert_array_equal(pasted[own], image[own])


def test_nothing_is_pasted_where_there_is_no_tissue():
    lesion = disc(40, 30, 8)
    black = np.zeros((SIDE, SIDE), np.uint8)
    assert paste_lesion(black, lesion & False, image_of(lesion, 80, 20), lesion, np.random.default_rng(0)) is None
