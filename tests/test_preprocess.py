"""Letterboxing: the aspect ratio is kept, nothing is moved, and a map comes back to its place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.preprocess import letterbox, placed_box, remove_letterbox, resize


@given(height=st.integers(8, 900), width=st.integers(8, 900), size=st.sampled_from([64, 128, 256]))
def test_the_image_lies_centred_within_the_square(height, width, size):
    top, left, h, w = placed_box((height, width), size)
    assert max(h, w) == size
    assert abs(2 * top + h - size) <= 1
    assert abs(2 * left + w - size) <= 1
    assert w / h == pytest.approx(width / height, rel=0.02 + 1.5 / min(h, w))


def test_a_square_image_is_only_resized():
    image = np.random.default_rng(0).random((50, 50))
    np.testing.assert_array_equal(letterbox(image, 32), resize(image, (32, 32)))


@settings(max_examples=20, deadline=None)
@given(height=st.integers(60, 500), width=st.integers(60, 500), row=st.floats(0.3, 0.7), column=st.floats(0.3, 0.7))
def test_a_disc_comes_back_to_its_place(height, width, row, column):
    rows, columns = np.mgrid[:height, :width]
    radius = 0.2 * min(height, width)
    disc = (rows - row * height) ** 2 + (columns - column * width) ** 2 < radius**2
    back = remove_letterbox(letterbox(disc, 256), (height, width)) >= 0.5
    assert back.shape == disc.shape
    assert 2 * (back & disc).sum() / (back.sum() + disc.sum()) > 0.96


def test_outside_the_image_the_square_is_black():
    square = letterbox(np.ones((20, 80)), 64)
    assert square[:24].max() == 0
    assert square[40:].max() == 0
    assert square[24:40].min() == 1
