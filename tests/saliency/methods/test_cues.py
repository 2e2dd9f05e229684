"""Hand-made cues, on a drawn disc and on phantoms."""

import numpy as np
import pytest

from salus.data.phantom.make import make_phantom
from salus.saliency.methods.cues import CUES, compute_cues, to_working_size
from salus.saliency.methods.superpixels import WORKING_SIZE


def cue(region_cues, name):
    return region_cues.cues[:, CUES.index(name)]


@pytest.fixture(scope="module")
def disc():
    """A dark disc in a grey field that brightens to the right."""
    rows, columns = np.mgrid[:128, :128]
    image = (110 + columns // 2).astype(np.uint8)
    image[(rows - 60) ** 2 + (columns - 64) ** 2 < 18**2] = 20
    return image


def test_there_is_a_finite_value_for_each_cue(disc):
    region_cues = compute_cues(disc)
    assert region_cues.cues.shape == (len(region_cues.regions.area), len(CUES))
    assert np.isfinite(region_cues.cues).all()


def test_a_dark_disc_stands_out(disc):
    region_cues = compute_cues(disc)
    inside = region_cues.regions.mean < 0.15
    assert inside.sum() > 3
    core = inside & (np.abs(region_cues.regions.centre - [60.5 / 128, 64.5 / 128]).max(axis=1) < 0.08)
    assert core.any()
    for name in ("row", "column", "ring 9%", "ring 19%"):
        assert cue(region_cues, name)[core].min() > 1, name
        assert cue(region_cues, name)[region_cues.regions.mean > 0.4].max() < 1, name
    for name in ("top", "bottom", "nearer side", "farther side"):
        assert cue(region_cues, name)[inside].max() < 0.01, name
    assert cue(region_cues, "rank")[inside].max() < 0.1


def test_rank_is_the_share_that_is_darker(disc):
    region_cues = compute_cues(disc)
    painted = region_cues.regions.to_map(region_cues.regions.mean)
    for k in range(0, len(region_cues.regions.area), 7):
        same = np.isclose(painted, region_cues.regions.mean[k], atol=1e-10).mean()
        darker = (painted < region_cues.regions.mean[k] - 1e-10).mean()
        assert cue(region_cues, "rank")[k] == pytest.approx(darker + same / 2, abs=1e-5)


def test_gain_hardly_matters(disc):
    one, other = compute_cues(disc), compute_cues((disc // 2 + 10).astype(np.uint8))
    mean = {}
    for name, region_cues in (("one", one), ("other", other)):
        dark = cue(region_cues, "rank") < 0.05
        mean[name] = [cue(region_cues, c)[dark].mean() for c in ("row", "column", "ring 9%", "ring 19%")]
    assert mean["one"] == pytest.approx(mean["other"], rel=0.05)


@pytest.mark.parametrize("size", [(128, 128), (256, 256), (300, 210)])
def test_any_size_is_brought_to_the_working_size(size):
    image = make_phantom(2, size=size).image
    small = to_working_size(image)
    assert small.shape == (WORKING_SIZE, WORKING_SIZE)
    assert small.dtype == np.uint8
    assert small.mean() == pytest.approx(image.mean(), abs=1)
    assert compute_cues(image).regions.labels.shape == (WORKING_SIZE, WORKING_SIZE)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_image_has_finite_cues(value):
    assert np.isfinite(compute_cues(np.full((64, 64), value, np.uint8)).cues).all()
