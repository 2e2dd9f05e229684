"""Polygons give the mask again, and labels and masks belong to the lesions they are said to belong to."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.write.segmentations import fill_polygons, l_and_ring, segmentation_of

from salus.write.polygons import lesion_labels, lesion_masks, polygons, signed_area


@settings(max_examples=200, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_filled_polygons_are_the_mask(mask):
    rings = polygons(mask)
    np.testing.assert_array_equal(fill_polygons(mask.shape, rings), mask)
    assert sum(map(signed_area, rings)) == mask.sum()  # holes count negative
    for ring in rings:
        steps = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)]
        assert all((dx == 0) != (dy == 0) for dx, dy in steps)
        assert all((a[0] == 0) != (b[0] == 0) for a, b in zip(steps, steps[1:] + steps[:1], strict=True))


def renumbered(offset):
    segmentation = segmentation_of(l_and_ring())
    lesions = tuple(replace(lesion, number=lesion.number + offset) for lesion in segmentation.lesions)
    return replace(segmentation, lesions=lesions)


def test_labels_are_the_numbers_of_the_lesions():
    segmentation = renumbered(4)
    labels = lesion_labels(segmentation)
    assert sorted(np.unique(labels)) == [0, 5, 6]
    for lesion in segmentation.lesions:
        rows, columns = np.nonzero(labels == lesion.number)
        assert (rows.min(), columns.min(), len(rows)) == (*lesion.box[:2], lesion.area_px)


def test_each_lesion_has_its_own_mask_also_beyond_number_255():
    segmentation = renumbered(300)
    masks = list(lesion_masks(segmentation))
    assert [lesion.number for lesion, _ in masks] == [301, 302]
    assert [mask.sum() for _, mask in masks] == [lesion.area_px for lesion in segmentation.lesions]
    np.testing.assert_array_equal(sum(mask for _, mask in masks), segmentation.mask)
    assert set(np.unique(lesion_labels(segmentation))) == {0, 255}


def test_a_lesion_that_the_mask_lacks_has_no_pixel():
    segmentation = replace(segmentation_of(l_and_ring()), mask=np.zeros((40, 64), bool))
    assert not lesion_labels(segmentation).any()
    assert [mask.any() for _, mask in lesion_masks(segmentation)] == [False, False]
