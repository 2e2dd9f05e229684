import numpy as np
import pytest

from salus.data.phantom.make import make_phantom
from salus.saliency.methods.cues import CUES, at_working_size, look
from salus.saliency.methods.superpixels import WORKING


def cue(seen, name):
    return seen.cues[:, CUES.index(name)]


@pytest.fixture(scope="module")
def disc():
    """A dark disc in a grey field that brightens to the right."""
    rows, columns = np.mgrid[:128, :128]
    image = (110 + columns // 2).astype(np.uint8)
    image[(rows - 60) ** 2 + (columns - 64) ** 2 < 18**2] = 20
    return image


def test_a_figure_for_each_cue(disc):
    seen = look(disc)
    assert seen.cues.shape == (len(seen.regions.area), len(CUES))
    assert np.isfinite(seen.cues).all()


def test_the_disc_stands_out(disc):
    seen = look(disc)
    inside = seen.regions.mean < 0.15
    assert inside.sum() > 3
    core = inside & (np.abs(seen.regions.centre - [60.5 / 128, 64.5 / 128]).max(axis=1) < 0.08)
    assert core.any()
    for name in ("row", "column", "ring 9%", "ring 19%"):
        assert cue(seen, name)[core].min() > 1, name
        assert cue(seen, name)[seen.regions.mean > 0.4].max() < 1, name
    for name in ("top", "bottom", "nearer side", "farther side"):
        assert cue(seen, name)[inside].max() < 0.01, name
    assert cue(seen, "rank")[inside].max() < 0.1


def test_rank_is_the_share_that_is_darker(disc):
    seen = look(disc)
    painted = seen.regions.paint(seen.regions.mean)
    for k in range(0, len(seen.regions.area), 7):
        same = np.isclose(painted, seen.regions.mean[k], atol=1e-10).mean()
        darker = (painted < seen.regions.mean[k] - 1e-10).mean()
        assert cue(seen, "rank")[k] == pytest.approx(darker + same / 2, abs=1e-5)


def test_gain_hardly_matters(disc):
    one, other = look(disc), look((disc // 2 + 10).astype(np.uint8))
    mean = {}
    for name, seen in (("one", one), ("other", other)):
        dark = cue(seen, "rank") < 0.05
        mean[name] = [cue(seen, c)[dark].mean() for c in ("row", "column", "ring 9%", "ring 19%")]
    assert mean["one"] == pytest.approx(mean["other"], rel=0.05)


@pytest.mark.parametrize("size", [(128, 128), (256, 256), (300, 210)])
def test_any_size_is_brought_to_the_working_size(size):
    image = make_phantom(2, size=size).image
    small = at_working_size(image)
    assert small.shape == (WORKING, WORKING)
    assert small.dtype == np.uint8
    assert small.mean() == pytest.approx(image.mean(), abs=1)
    assert look(image).regions.labels.shape == (WORKING, WORKING)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_image_has_finite_cues(value):
    assert np.isfinite(look(np.full((64, 64), value, np.uint8)).cues).all()
