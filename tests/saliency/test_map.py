"""The saliency map as a value."""

import dataclasses

import numpy as np
import pytest

from salus.saliency.map import SaliencyMap


def test_a_map_has_a_shape_and_cannot_be_changed():
    saliency = SaliencyMap(np.zeros((4, 7), np.float32), "prior", 0.5, "a.png")
    assert saliency.shape == (4, 7)
    with pytest.raises(dataclasses.FrozenInstanceError):
        saliency.method = "other"  # type: ignore[misc]
