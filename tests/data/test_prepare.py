"""Prepared pairs and the case behind them."""

import numpy as np
import pytest
from PIL import Image

from salus.data.case import Case
from salus.data.layouts import read_data_set
from salus.data.prepare import prepare
from salus.errors import SalusError
from salus.preprocess import resize, to_uint8


def test_pairs_keep_the_order_of_cases_and_read_0_1_and_0_255_masks(published):
    data = read_data_set(published)
    pairs = prepare(data.cases, 32)
    assert pairs.images.shape == pairs.masks.shape == (12, 32, 32)
    assert pairs.shapes == ((40, 48),) * 12
    assert pairs.saliency is None
    for case, image, mask in zip(pairs.cases, pairs.images, pairs.masks, strict=True):
        truth = np.asarray(Image.open(case.masks[0])) > 0  # 0/1 in one file, 0/255 in the next
        assert mask.mean() == pytest.approx(truth.mean(), rel=0.06)
        assert image[mask].mean() < image[~mask].mean() - 60


def test_saliency_maps_are_read_where_every_case_has_one(published):
    (published / "saliency").mkdir()
    for path in (published / "images").iterdir():
        Image.fromarray(np.full((40, 48), 51, np.uint8)).save(published / "saliency" / path.name)
    assert (prepare(read_data_set(published).cases, 16).saliency == 51).all()
    (published / "saliency" / "003.png").unlink()
    assert prepare(read_data_set(published).cases, 16).saliency is None


def test_resize_keeps_means_and_constants():
    rng = np.random.default_rng(0)
    image = rng.random((64, 96)).astype(np.float32)
    small = resize(image, (32, 32))
    assert small.mean() == pytest.approx(image.mean(), abs=0.005)
    assert small.std() < image.std()  # antialiased, not picked
    np.testing.assert_allclose(resize(np.full((7, 5), 0.3), (64, 64)), 0.3, rtol=1e-6)
    assert resize(image, (64, 96)) is not None
    assert to_uint8(np.array([-1, 0.5, 2])).tolist() == [0, 128, 255]


def test_a_case_that_cannot_be_prepared_raises_with_the_files_name(published):
    data = read_data_set(published)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(data.cases[3].masks[0])
    with pytest.raises(SalusError, match=r"003\.png.*5 x 5.*48 x 40"):
        prepare(data.cases, 16)
    with pytest.raises(SalusError, match="has no mask"):
        prepare([Case("x", data.cases[0].image)], 16)
    with pytest.raises(SalusError, match="no labelled case"):
        prepare([], 16)


def test_cases_that_cannot_be_read_are_left_out_and_named(published):
    cases = read_data_set(published).cases
    cases[3].image.write_bytes(b"no image")
    bad = []
    pairs = prepare(cases, 16, bad=bad)
    assert pairs.cases == cases[:3] + cases[4:]
    assert len(pairs.images) == len(pairs.masks) == len(pairs.shapes) == 11
    assert (pairs.images[3] == prepare(cases[4:5], 16).images[0]).all()
    assert [str(cases[3].image) in line for line in bad] == [True]
    with pytest.raises(SalusError, match="none of 1 cases can be read"):
        prepare(cases[3:4], 16, bad=[])
