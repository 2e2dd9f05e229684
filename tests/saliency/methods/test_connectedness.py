"""Connectedness to the borders, against the algorithm of Floyd and Warshall and on drawn images."""

import itertools

import numpy as np
import pytest

from salus.saliency.methods.connectedness import neutro_connectedness, touches_borders
from salus.saliency.methods.superpixels import measure_regions


def random_regions(seed, side=4, block=3):
    """side x side blocks of random grey, some of them alike."""
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, 6, (side, side)) * 40
    labels = np.arange(side * side).reshape(side, side)
    big = np.ones((block, block), int)
    return measure_regions(np.kron(grey, big).astype(np.uint8), np.kron(labels, big))


def widest(weights, seeds):
    """Bottleneck paths by Floyd and Warshall."""
    best = weights.copy()
    for k, i, j in itertools.product(range(len(best)), repeat=3):
        best[i, j] = max(best[i, j], min(best[i, k], best[k, j]))
    return best[:, seeds].max(axis=1)


def matrix(regions, values, empty, diagonal):
    n = len(regions.area)
    found = np.full((n, n), empty)
    np.fill_diagonal(found, diagonal)
    for (i, j), v in zip(regions.edges, values, strict=True):
        found[i, j] = found[j, i] = v
    return found


def differences(regions):
    return np.abs(regions.mean[regions.edges[:, 0]] - regions.mean[regions.edges[:, 1]])


@pytest.mark.parametrize("seed", range(6))
def test_neutro_connectedness_against_floyd_warshall(seed):
    regions = random_regions(seed)
    mu = matrix(regions, np.exp(-(differences(regions) ** 2) / (2 * 0.3**2)), 0.0, 1.0)
    found = neutro_connectedness(regions, 0.3)
    at = touches_borders(regions)
    for border in range(4):
        assert found[:, border] == pytest.approx(widest(mu, np.flatnonzero(at[:, border])))


def test_touches_names_the_borders_in_order():
    labels = np.array([[0, 0, 0], [1, 4, 2], [3, 3, 3]])
    at = touches_borders(measure_regions(np.zeros((3, 3), np.uint8), labels))
    assert at.astype(int).tolist() == [[1, 0, 1, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 1, 1], [0, 0, 0, 0]]


def test_a_shadow_joins_a_tumour_to_the_bottom_alone():
    image = np.full((60, 60), 150, np.uint8)
    image[20:60, 20:40] = 30
    labels = np.arange(36).reshape(6, 6).repeat(10, axis=0).repeat(10, axis=1)
    tumour = labels[25, 25]
    found = neutro_connectedness(measure_regions(image, labels))[tumour]
    assert found[1] == 1
    assert (found[[0, 2, 3]] < 0.01).all()


def test_a_dark_spot_is_less_connected_than_what_is_around_it():
    image = np.full((60, 60), 150, np.uint8)
    image[20:40, 20:40] = 30
    regions = measure_regions(image, np.arange(36).reshape(6, 6).repeat(10, axis=0).repeat(10, axis=1))
    dark = regions.mean < 0.5
    connectedness = neutro_connectedness(regions).max(axis=1)
    assert connectedness[dark].max() < 0.01
    assert connectedness[~dark].min() > 0.99


def test_one_region_is_connected_to_all():
    regions = measure_regions(np.zeros((4, 4), np.uint8), np.zeros((4, 4), int))
    assert neutro_connectedness(regions).tolist() == [[1, 1, 1, 1]]
