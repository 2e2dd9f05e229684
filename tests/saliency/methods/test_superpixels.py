import numpy as np
import pytest
from scipy import ndimage

from salus.data.phantom.make import make_phantom
from salus.preprocess import resize, to_bytes
from salus.saliency.methods.superpixels import describe_regions, superpixels


@pytest.fixture(scope="module")
def image():
    return to_bytes(resize(make_phantom(3).image, (128, 128)))


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


def test_about_the_wanted_number_and_each_connected(image):
    regions = superpixels(image)
    n = len(regions.area)
    assert 180 <= n <= 280
    assert regions.labels.dtype == np.int32
    assert np.array_equal(np.unique(regions.labels), np.arange(n))
    assert all(ndimage.label(regions.labels == k)[1] == 1 for k in range(n))


def test_figures_of_each_region_against_a_loop(image):
    regions = superpixels(image)
    for k in range(0, len(regions.area), 17):
        inside = regions.labels == k
        rows, columns = np.nonzero(inside)
        assert regions.area[k] == inside.sum()
        assert regions.mean[k] == pytest.approx(image[inside].mean() / 255)
        assert regions.centre[k] == pytest.approx([(rows.mean() + 0.5) / 128, (columns.mean() + 0.5) / 128])
        assert regions.average(image)[k] == pytest.approx(image[inside].mean())


def test_edges_and_shared_lengths_against_a_loop(image):
    regions = superpixels(image)
    found = dict(zip(map(tuple, regions.edges.tolist()), regions.shared.tolist(), strict=True))
    assert found == brute_edges(regions.labels)


def test_regions_follow_a_strong_edge():
    image = np.full((128, 128), 40, np.uint8)
    image[37:91, 22:70] = 220
    regions = superpixels(image)
    bright = regions.paint(regions.mean > 0.5)
    assert (bright != (image > 128)).mean() < 0.02  # a bare grid of 15 x 15 misses 0.03


def test_paint_keeps_values_and_type():
    labels = np.array([[0, 1], [2, 2]])
    regions = describe_regions(np.zeros((2, 2), np.uint8), labels)
    assert np.array_equal(regions.paint(np.array([5.0, 6.0, 7.0])), [[5, 6], [7, 7]])
    assert regions.paint(np.array([True, False, True])).dtype == bool


def test_missing_labels_are_closed_up():
    regions = describe_regions(np.array([[0, 255]], np.uint8), np.array([[3, 7]]))
    assert regions.labels.tolist() == [[0, 1]]
    assert regions.mean.tolist() == [0, 1]


@pytest.mark.parametrize("shape", [(8, 8), (8, 128), (64, 40)])
@pytest.mark.parametrize("value", [0, 255])
def test_small_and_flat_images(shape, value):
    regions = superpixels(np.full(shape, value, np.uint8))
    assert regions.area.sum() == shape[0] * shape[1]
    assert np.allclose(regions.mean, value / 255)


def test_the_same_image_gives_the_same_regions(image):
    assert np.array_equal(superpixels(image).labels, superpixels(image.copy()).labels)
