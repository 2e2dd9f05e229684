"""Masks of probabilities."""

import numpy as np

from salus.segmentation.postprocess import cut, from_logit, to_logit


def test_cut_and_logits():
    p = np.array([[0.5, 0.0, 0.9], [0.49, 0.0, 0.9]])
    assert cut(p, 0.5, 0.3).tolist() == [[False, False, True], [False, False, True]]
    assert not cut(np.zeros((3, 3)), 0.5, 0.0).any()
    q = np.linspace(0, 1, 101, dtype=np.float32)
    np.testing.assert_allclose(from_logit(to_logit(q)), q, atol=2e-6)
