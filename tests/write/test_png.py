"""Masks and maps read back as what they were."""

import numpy as np
from PIL import Image

from salus.read.image import read_mask, read_mask_file
from salus.write.png import write_map, write_mask


def test_a_mask_reads_back(tmp_path):
    mask = np.random.default_rng(0).random((37, 53)) < 0.3
    write_mask(tmp_path / "m.png", mask)
    with Image.open(tmp_path / "m.png") as image:
        assert (image.mode, image.format) == ("L", "PNG")
        assert set(np.unique(image)) == {0, 255}
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png"), mask)


def test_a_map_reads_back_within_half_a_grey(tmp_path):
    values = np.random.default_rng(1).random((37, 53)).astype(np.float32)
    write_map(tmp_path / "p.png", values)
    found = read_mask_file(tmp_path / "p.png").probability
    assert np.abs(found - values).max() <= 0.5 / 255 + 1e-6
