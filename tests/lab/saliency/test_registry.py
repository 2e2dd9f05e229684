"""The location prior and the constant map."""

import numpy as np
import pytest

from salus.errors import SalusError
from salus.lab.saliency.registry import make_estimator
from salus.saliency.methods.prior import PriorSaliency


def test_prior_is_the_blurred_mean_of_the_masks():
    masks = np.zeros((4, 32, 32), bool)
    masks[:, 10:14, 20:24] = True
    masks[0, 10:14, 2:6] = True  # a quarter of them
    prior = PriorSaliency()
    prior.fit(np.zeros((4, 32, 32), np.uint8), masks)
    map_ = prior.estimate(np.zeros((2, 32, 32), np.uint8))
    assert map_.shape == (2, 32, 32)
    assert map_.dtype == np.float32
    assert map_.max() == 1
    assert np.unravel_index(map_[0].argmax(), (32, 32)) in {(r, c) for r in (11, 12) for c in (21, 22)}
    assert map_[0, 11:13, 3:5].mean() == pytest.approx(map_[0, 11:13, 21:23].mean() / 4, rel=0.02)
    np.testing.assert_array_equal(map_[0], map_[1])


def test_prior_refuses_what_it_cannot_do():
    prior = PriorSaliency()
    with pytest.raises(SalusError, match="not fitted"):
        prior.estimate(np.zeros((1, 8, 8), np.uint8))
    prior.fit(np.zeros((1, 8, 8), np.uint8), np.zeros((1, 8, 8), bool))
    assert prior.estimate(np.zeros((1, 8, 8), np.uint8)).max() == 0  # no lesion anywhere: no location preferred
    with pytest.raises(SalusError, match="fitted at"):
        prior.estimate(np.zeros((1, 16, 16), np.uint8))


def test_constant_is_one_everywhere():
    assert (make_estimator("constant").estimate(np.zeros((2, 4, 4), np.uint8)) == 1).all()


def test_an_estimator_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "darkness.py").write_text(
        "class Dark:\n"
        "    def fit(self, images, masks): self.n = len(images)\n"
        "    def estimate(self, images): return 1 - images / 255\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert make_estimator("darkness:Dark").estimate(np.full((1, 2, 2), 51)).max() == pytest.approx(0.8)
    for name in ("nothing", "darkness:Light", "absent:Dark"):
        with pytest.raises(SalusError, match=name):
            make_estimator(name)
