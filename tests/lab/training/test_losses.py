"""The loss and the watched score against closed forms."""

import numpy as np
import pytest

from salus.lab.training.losses import dice_loss, dsc


def test_dice_loss_sums_over_the_batch():
    y, p = np.zeros((2, 4, 4, 1), "f"), np.zeros((2, 4, 4, 1), "f")
    y[0, :2] = 1  # 8 pixels
    p[0, :1] = 0.5  # 4 pixels of one half
    p[1, :, :1] = 1  # 4 pixels where there is nothing
    assert float(dice_loss(y, p)) == pytest.approx(1 - (2 * 2 + 1) / (8 + 2 + 4 + 1))
    assert float(dice_loss(y, y)) == pytest.approx(0)
    assert float(dice_loss(0 * y, 0 * y)) == pytest.approx(0)


def test_dsc_is_per_image():
    y, p = np.zeros((3, 4, 4, 1), "f"), np.zeros((3, 4, 4, 1), "f")
    y[0, :2], p[0, 1:3] = 1, 0.9
    y[1, :2] = 1
    assert np.asarray(dsc(y, p)).tolist() == pytest.approx([0.5, 0, 1])
