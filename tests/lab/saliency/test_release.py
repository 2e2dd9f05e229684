"""The shipped files, made from a small benchmark, and those that are in the package."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from salus.data.phantom.make import write_phantoms
from salus.errors import SalusError
from salus.lab.saliency.benchmark import start
from salus.lab.saliency.config import SaliencyBenchmarkConfig
from salus.lab.saliency.release import write_weights
from salus.saliency.confidence import Confidence
from salus.saliency.methods.prior import PriorSaliency
from salus.saliency.registry import METHODS, get_confidence, get_method
from salus.weights import SHIPPED_WEIGHTS


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    write_phantoms(folder / "set", 12, seed=5)
    start(
        folder / "run",
        SaliencyBenchmarkConfig((str(folder / "set"),), ("prior", "anatomy"), folds=3, size=64),
        lambda line: None,
    )
    return folder / "run"


def test_files_come_from_a_run(run, tmp_path):
    write_weights(run, tmp_path, lambda line: None)
    card = json.loads((tmp_path / "weights.json").read_text())
    assert set(card["sha256"]) == {"prior.npz", "anatomy.npz", "confidence-prior.npz", "confidence-anatomy.npz"}
    for name, checksum in card["sha256"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == checksum
    assert card["out_of_fold"]["prior"]["set"]["auc"] > 0.5
    assert card["data"]["set"]["images"] == 12
    prior = PriorSaliency.load(tmp_path / "prior.npz").map
    trust = Confidence.load(tmp_path / "confidence-prior.npz").predict(prior[None], prior)
    assert 0 <= trust[0] <= 1


def test_an_unfinished_run_or_other_data_are_refused(run, tmp_path):
    part = tmp_path / "part"
    shutil.copytree(run, part)
    (part / "anatomy" / "fold-2.npz").unlink()
    with pytest.raises(SalusError, match="not finished"):
        write_weights(part, tmp_path / "out", lambda line: None)
    (part / "scores.csv").unlink()
    with pytest.raises(SalusError, match="not there yet"):
        write_weights(part, tmp_path / "out", lambda line: None)


def test_the_package_ships_what_its_card_says():
    card = json.loads((SHIPPED_WEIGHTS / "weights.json").read_text())
    for name, checksum in card["sha256"].items():
        assert hashlib.sha256((SHIPPED_WEIGHTS / name).read_bytes()).hexdigest() == checksum
    assert sum(path.stat().st_size for path in SHIPPED_WEIGHTS.iterdir()) < 25e6


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_shipped_method_finds_the_tumour_of_most_phantoms(method):
    from salus.data.phantom.make import make_phantom
    from salus.metrics.curves import roc_auc
    from salus.preprocess import resize

    images, masks = [], []
    for seed in range(6):
        phantom = make_phantom(seed, size=(256, 256))
        images.append(phantom.image)
        masks.append(resize(phantom.mask.astype(float), (256, 256)) >= 0.5)
    maps = get_method(method).estimate(np.stack(images))
    assert maps.shape == (6, 256, 256)
    assert maps.dtype == np.float32
    assert 0 <= maps.min() <= maps.max() <= 1
    assert np.median([roc_auc(mask, one) for mask, one in zip(masks, maps, strict=True)]) > 0.75
    get_confidence(method)
