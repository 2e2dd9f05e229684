"""Superpixels and their measures, against loops over the pixels."""

import numpy as np
import pytest
from scipy import ndimage

from salus.data.phantom.make import make_phantom
from salus.preprocess import resize, to_uint8
from salus.saliency.methods.superpixels import compute_superpixels, measure_regions


@pytest.fixture(scope="module")
def image():
    return to_uint8(resize(make_phantom(3).image, (128, 128)))


def brute_edges(labels):
    found = {}
    h, w = labels.shape
    for r in range(h):
        for c in range(w):
            for rr, cc in ((r + 1, c), (r, c + 1)):
                if rr < h and cc < w and labels[r, c] != labels[rr, cc]:
                    pair = tuple(sorted((int(labels[r, c]), int(labels[rr, cc]))))
                    found[pair] = found.get(pair, 0) + 1
    return found


def test_there_are_about_as_many_regions_as_desired_and_each_is_connected(image):
    regions = compute_superpixels(image)
    n = len(regions.area)
    assert 180 <= n <= 280
    assert regions.labels.dtype == np.int32
    assert np.array_equal(np.unique(regions.labels), np.arange(n))
    assert all(ndimage.label(regions.labels == k)[1] == 1 for k in range(n))


def test_measures_of_a_region_agree_with_a_loop(image):
    regions = compute_superpixels(image)
    for k in range(0, len(regions.area), 17):
        inside = regions.labels == k
        rows, columns = np.nonzero(inside)
        assert regions.area[k] == inside.sum()
        assert regions.mean[k] == pytest.approx(image[inside].mean() / 255)
        assert regions.centre[k] == pytest.approx([(rows.mean() + 0.5) / 128, (columns.mean() + 0.5) / 128])
        assert regions.average(image)[k] == pytest.approx(image[inside].mean())


def test_edges_and_shared_lengths_agree_with_a_loop(image):
    regions = compute_superpixels(image)
    found = dict(zip(map(tuple, regions.edges.tolist()), regions.shared.tolist(), strict=True))
    assert found == brute_edges(regions.labels)


def test_regions_follow_a_strong_edge():
    image = np.full((128, 128), 40, np.uint8)
    image[37:91, 22:70] = 220
    regions = compute_superpixels(image)
    bright = regions.to_map(regions.mean > 0.5)
    assert (bright != (image > 128)).mean() < 0.02  # a bare grid of 15 x 15 misses 0.03


def test_a_map_keeps_values_and_type():
    labels = np.array([[0, 1], [2, 2]])
    regions = measure_regions(np.zeros((2, 2), np.uint8), labels)
    assert np.array_equal(regions.to_map(np.array([5.0, 6.0, 7.0])), [[5, 6], [7, 7]])
    assert regions.to_map(np.array([True, False, True])).dtype == bool


def test_missing_labels_are_renumbered():
    regions = measure_regions(np.array([[0, 255]], np.uint8), np.array([[3, 7]]))
    assert regions.labels.tolist() == [[0, 1]]
    assert regions.mean.tolist() == [0, 1]


@pytest.mark.parametrize("shape", [(8, 8), (8, 128), (64, 40)])
@pytest.mark.parametrize("value", [0, 255])
def test_small_and_flat_images_have_regions(shape, value):
    regions = compute_superpixels(np.full(shape, value, np.uint8))
    assert regions.area.sum() == shape[0] * shape[1]
    assert np.allclose(regions.mean, value / 255)


def test_the_same_image_gives_the_same_regions(image):
    assert np.array_equal(compute_superpixels(image).labels, compute_superpixels(image.copy()).labels)


def test_neighbours_are_averaged_by_the_shared_boundary():
    labels = np.array([[0, 0, 1], [0, 0, 2], [3, 3, 3]])
    regions = measure_regions(np.zeros((3, 3), np.uint8), labels)
    averages = regions.average_neighbours(np.array([1.0, 2.0, 4.0, 8.0]))
    np.testing.assert_allclose(averages, [(2 + 4 + 2 * 8) / 4, (1 + 4) / 2, (1 + 2 + 8) / 3, (2 * 1 + 4) / 3])


def test_an_only_region_has_no_neighbours():
    regions = measure_regions(np.zeros((2, 2), np.uint8), np.zeros((2, 2), int))
    assert regions.average_neighbours(np.array([5.0])).tolist() == [0]
