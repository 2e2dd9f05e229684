"""Training the classifier of superpixels on phantoms."""

from functools import partial

import numpy as np
import pytest

from salus.data.phantom.make import make_phantom
from salus.errors import SalusError
from salus.lab.saliency import regions
from salus.lab.saliency.regions import RegionRecipe, RegionSaliency, RegionsEstimator, describe_images
from salus.metrics.curves import roc_auc
from salus.preprocess import resize
from salus.saliency.methods.cues import to_working_size

QUICK = RegionRecipe(trees=16, min_regions=10, background=0.5)


def phantoms(seeds):
    """Every third without a tumour."""
    made = [make_phantom(seed, size=(160, 160), tumour=seed % 3 > 0) for seed in seeds]
    images = np.stack([to_working_size(p.image) for p in made])
    return images, np.stack([resize(p.mask, (128, 128)) >= 0.5 for p in made])


@pytest.fixture(scope="module")
def fitted():
    estimator = RegionsEstimator(QUICK)
    estimator.fit(*phantoms(range(100, 136)))
    return estimator


def test_it_finds_tumours_and_stays_lower_without_one(fitted):
    images, masks = phantoms(range(18))
    maps = fitted.estimate(images)
    lit = masks.any(axis=(1, 2))
    assert np.mean([roc_auc(mask, one) for mask, one in zip(masks[lit], maps[lit], strict=True)]) > 0.9
    assert roc_auc(lit, maps.max(axis=(1, 2))) > 0.6


def test_shares_of_tumour_are_those_of_the_mask():
    images, masks = phantoms(range(1, 4))
    for image, mask in zip(describe_images(images, masks), masks, strict=True):
        assert image.tumour @ image.regions.area == pytest.approx(mask.sum())


def test_calibration_undoes_the_weights(fitted):
    images, masks = phantoms(range(200, 224))
    described = describe_images(images, masks)
    model = fitted.fitted.model
    predicted = np.concatenate(
        [1 / (1 + np.exp(-model.log_odds(image.features, image.regions))) for image in described]
    )
    area = np.concatenate([image.regions.area for image in described])
    truth = np.concatenate([image.tumour for image in described])
    assert predicted @ area / area.sum() == pytest.approx(truth @ area / area.sum(), rel=0.5)


def test_the_same_seed_fits_the_same_model():
    pairs, (images, _) = phantoms(range(100, 106)), phantoms(range(2))
    maps = []
    for _ in range(2):
        estimator = RegionsEstimator(QUICK)
        estimator.fit(*pairs)
        maps.append(estimator.estimate(images))
    assert np.array_equal(*maps)


def test_errors_say_what_is_missing():
    images, masks = phantoms(range(3))
    with pytest.raises(SalusError, match="fit"):
        RegionsEstimator().estimate(images)
    with pytest.raises(SalusError, match="tumour"):
        RegionsEstimator().fit(images, np.zeros_like(masks))


def test_the_script_writes_a_file_that_loads(tmp_path, published, monkeypatch):
    monkeypatch.setattr(regions, "RegionsEstimator", partial(RegionsEstimator, QUICK))
    assert regions.main(["--data", str(published), "-o", str(tmp_path / "new" / "r.npz")]) == 0
    method = RegionSaliency.load(tmp_path / "new" / "r.npz")
    assert method.estimate(np.zeros((1, 40, 40), np.uint8)).shape == (1, 40, 40)


def test_the_script_reports_a_missing_folder(tmp_path, capsys):
    assert regions.main(["--data", str(tmp_path / "none"), "-o", str(tmp_path / "r.npz")]) == 1
    assert capsys.readouterr().err.startswith("salus: ")
