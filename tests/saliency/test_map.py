"""The saliency map as a value."""

import dataclasses

import numpy as np
import pytest

from salus.saliency.map import SaliencyMap


def test_a_map_says_its_shape_and_stays_as_it_is():
    found = SaliencyMap(np.zeros((4, 7), np.float32), "prior", 0.5, "a.png")
    assert found.shape == (4, 7)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.method = "other"  # type: ignore[misc]
