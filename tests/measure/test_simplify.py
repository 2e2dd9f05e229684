"""Simplified outlines against the exact ones, and against matplotlib's and COCO's filling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path
from scipy import ndimage

from salus.measure.outline import fill_polygons, polygons, signed_area
from salus.measure.simplify import COCO_TOLERANCE, simplified_polygons


def blobs(seed: int, smoothness: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.random(rng.integers(12, 90, 2)), smoothness)
    return noise > np.quantile(noise, rng.uniform(0.3, 0.95))


def distance_to(ring: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance of each point to a closed line."""
    following = np.roll(ring, -1, axis=0)
    line = following - ring
    offsets = points[:, None] - ring
    along = np.clip((offsets * line).sum(-1) / np.maximum((line**2).sum(-1), 1e-12), 0, 1)
    return np.linalg.norm(offsets - along[..., None] * line, axis=-1).min(axis=1)


@given(
    seed=st.integers(0, 2**31), smoothness=st.sampled_from([0.0, 0.7, 2.0, 5.0]), tolerance=st.sampled_from([0.49, 0.3])
)
@settings(max_examples=60, deadline=None)
def test_filled_they_are_the_mask_and_within_half_a_pixel_of_it(seed: int, smoothness: float, tolerance: float) -> None:
    mask = blobs(seed, smoothness)
    exact, simple = polygons(mask), simplified_polygons(mask, tolerance)
    np.testing.assert_array_equal(fill_polygons(simple, mask.shape), mask)
    assert len(exact) == len(simple)
    for ring, few in zip(exact, simple, strict=True):
        assert len(few) <= len(ring)
        assert np.sign(signed_area(ring)) == np.sign(signed_area(few))
        corners = np.array(ring, float)
        middles = (corners + np.roll(corners, -1, axis=0)) / 2
        is_edge = np.abs(corners - np.roll(corners, -1, axis=0)).sum(axis=1) == 1
        if is_edge.any():
            assert distance_to(np.array(few), middles[is_edge]).max() <= 0.5


@pytest.mark.parametrize(("radius", "share"), [(8, 0.6), (25, 0.3), (120, 0.2)])
def test_a_disc_has_few_corners(radius: int, share: float) -> None:
    rows, columns = np.mgrid[: 3 * radius, : 3 * radius]
    disc = np.hypot(rows - 1.4 * radius, columns - 1.5 * radius) < radius
    (exact,), (few,) = polygons(disc), simplified_polygons(disc)
    assert len(few) < share * len(exact)
    middles = np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5
    np.testing.assert_array_equal(Path(few).contains_points(middles).reshape(disc.shape), disc)


def test_a_rectangle_keeps_its_corners() -> None:
    mask = np.zeros((30, 40), bool)
    mask[3:20, 5:31] = True
    assert simplified_polygons(mask) == [[(5, 3), (31, 3), (31, 20), (5, 20)]]


def test_cocos_own_tools_find_the_same_mask() -> None:
    coco = pytest.importorskip("pycocotools.mask", reason="pycocotools is not installed")
    for seed in range(40):
        labels, count = ndimage.label(blobs(seed, 3.0))
        for number in range(1, count + 1):
            mask = labels == number
            rings = simplified_polygons(mask, COCO_TOLERANCE)
            if len(rings) == 1:
                runs = coco.frPyObjects([[value for point in rings[0] for value in point]], *mask.shape)
                np.testing.assert_array_equal(coco.decode(runs)[..., 0] > 0, mask)
