"""Features of regions, on drawn discs, speckle and phantoms."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from salus.data.phantom.make import make_phantom
from salus.saliency.methods.cues import to_working_size
from salus.saliency.methods.region_features import compute_features
from salus.saliency.methods.superpixels import compute_superpixels, measure_regions

SQUARES = np.arange(256).reshape(16, 16).repeat(8, axis=0).repeat(8, axis=1)  # 256 regions of 8 x 8


def features_by_name(image, labels=SQUARES):
    features, names = compute_features(image, measure_regions(image, labels))
    return {name: features[:, i] for i, name in enumerate(names)}


def speckle(seed):
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=(128, 128)), 3)
    return np.clip(120 + 400 * field, 1, 250).astype(np.uint8)


def disc(row, column, radius, inside=40, outside=160):
    rows, columns = np.mgrid[:128, :128]
    image = np.full((128, 128), outside, np.uint8)
    image[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = inside
    return image


def test_every_region_has_finite_features_of_unique_names():
    image = to_working_size(make_phantom(3, size=(160, 160)).image)
    regions = compute_superpixels(image)
    features, names = compute_features(image, regions)
    assert features.shape == (len(regions.area), len(names))
    assert features.dtype == np.float32
    assert len(set(names)) == len(names)
    assert np.isfinite(features).all()


@pytest.mark.parametrize("grey", [0, 77, 255])
def test_an_even_image_is_finite(grey):
    assert all(np.isfinite(values).all() for values in features_by_name(np.full((128, 128), grey, np.uint8)).values())


def test_a_mirrored_image_has_mirrored_features():
    image = speckle(1)
    original, mirror = features_by_name(image), features_by_name(image[:, ::-1].copy())
    for name, values in original.items():
        # Ties of the path, equal ranks, and centres between two cells, as all squares have, fall to one side.
        if name in ("layer", "place by rank") or "basin" in name:
            continue
        mirrored = mirror[name].reshape(16, 16)[:, ::-1].ravel()
        assert np.abs(values - mirrored).max() <= 2e-2 * (np.abs(values).max() + 1e-6), name


def test_gamma_hardly_changes_features_of_rank():
    image = np.random.default_rng(0).permuted(np.arange(16384) % 200).reshape(128, 128).astype(np.uint8)
    image = gaussian_filter(image.astype(float), 4)
    image = np.rint((image - image.min()) / np.ptp(image) * 100).astype(np.uint8)
    changed = (image.astype(int) ** 2 // 45).clip(0, 255).astype(np.uint8)
    original, other = features_by_name(image), features_by_name(changed)
    strict = len(np.unique(image)) == len(np.unique(changed))
    for name in ("rank", "ring", "dark 2-4", "dark 2-16", "walls 10", "texture 7", "beneath 12", "shadow", "basin"):
        assert np.abs(original[name] - other[name]).max() < (1e-6 if strict else 0.05), name


def test_darkness_and_walls_peak_in_a_dark_disc():
    found = features_by_name(disc(60, 68, 14))
    at = SQUARES[60, 68]
    for name in ("dark 4-8", "dark 2-16", "walls 20", "lowest wall 20", "ring", "closing 17"):
        if name == "ring":
            assert found["wide 8"][at] == pytest.approx(found["wide 8"].max(), rel=0.05)
        else:
            assert found[name][at] >= 0.8 * found[name].max() > 0, name
    assert found["lowest wall 20"][0] < 0.1


def test_a_basin_is_closed_unless_it_reaches_sides_or_bottom():
    inside = features_by_name(disc(60, 68, 20))
    at = SQUARES[60, 68]
    # All that lies below a threshold is the disc, so the basin is as large as the threshold.
    assert inside["basin"][at] == pytest.approx(inside["basin closes"][at], rel=0.05)
    assert inside["basin row"][at] == pytest.approx(60 / 128, abs=0.02)
    assert inside["basin compact"][at] == pytest.approx(1, abs=0.15)
    assert inside["basin"][0] == 0
    assert features_by_name(disc(126, 68, 20))["basin"][SQUARES[124, 68]] == 0
    assert features_by_name(disc(60, 2, 20))["basin"][SQUARES[60, 4]] == 0


def test_paths_to_borders_cost_the_steps_of_grey():
    found = features_by_name(disc(60, 68, 14))
    at, outside = SQUARES[60, 68], SQUARES[20, 20]
    assert found["path top"][outside] == pytest.approx(0, abs=0.01)
    step = found["rank"][outside] - found["rank"][at]
    assert found["path top"][at] == pytest.approx(step, abs=0.02)
    assert found["path nearer side"][at] == pytest.approx(step, abs=0.02)


def test_a_shadow_is_darker_than_beside_it():
    image = disc(40, 64, 12)
    image[52:, 54:74] = 60
    at = SQUARES[40, 64]
    assert features_by_name(image)["shadow"][at] < -0.1
    image[52:, 54:74] = 250
    assert features_by_name(image)["shadow"][at] > 0.1
