"""The hybrid framework: its map against the written energy, and on phantoms."""

import numpy as np
import pytest

from salus.data.phantom.make import make_phantom
from salus.metrics.curves import roc_auc
from salus.preprocess import resize
from salus.saliency.methods import hybrid
from salus.saliency.methods.cues import CUES, compute_cues, to_working_size
from salus.saliency.methods.hybrid import HybridParameters, HybridSaliency
from salus.saliency.methods.layers import layer_weight


@pytest.fixture(scope="module")
def phantoms():
    made = [make_phantom(seed, size=(160, 160)) for seed in range(8)]
    images = np.stack([to_working_size(p.image) for p in made])
    return images, np.stack([resize(p.mask, (128, 128)) >= 0.5 for p in made])


def test_the_tumour_is_lit(phantoms):
    images, masks = phantoms
    maps = HybridSaliency().estimate(images)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.max(axis=(1, 2)) == pytest.approx(np.ones(len(maps)))
    assert np.mean([roc_auc(mask, one) for one, mask in zip(maps, masks, strict=True)]) > 0.8


def test_fit_changes_nothing(phantoms):
    images, masks = phantoms
    method = HybridSaliency()
    before = method.estimate(images[:1])
    method.fit(images, masks)
    assert np.array_equal(method.estimate(images[:1]), before)


def test_any_size(phantoms):
    images, _ = phantoms
    large = np.repeat(np.repeat(images[:1], 2, axis=1), 2, axis=2)
    small, found = HybridSaliency().estimate(images[:1]), HybridSaliency().estimate(large)
    assert found.shape == (1, 256, 256)
    back = found[0].reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert np.corrcoef(back.ravel(), small.ravel())[0, 1] > 0.9


def test_minimises_its_equation(phantoms):
    """The map against the written equation, by loops, at random neighbours of the answer."""
    images, _ = phantoms
    c = HybridParameters(top=0.3, bottom=0.4, side=0.5)
    region_cues = compute_cues(images[0])
    regions, cue = region_cues.regions, dict(zip(CUES, region_cues.cues.T.astype(float), strict=True))
    n, m, p = len(regions.area), regions.mean, regions.centre
    T = np.maximum(
        (1 - 0.3 * cue["top"]) * (1 - 0.4 * cue["bottom"]) * (1 - 0.5 * cue["nearer side"])
        * layer_weight(cue["layer"]) * (1 - cue["rank"]) ** c.darkness_power, hybrid.MIN_T
    )  # fmt: skip
    centre = (T * regions.area) @ p / (T @ regions.area)
    C = np.exp(-((p - centre) ** 2).sum(axis=1) / c.centre_sigma**2)
    i, j = np.nonzero(~np.eye(n, dtype=bool))
    similarity = np.exp(-np.abs(m[i] - m[j]) / c.grey_sigma**2)
    joined = similarity * np.exp(-((p[i] - p[j]) ** 2).sum(axis=1) / c.distance_sigma**2)

    def cost(s):
        smooth = (joined * (s[i] - s[j]) ** 2).sum()
        return s @ -np.log(T) + c.alpha * (s @ -np.log(C)) + c.beta * smooth + c.mu * n * (s @ s) / 2

    s = hybrid.minimise_energy(region_cues, c)
    assert s.min() >= 0
    assert s.sum() == pytest.approx(1)
    rng = np.random.default_rng(0)
    for _ in range(200):
        other = np.maximum(s + rng.normal(size=n) * 10.0 ** rng.uniform(-6, -2), 0)
        assert cost(other / other.sum()) > cost(s)


def test_contrast_changes_no_order(phantoms):
    region_cues = compute_cues(phantoms[0][1])
    s = hybrid.minimise_energy(region_cues, HybridParameters())
    linear = hybrid.compute_saliency(region_cues, HybridParameters(contrast=1))
    assert linear == pytest.approx((s - s.min()) / (s.max() - s.min()))
    assert hybrid.compute_saliency(region_cues, HybridParameters(contrast=10)) == pytest.approx(linear**10)


@pytest.mark.parametrize("value", [0, 255])
def test_a_flat_image_is_finite(value):
    found = HybridSaliency().estimate(np.full((1, 64, 64), value, np.uint8))
    assert np.isfinite(found).all()
