"""Training the learned saliency estimator, small: it learns, is repeatable, and its ONNX file gives its maps."""

import numpy as np
import onnx
import pytest

from salus.lab.saliency.learned import LearnedEstimator, SaliencyRecipe, export_saliency, make_batches
from salus.lab.training.augment.settings import LIGHT
from salus.metrics.curves import roc_auc
from salus.saliency.methods.learned import LearnedSaliency

RECIPE = SaliencyRecipe(steps=40, batch=8, passes=100, augmentation=LIGHT)


def discs(n, seed, free=0):
    """Noise with a dark disc somewhere; the first `free` images have none."""
    rng = np.random.default_rng(seed)
    images = rng.integers(90, 170, (n, 64, 64)).astype(np.uint8)
    masks = np.zeros((n, 64, 64), bool)
    rows, columns = np.mgrid[:64, :64]
    for i in range(free, n):
        r, c = rng.integers(14, 50, 2)
        masks[i] = (rows - r) ** 2 + (columns - c) ** 2 < 9**2
        images[i][masks[i]] //= 3
    return images, masks


@pytest.fixture(scope="module")
def trained():
    estimator = LearnedEstimator(RECIPE)
    estimator.fit(*discs(48, 0, free=6))
    return estimator


def test_it_finds_discs_in_images_it_was_not_trained_on(trained):
    images, masks = discs(12, 1)
    maps = trained.estimate(images)
    assert maps.shape == images.shape
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.max() <= 1
    assert np.mean([roc_auc(mask, one) for mask, one in zip(masks, maps, strict=True)]) > 0.97
    assert np.mean([mask.ravel()[one.argmax()] for mask, one in zip(masks, maps, strict=True)]) > 0.9


def test_the_onnx_file_gives_the_same_maps(trained, tmp_path):
    path = tmp_path / "saliency.onnx"
    assert export_saliency(trained.model, path, {"data": "discs"}) < 1e-4
    images, _ = discs(5, 2)
    np.testing.assert_allclose(LearnedSaliency(path).estimate(images), trained.estimate(images), atol=1e-4)
    assert {p.key: p.value for p in onnx.load(path).metadata_props} == {"salus": '{"data": "discs"}'}


def test_batches_hold_the_share_of_tumour_free_images_of_the_recipe():
    images, masks = discs(40, 3, free=4)
    batches = list(make_batches(images, masks, 32, SaliencyRecipe(batch=10, lesion_share=0.7, augmentation=LIGHT), 40))
    free = np.mean([[not truth.any() for truth in y] for _, y in batches])
    assert 0.2 < free < 0.45
    x, y = batches[0]
    assert x.shape == (10, 64, 64, 1)
    assert x.max() <= 1
    assert y.shape == (10, 32, 32, 1)
    assert set(np.unique(y * 4)) <= {0, 1, 2, 3, 4}  # shares of 2 x 2 pixels


def test_the_same_seed_gives_the_same_maps():
    images, masks = discs(8, 4)
    maps = []
    for _ in range(2):
        estimator = LearnedEstimator(SaliencyRecipe(steps=2, batch=4))
        estimator.fit(images, masks)
        maps.append(estimator.estimate(images))
    np.testing.assert_array_equal(maps[0], maps[1])
