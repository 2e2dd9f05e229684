"""Where saliency maps come from: what is fitted on what, and what is done to the maps."""

from typing import ClassVar

import numpy as np
import pytest

from salus.data.case import Case
from salus.data.prepare import Pairs
from salus.errors import SalusError
from salus.lab.saliency import registry as estimators
from salus.lab.saliency.source import CHANGES, FoldIndices, Source, apply_changes, estimate_base_maps, parse_source
from salus.saliency.methods.prior import PriorSaliency

N, S = 24, 16


@pytest.fixture
def pairs(tmp_path):
    rng = np.random.default_rng(0)
    masks = np.zeros((N, S, S), bool)
    for mask in masks:
        r, c = rng.integers(2, 10, 2)
        mask[r : r + 4, c : c + 4] = True
    images = np.repeat(np.arange(N, dtype=np.uint8), S * S).reshape(N, S, S)  # image i is i everywhere
    cases = tuple(Case(f"c{i:02}", tmp_path / f"c{i:02}.png", masks=()) for i in range(N))
    return Pairs(cases, images, masks, None, ((S, S),) * N)


def fold_indices(groups=None):
    groups = groups or {f"c{i:02}": f"p{i // 2}" for i in range(N)}  # two images a patient
    return FoldIndices(list(range(16)), list(range(16, 20)), list(range(20, N)), groups, 1)


class Spy:
    """Records what it was fitted on; its map holds the number of those images."""

    inner_folds = 4
    calls: ClassVar[list] = []

    def fit(self, images, masks):
        self.fitted_on = {int(image[0, 0]) for image in images}

    def estimate(self, images):
        Spy.calls.append((self.fitted_on, [int(image[0, 0]) for image in images]))
        return np.full(images.shape, len(self.fitted_on) / 255, np.float32)


def test_names_are_read_and_written():
    assert parse_source("prior") == Source("prior")
    assert str(parse_source("prior+shuffled+gate")) == "prior+gate+shuffled"
    for wrong in ("nothing", "prior+doubled", "prior+one-contour+soft-contour", "", "absent:Here"):
        with pytest.raises(SalusError):
            parse_source(wrong)
    assert parse_source("points") == Source("points")
    assert all(parse_source(f"truth+{change}").changes == (change,) for change in CHANGES)


def test_truth_is_the_mask_and_file_needs_maps(pairs):
    np.testing.assert_array_equal(estimate_base_maps("truth", pairs, fold_indices()) == 255, pairs.masks)
    with pytest.raises(SalusError, match="not every image has a map"):
        estimate_base_maps("file", pairs, fold_indices())


def test_points_are_a_click_in_every_lesion_the_same_in_every_fold(pairs):
    pairs.masks[0] = False
    pairs.masks[0, 2:7, 2:7] = pairs.masks[0, 10:15, 10:15] = True  # two lesions
    pairs.masks[1] = False
    maps = estimate_base_maps("points", pairs, fold_indices())
    assert (maps.dtype, maps.shape) == (np.uint8, pairs.masks.shape)
    np.testing.assert_array_equal(maps, estimate_base_maps("points", pairs, fold_indices()))
    peaks = [np.unravel_index(values.argmax(), values.shape) for values in maps]
    assert all(mask[peak] for mask, peak in zip(pairs.masks[2:], peaks[2:], strict=True))
    assert maps[0, 2:7, 2:7].max() > 150
    assert maps[0, 10:15, 10:15].max() > 150
    assert maps[1].max() > 150  # a click tells nothing of whether there is a tumour
    assert len({tuple(map(int, peak)) for peak in peaks}) > 10


def test_the_prior_is_fitted_on_the_fitting_part_alone(pairs):
    alone = PriorSaliency()
    alone.fit(pairs.images[:16], pairs.masks[:16])
    maps = estimate_base_maps("prior", pairs, fold_indices())
    np.testing.assert_allclose(maps[20] / 255, alone.estimate(pairs.images[:1])[0], atol=1 / 500)


def test_an_estimator_with_inner_folds_never_maps_an_image_or_patient_it_was_fitted_on(pairs, monkeypatch):
    monkeypatch.setitem(estimators.ESTIMATORS, "spy", Spy)
    Spy.calls = []
    maps = estimate_base_maps("spy", pairs, fold_indices())
    assert len(Spy.calls) == 5  # four inner folds, and one fit for validation and test
    for fitted_on, mapped in Spy.calls:
        assert not {i // 2 for i in fitted_on} & {i // 2 for i in mapped if i < 16}
        assert not fitted_on & set(mapped)
        assert max(fitted_on) < 16  # validation and test are never fitted on
    assert (maps[16:] == 16).all()
    assert (maps[:16, 0, 0] == 12).all()  # three quarters of the fitting part each


def test_maps_of_another_shape_are_refused(pairs, monkeypatch):
    class Small(Spy):
        inner_folds = 0

        def estimate(self, images):
            return np.zeros((len(images), 2, 2), np.float32)

    monkeypatch.setitem(estimators.ESTIMATORS, "small", Small)
    with pytest.raises(SalusError, match="shape"):
        estimate_base_maps("small", pairs, fold_indices())


def test_shuffled_gives_every_image_a_map_of_another_of_its_part(pairs):
    own = np.repeat(np.arange(N, dtype=np.uint8), S * S).reshape(N, S, S)
    shuffled = apply_changes(own, Source("prior", ("shuffled",)), pairs, fold_indices())[:, 0, 0]
    assert (shuffled != np.arange(N)).all()
    for part in (range(16), range(16, 20), range(20, N)):
        assert sorted(shuffled[list(part)]) == list(part)


def test_changes_stay_within_the_range_and_differ(pairs):
    rng = np.random.default_rng(1)
    maps = rng.integers(0, 256, (N, S, S), dtype=np.uint8)
    for change in ("gate", "one-contour", "soft-contour"):
        found = apply_changes(maps, Source("prior", (change,)), pairs, fold_indices())
        assert found.shape == maps.shape
        assert found.dtype == np.uint8
        assert (found != maps).any()
    np.testing.assert_array_equal(apply_changes(maps, Source("prior"), pairs, fold_indices()), maps)


def test_the_gate_is_fitted_on_the_fitting_part_alone(pairs):
    rng = np.random.default_rng(2)
    maps = rng.integers(0, 256, (N, S, S), dtype=np.uint8)
    before = apply_changes(maps, Source("prior", ("gate",)), pairs, fold_indices())
    pairs.masks[16:] = ~pairs.masks[16:]  # other truth in validation and test
    np.testing.assert_array_equal(apply_changes(maps, Source("prior", ("gate",)), pairs, fold_indices()), before)
