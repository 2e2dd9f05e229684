"""Predicted quality of maps, and the gate."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from salus.data.phantom.make import make_phantom
from salus.errors import SalusError
from salus.metrics.segmentation import score
from salus.saliency.confidence import (
    DESCRIPTORS,
    Confidence,
    best_dice,
    describe_maps,
    fit_confidence,
    gate_maps,
    solidity,
)
from salus.saliency.methods.prior import PriorSaliency


def blob(row, column, sigma, side=64):
    rows, columns = np.mgrid[:side, :side]
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2)).astype(np.float32)


def planted(n, seed):
    """A blob on a tumour of radius 8, under a random share of noise, which decides the quality."""
    rng = np.random.default_rng(seed)
    mask = blob(28, 32, 1) > np.exp(-32)
    noise = rng.uniform(0, 1, n)
    maps = [(1 - a) * blob(28, 32, 8) + a * gaussian_filter(rng.random((64, 64)), 1) for a in noise]
    return np.clip(maps, 0, 1), np.repeat(mask[None], n, axis=0)


def test_best_dice_is_the_best_of_all_thresholds():
    rng = np.random.default_rng(1)
    for _ in range(20):
        s = rng.integers(0, 12, (9, 11)) / 11  # with ties
        mask = rng.random((9, 11)) < rng.uniform(0.1, 0.9)
        assert best_dice(s, mask) == pytest.approx(max(score(mask, s >= t).dice for t in np.unique(s)))
    assert best_dice(np.array([0.3, 0.1]), np.zeros(2, bool)) == pytest.approx(0.7)


def test_a_planted_relation_is_recovered_on_maps_not_seen():
    prior = blob(28, 32, 12)
    confidence = fit_confidence(*planted(150, 0), prior)
    maps, masks = planted(80, 1)
    quality = [best_dice(s, m) for s, m in zip(maps, masks, strict=True)]
    predicted = confidence.predict(maps, prior)
    assert spearmanr(predicted, quality)[0] > 0.9
    assert np.abs(predicted - quality).mean() < 0.05


def test_the_fit_is_the_minimum_of_its_loss():
    """The gradient of the stated loss, taken by differences, vanishes, and any step away is worse."""
    maps, masks = planted(40, 2)
    prior = blob(30, 30, 15)
    confidence = fit_confidence(maps, masks, prior, ridge=0.5)
    z = (describe_maps(maps, prior) - confidence.mean) / confidence.scale
    q = np.array([best_dice(s, m) for s, m in zip(maps, masks, strict=True)])

    def loss(weights, bias):
        c = 1 / (1 + np.exp(-(z @ weights + bias)))
        return -(q * np.log(c) + (1 - q) * np.log(1 - c)).sum() + 0.25 * (weights**2).sum() + 0.00025 * bias**2

    best = loss(confidence.weights, confidence.bias)
    for i in range(len(DESCRIPTORS)):
        step = np.eye(len(DESCRIPTORS))[i] * 1e-3
        up, down = loss(confidence.weights + step, confidence.bias), loss(confidence.weights - step, confidence.bias)
        assert min(up, down) > best - 1e-12
        assert abs(up - down) < 1e-6
    assert loss(confidence.weights, confidence.bias + 1e-3) > best


def test_it_ranks_the_maps_of_phantoms_it_has_not_seen():
    """Each of 48 phantoms is predicted by a fit on the other three quarters, with their location prior."""
    phantoms = [make_phantom(seed, size=(64, 64), tumour=seed % 6 != 0) for seed in range(48)]
    images, masks = np.array([p.image for p in phantoms]), np.array([p.mask for p in phantoms])
    dark = np.array([1 - gaussian_filter(image / 255, 2) for image in images])
    fold = np.arange(48) % 4
    quality, predicted = np.zeros(48), np.zeros(48)
    for number in range(4):
        test, training = fold == number, fold != number
        location = PriorSaliency()
        location.fit(images[training], masks[training])
        maps = location.map * dark**2
        confidence = fit_confidence(maps[training], masks[training], location.map)
        predicted[test] = confidence.predict(maps[test], location.map)
        quality[test] = [best_dice(s, m) for s, m in zip(maps[test], masks[test], strict=True)]
    assert spearmanr(predicted, quality)[0] > 0.4


def test_confidence_lies_within_zero_and_one_whatever_the_map():
    confidence = fit_confidence(*planted(60, 0), blob(28, 32, 12))
    rng = np.random.default_rng(4)
    odd = [np.zeros((20, 30)), np.ones((20, 30)), rng.random((20, 30)), np.eye(20, 30), np.full((20, 30), 1e-30)]
    single = np.zeros((20, 30))
    single[0, 0] = 1
    for prior in (np.zeros((20, 30)), np.ones((20, 30)), blob(3, 4, 5)):
        c = confidence.predict(np.array([*odd, single]), prior)
        assert c.shape == (6,)
        assert np.isfinite(c).all()
        assert (c >= 0).all()
        assert (c <= 1).all()


@pytest.mark.parametrize("quality", [0, 1])
def test_maps_that_are_all_good_or_all_bad_can_be_fitted(quality):
    """No spread in the quality or in the descriptors: the prediction is near the only value there is."""
    maps = np.repeat((blob(30, 30, 4) > 0.5).astype(np.float32)[None], 12, axis=0)
    masks = maps > 0.5 if quality else np.zeros(maps.shape, bool)
    c = fit_confidence(maps, masks, blob(30, 30, 10)).predict(maps, blob(30, 30, 10))
    assert np.abs(c - quality).max() < 0.05


def test_descriptors_of_a_square_are_known():
    s = np.zeros((64, 64))
    s[16:32, 40:56] = 1
    descriptors = dict(zip(DESCRIPTORS, describe_maps(s[None], s)[0], strict=True))
    row, column = 23.5 / 63, 47.5 / 63
    expected = {
        "agreement": 1,
        "place": 1,
        "depth": row,
        "depth²": row**2,
        "side": 2 * abs(column - 0.5),
        "solidity": 1,
        "dominance": 1,
        "area": 16 / 64,
        "entropy": np.log(256) / np.log(4096),
        "maximum": 1,
        "mean": 1 / 16,
        "contrast": 1,
    }
    assert descriptors == pytest.approx(expected)
    zero = dict(zip(DESCRIPTORS, describe_maps(np.zeros((1, 64, 64)), s)[0], strict=True))
    assert (zero["agreement"], zero["entropy"], zero["depth"], zero["maximum"]) == (0, 1, 0.5, 0)


def test_solidity_of_an_l_and_of_a_disc():
    l_shape = np.ones((10, 10), bool)
    l_shape[:5, 5:] = False  # 75 of a hull of 100 - 25/2
    assert solidity(l_shape) == pytest.approx(75 / 87.5)
    rows, columns = np.mgrid[:60, :60]
    assert solidity((rows - 30) ** 2 + (columns - 30) ** 2 < 25**2) > 0.95
    assert solidity(np.zeros((4, 4), bool)) == 0


def test_the_gate_mixes_map_and_prior_by_the_confidence():
    rng = np.random.default_rng(0)
    maps, prior = rng.random((3, 6, 5)).astype(np.float32), rng.random((6, 5)).astype(np.float32)
    gated = gate_maps(maps, np.array([1.0, 0.0, 0.25]), prior)
    assert gated.dtype == np.float32
    np.testing.assert_array_equal(gated[0], maps[0])
    np.testing.assert_array_equal(gated[1], prior)
    np.testing.assert_allclose(gated[2], 0.25 * maps[2] + 0.75 * prior, rtol=1e-6)
    distances = [np.abs(gate_maps(maps[:1], np.array([c]), prior) - prior).max() for c in (0, 0.3, 0.6, 1)]
    assert all(a < b for a, b in pairwise(distances))


def test_saved_and_loaded_it_predicts_the_same(tmp_path):
    maps, masks = planted(30, 5)
    prior = blob(28, 32, 12)
    confidence = fit_confidence(maps, masks, prior)
    confidence.save(tmp_path / "c.npz")
    np.testing.assert_array_equal(
        Confidence.load(tmp_path / "c.npz").predict(maps, prior), confidence.predict(maps, prior)
    )


def test_a_file_that_is_no_confidence_is_an_error_of_one_line(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    np.savez(tmp_path / "other.npz", map=np.zeros(3))
    d = len(DESCRIPTORS)
    np.savez(tmp_path / "old.npz", names=["x"] * d, mean=np.zeros(d), scale=np.ones(d), weights=np.zeros(d), bias=0.0)
    np.savez(tmp_path / "pickled.npz", names=np.array([{}], dtype=object))
    for name in ("bad", "other", "old", "pickled", "absent"):
        with pytest.raises(SalusError, match=name) as error:
            Confidence.load(tmp_path / f"{name}.npz")
        assert "\n" not in str(error.value)


def test_a_fit_needs_maps_with_masks():
    with pytest.raises(SalusError, match="mask each"):
        fit_confidence(np.zeros((2, 8, 8)), np.zeros((3, 8, 8), bool), np.zeros((8, 8)))
    with pytest.raises(SalusError, match="mask each"):
        fit_confidence(np.zeros((0, 8, 8)), np.zeros((0, 8, 8), bool), np.zeros((8, 8)))
