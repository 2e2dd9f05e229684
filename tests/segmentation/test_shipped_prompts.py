"""The prompt steers the outline of the shipped network, on phantoms, which no network here was trained on."""

import numpy as np
import pytest

from salus.data.phantom.make import make_phantom
from salus.lab.training.simulated_prompts import centre_point, choose_lesion
from salus.preprocess import resize
from salus.segmentation.segmenter import Segmenter


def dice(mask, truth):
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


@pytest.fixture(scope="module")
def scores():
    """Mean Dice over phantoms with each kind of map, and with a click."""
    segmenter, table = Segmenter(), {}
    phantoms = [phantom for phantom in map(make_phantom, range(1000, 1024)) if phantom.mask.any()]
    for before, phantom in zip([phantoms[-1], *phantoms], phantoms, strict=False):
        prepared = segmenter.prepare(phantom.image)
        other = resize(before.mask.astype(np.float32), phantom.mask.shape)
        click = centre_point(choose_lesion(phantom.mask, np.random.default_rng(0)))
        prompts = {
            "none": {},
            "click": {"points": [click]},
            "truth": {"prompt_map": phantom.mask.astype(np.float32)},
            "other": {"prompt_map": other},
            "constant": {"prompt_map": np.full(phantom.mask.shape, 0.5, np.float32)},
        }
        for name, options in prompts.items():
            table.setdefault(name, []).append(dice(segmenter(prepared.scan, **options).mask, phantom.mask))
    return {name: float(np.mean(values)) for name, values in table.items()}


def test_the_truth_as_map_gives_eight_points_of_dice(scores):
    assert scores["truth"] > scores["none"] + 0.08


def test_another_images_map_and_a_constant_cost_dice(scores):
    assert scores["other"] < scores["none"] - 0.05
    assert scores["constant"] < scores["none"]


def test_a_click_helps(scores):
    assert scores["click"] > scores["none"] + 0.03
