"""Outlines and run lengths against skimage and COCO's own tools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import points_in_poly

from salus.measure.outline import decode_runs, encode_runs, fill_polygons, polygons

MASKS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


@settings(max_examples=200, deadline=None)
@given(MASKS)
def test_filling_is_the_inverse_of_tracing(mask):
    np.testing.assert_array_equal(fill_polygons(polygons(mask), mask.shape), mask)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 35), st.floats(-5, 25)), min_size=3, max_size=12))
def test_any_polygon_holds_the_pixels_whose_middle_is_in_it(ring):
    # No edge passes through a pixel's middle, where two rules may differ: the shifts have no common measure.
    ring = [(round(x, 3) + 0.0001, round(y, 3) + 0.0001 * 2**0.5) for x, y in ring]
    rows, columns = np.mgrid[:20, :30] + 0.5
    inside = points_in_poly(np.stack([columns.ravel(), rows.ravel()], axis=1), ring).reshape(20, 30)
    np.testing.assert_array_equal(fill_polygons([ring], (20, 30)), inside)


@settings(max_examples=100, deadline=None)
@given(MASKS)
def test_runs_are_cocos(mask):
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    runs = encode_runs(mask.ravel(order="F"))
    packed = coco.frPyObjects({"size": list(mask.shape), "counts": runs}, *mask.shape)
    np.testing.assert_array_equal(coco.decode(packed), mask)
    np.testing.assert_array_equal(decode_runs(runs, mask.size), mask.ravel(order="F"))


@pytest.mark.parametrize("runs", [[3], [0, 9, 1], [-1, 10], []])
def test_runs_of_another_length_are_refused(runs):
    with pytest.raises(ValueError, match="run lengths of"):
        decode_runs(runs, 9)
