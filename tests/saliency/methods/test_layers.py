"""Layers of the breast, on images whose boundaries are known."""

import numpy as np
import pytest

from salus.saliency.methods.layers import (
    LAYERS,
    RANGES,
    SIDE,
    STEP_COST,
    TUMOUR_FREQUENCY,
    find_best_path,
    find_layer_boundaries,
    layer_depth,
    layer_weight,
)


def bands(tilt=0.0):
    """A dark fat layer between bright skin and a bright gland above a brighter muscle, without noise."""
    rows = (np.arange(128)[:, None] + 0.5) / 128 + tilt * (np.arange(128) / 127 - 0.5)
    return np.select([rows < 0.08, rows < 0.3, rows < 0.7], [180, 60, 130], 220).astype(np.uint8)


@pytest.mark.parametrize("tilt", [0.0, 0.05])
def test_finds_bands(tilt):
    slope = tilt * (np.arange(128) / 127 - 0.5)
    lines = find_layer_boundaries(bands(tilt))
    assert lines.shape == (3, 128)
    for line, expected in zip(lines, (0.08, 0.3, 0.7), strict=True):
        assert np.abs(line - (expected - slope)).max() < 0.03


def test_a_tumour_in_the_gland_hardly_bends_them():
    image = bands()
    image[52:76, 40:80] = 20
    assert np.abs(find_layer_boundaries(image) - find_layer_boundaries(bands())).max() < 0.03


def test_depth_counts_layers():
    depth = layer_depth(bands())
    assert (np.diff(depth, axis=0) >= 0).all()
    assert depth.min() >= 0
    assert depth.max() <= len(LAYERS)
    middles = [round(128 * row) for row in (0.04, 0.19, 0.5, 0.85)]
    assert depth[middles, 64] == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=0.15)


@pytest.mark.parametrize("seed", range(3))
def test_boundaries_stay_in_order_and_range_on_noise(seed):
    image = np.random.default_rng(seed).integers(0, 256, (128, 128)).astype(np.uint8)
    lines = find_layer_boundaries(image)
    assert (np.diff(lines, axis=0) > 0).all()
    for line, (low, high) in zip(lines, RANGES, strict=True):
        assert line.min() >= low
        assert line.max() <= high + 1 / SIDE


@pytest.mark.parametrize("value", [0, 255])
def test_a_flat_image_gets_the_usual_depths(value):
    lines = find_layer_boundaries(np.full((64, 80), value, np.uint8))
    assert lines[:, 5] == pytest.approx([0.08, 0.25, 0.72], abs=1 / 64)


def brute_path(gain):
    rows, columns = gain.shape

    def best(row, column):
        here = gain[row, column]
        if column == columns - 1:
            return here, [row]
        values = [
            (here - STEP_COST * abs(step) + value, [row, *rest])
            for step in (-1, 0, 1)
            if 0 <= row + step < rows
            for value, rest in [best(row + step, column + 1)]
        ]
        return max(values)

    return max(best(row, 0) for row in range(rows))


@pytest.mark.parametrize("seed", range(5))
def test_path_against_brute_force(seed):
    gain = np.random.default_rng(seed).normal(size=(4, 7)) * 0.1
    value, rows = brute_path(gain)
    found = find_best_path(gain)
    assert found.tolist() == rows
    assert gain[found, np.arange(7)].sum() - STEP_COST * np.abs(np.diff(found)).sum() == pytest.approx(value)


def test_weight_is_largest_in_the_mammary_layer():
    depths = np.linspace(0, 4, 81)
    weight = layer_weight(depths)
    assert 1.5 <= depths[weight.argmax()] <= 2.5
    assert weight[depths < 0.5].max() < 0.1
    assert len(TUMOUR_FREQUENCY) == 2 * len(LAYERS) + 1
