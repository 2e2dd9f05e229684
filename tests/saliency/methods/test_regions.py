"""The classifier of superpixels, with trees whose outputs are known."""

import numpy as np
import pytest
from scipy.special import expit

from salus.data.phantom.make import make_phantom
from salus.errors import SalusError
from salus.preprocess import resize
from salus.saliency.methods.cues import to_working_size
from salus.saliency.methods.region_features import compute_features
from salus.saliency.methods.regions import PARAMETERS, RegionModel, RegionSaliency, compute_context, make_map
from salus.saliency.methods.superpixels import compute_superpixels, measure_regions
from salus.saliency.methods.trees import Trees


def leaf(width, value=0.0):
    """Trees with the same output for every sample."""
    return Trees(
        np.array([0]), np.zeros(1, np.int16), np.float32([np.inf]), np.array([0]), np.float32([0]), value, 0, width
    )


def stump(width, feature, threshold, low, high):
    return Trees(
        np.array([0]),
        np.array([feature, 0, 0], np.int16),
        np.float32([threshold, np.inf, np.inf]),
        np.array([1, 1, 2]),
        np.float32([0, low, high]),
        0.0,
        1,
        width,
    )


@pytest.fixture(scope="module")
def image():
    return make_phantom(2, size=(160, 160)).image


@pytest.fixture(scope="module")
def names(image):
    small = to_working_size(image)
    return compute_features(small, compute_superpixels(small))[1]


def test_a_model_of_constant_low_odds_gives_a_low_map(image, names):
    context_width = compute_context(np.zeros(9), compute_superpixels(np.zeros((128, 128), np.uint8), 9)).shape[1]
    k = len(names)
    model = RegionModel(names, leaf(k), leaf(k + context_width), 2.0, -6.0)
    maps = RegionSaliency(model).estimate(image[None])
    assert maps.shape == (1, 160, 160)
    assert maps.dtype == np.float32
    assert maps.max() < 0.05


def test_the_model_calibrates_the_second_trees(image, names):
    small = to_working_size(image)
    regions = compute_superpixels(small)
    features, _ = compute_features(small, regions)
    k, depth = len(names), names.index("row")
    context_width = compute_context(np.zeros(len(features)), regions).shape[1]
    second = stump(k + context_width, k, 0.5, -1.0, 3.0)  # tests the first trees' log odds
    model = RegionModel(names, stump(k, depth, 0.4, 0.0, 1.0), second, 2.0, 0.25)
    deep = features[:, depth] > np.float32(0.4)
    assert model.log_odds(features, regions) == pytest.approx(np.where(deep, 6.25, -1.75))


def test_the_map_is_high_at_a_tumour_and_stays_low_for_flat_odds():
    regions = compute_superpixels(np.random.default_rng(0).integers(0, 256, (128, 128)).astype(np.uint8))
    lit = np.where(np.hypot(*(regions.centre - 0.5).T) < 0.15, 3.0, -5.0)
    saliency = make_map(lit, regions, PARAMETERS)
    assert saliency.min() >= 0
    assert saliency.max() <= 1
    assert saliency[64, 64] > 0.5
    assert saliency[:10].max() < 0.05
    quiet = make_map(np.full(len(lit), -4.0), regions, PARAMETERS)
    assert quiet.max() < expit(-4.0) + 0.01


def test_the_context_compares_a_region_with_the_others():
    labels = np.arange(64).reshape(8, 8).repeat(16, axis=0).repeat(16, axis=1)
    regions = measure_regions(np.full((128, 128), 9, np.uint8), labels)
    odds = np.full(64, -4.0)
    odds[27] = 2.0
    context = compute_context(odds, regions)
    assert np.array_equal(context[:, 0], np.float32(odds))
    assert (context[:, 2] == 2).all()
    assert context[27, 3] == 0
    ring = context[:, 4]  # the mean of the neighbours
    assert ring[27] == pytest.approx(-4)
    assert ring[[19, 26, 28, 35]] == pytest.approx(-4 + 6 / 4)
    assert ring[0] == pytest.approx(-4)
    assert context[35, 8] == 2
    away = context[:, 15]
    assert away.argmin() == 27
    assert away[63] == pytest.approx(np.hypot(4, 4) / 8, abs=0.02)


def test_saved_and_loaded_models_agree(tmp_path, image, names):
    k = len(names)
    context_width = compute_context(np.zeros(9), compute_superpixels(np.zeros((128, 128), np.uint8), 9)).shape[1]
    model = RegionModel(names, stump(k, 0, 0.4, -1, 1), stump(k + context_width, k, 0, -3, 1), 1.5, 0.1)
    method = RegionSaliency(model)
    method.save(tmp_path / "m.npz")
    again = RegionSaliency.load(tmp_path / "m.npz")
    assert np.array_equal(method.estimate(image[None]), again.estimate(image[None]))
    assert again.model.parameters == model.parameters
    with pytest.raises(SalusError, match="another version"):
        RegionSaliency(RegionModel(names[:-1], model.first, model.second, 1, 0)).estimate(image[None])


def test_any_size_gives_nearly_the_same_map(image, names):
    k = len(names)
    context_width = compute_context(np.zeros(9), compute_superpixels(np.zeros((128, 128), np.uint8), 9)).shape[1]
    method = RegionSaliency(
        RegionModel(names, stump(k, 0, 0.4, -1, 1), stump(k + context_width, k, 0, -3, 1), 1.5, 0.1)
    )
    small = to_working_size(image)
    large = resize(method.estimate(image[None])[0], (128, 128))
    assert np.abs(large - method.estimate(small[None])[0]).mean() < 0.01


@pytest.mark.parametrize("content", [b"", b"PK no", None])
def test_a_damaged_file_is_an_error_of_one_line(tmp_path, content):
    path = tmp_path / "m.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SalusError, match=r"m\.npz") as error:
        RegionSaliency.load(path)
    assert "\n" not in str(error.value)


def test_a_file_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "m.npz", map=np.zeros(3))
    with pytest.raises(SalusError, match=r"m\.npz"):
        RegionSaliency.load(tmp_path / "m.npz")
