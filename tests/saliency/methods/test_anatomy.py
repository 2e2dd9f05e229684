"""Anatomy modelling: its map against the written energy, its calibration, and on phantoms."""

import numpy as np
import pytest
from scipy.special import expit

from salus.data.phantom.make import make_phantom
from salus.errors import SalusError
from salus.metrics.curves import roc_auc
from salus.preprocess import resize
from salus.saliency.methods import anatomy, cues
from salus.saliency.methods.anatomy import AnatomyParameters, AnatomySaliency
from salus.saliency.methods.cues import CUES, compute_cues, to_working_size
from salus.saliency.methods.superpixels import measure_regions


def phantoms(seeds):
    """Every third without a tumour."""
    made = [make_phantom(seed, size=(160, 160), tumour=seed % 3 > 0) for seed in seeds]
    images = np.stack([to_working_size(p.image) for p in made])
    return images, np.stack([resize(p.mask, (128, 128)) >= 0.5 for p in made])


@pytest.fixture(scope="module")
def fitted():
    method = AnatomySaliency()
    method.fit(*phantoms(range(100, 148)))
    return method


@pytest.fixture(scope="module")
def unseen():
    return phantoms(range(24))


def test_finds_unseen_tumours(fitted, unseen):
    images, masks = unseen
    maps = fitted.estimate(images)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.max() <= 1
    lit = masks.any(axis=(1, 2))
    assert np.mean([roc_auc(mask, one) for one, mask in zip(maps[lit], masks[lit], strict=True)]) > 0.93


def test_tumour_free_images_stay_darker(fitted, unseen):
    images, masks = unseen
    highest, lit = fitted.estimate(images).max(axis=(1, 2)), masks.any(axis=(1, 2))
    assert roc_auc(lit, highest) > 0.7


def test_foreground_is_calibrated_where_it_was_fitted():
    images, masks = phantoms(range(100, 130))
    described = [compute_cues(image) for image in images]
    foreground = anatomy.fit_foreground(described, masks)
    f = np.concatenate([expit(foreground.log_odds(one)) for one in described])
    area = np.concatenate([one.regions.area for one in described])
    truth = np.concatenate([one.regions.average(mask) for one, mask in zip(described, masks, strict=True)])
    assert f @ area == pytest.approx(truth @ area, rel=0.01)
    high = f > 0.3
    assert (f @ (area * high)) == pytest.approx(truth @ (area * high), rel=0.25)


def test_minimises_its_equation(unseen):
    """The map against the written equation, by loops, at random neighbours of the answer."""
    regions = compute_cues(unseen[0][1]).regions
    n, m, p, c = len(regions.area), regions.mean, regions.centre, AnatomyParameters(alpha=0.8, slope=0.9, shift=0.3)
    log_odds = np.random.default_rng(0).normal(-2, 2, n)
    F = expit(log_odds)
    centre = (F**2 * regions.area) @ p / (F**2 @ regions.area)
    C = np.exp(-((p - centre) ** 2).sum(axis=1) / c.centre_sigma**2)
    i, j = np.nonzero(~np.eye(n, dtype=bool))
    similarity = np.exp(-np.abs(m[i] - m[j]) / c.grey_sigma**2)
    joined = similarity * np.exp(-((p[i] - p[j]) ** 2).sum(axis=1) / c.distance_sigma**2)

    def cost(s):
        data = s @ -np.log(F) + c.alpha * ((1 - s) @ -np.log(1 - F)) + c.beta * (s @ -np.log(C))
        return data + c.gamma * (joined * (s[i] - s[j]) ** 2).sum() + c.mu * ((s - 0.5) ** 2).sum() / 2

    found = anatomy.compute_probabilities(log_odds, regions, c)
    s = np.clip(0.5 + (np.log(found / (1 - found)) - c.shift) / (c.slope * c.mu), 0, 1)
    rng = np.random.default_rng(0)
    for _ in range(200):
        assert cost(np.clip(s + rng.normal(size=n) * 10.0 ** rng.uniform(-4, -1), 0, 1)) > cost(s)


def test_without_evidence_there_is_no_tumour(unseen):
    regions = compute_cues(unseen[0][1]).regions
    assert anatomy.compute_probabilities(np.full(len(regions.area), -5.0), regions, AnatomyParameters()).max() < 0.02


def test_a_saved_model_gives_the_same_maps(fitted, unseen, tmp_path):
    fitted.save(tmp_path / "anatomy.npz")
    again = AnatomySaliency.load(tmp_path / "anatomy.npz")
    assert np.array_equal(again.estimate(unseen[0][:2]), fitted.estimate(unseen[0][:2]))


def test_a_mirrored_image_has_a_mirrored_foreground(fitted, unseen, monkeypatch):
    grid = np.arange(256).reshape(16, 16).repeat(8, axis=0).repeat(8, axis=1)  # superpixels would be others
    monkeypatch.setattr(cues, "compute_superpixels", lambda image: measure_regions(image, grid))
    for image in unseen[0][:6]:
        original, mirrored = (
            region_cues.regions.to_map(fitted.foreground.log_odds(region_cues))
            for region_cues in (compute_cues(image), compute_cues(image[:, ::-1]))
        )
        assert original.std() > 1
        assert original == pytest.approx(mirrored[:, ::-1], abs=0.02)


def test_errors_say_what_to_do(tmp_path):
    images = np.zeros((2, 64, 64), np.uint8)
    with pytest.raises(SalusError, match="fit"):
        AnatomySaliency().estimate(images)
    with pytest.raises(SalusError, match="fit"):
        AnatomySaliency().save(tmp_path / "none.npz")
    with pytest.raises(SalusError, match="tumour"):
        AnatomySaliency().fit(images, np.zeros((2, 64, 64), bool))
    with pytest.raises(SalusError, match="cannot be read"):
        AnatomySaliency.load(tmp_path / "none.npz")
    k = np.zeros(len(CUES) + 1)
    place = np.zeros((128, 128))
    np.savez(tmp_path / "other.npz", cues=("x",) * len(CUES), place=place, mean=k, scale=k, weights=k, bias=0.0)
    with pytest.raises(SalusError, match="again"):
        AnatomySaliency.load(tmp_path / "other.npz")
