"""Simulated prompts point where they say, and their targets are what was pointed at; a seed decides all of it."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, distance_transform_edt

from salus.lab.training.simulated_prompts import (
    BOX,
    DEFAULT_SIMULATION,
    MAP,
    OUTSIDE,
    POINTS,
    SCRIBBLE,
    PromptSimulation,
    add_correction,
    centre_point,
    choose_lesion,
    degrade_truth,
    draw_simulated,
    sample_loose_box,
    sample_point,
    sample_point_near,
    simulate_prompt,
)
from salus.prompts.prompt import Prompt, check_prompt, describe_prompt
from salus.scan import Scan

SIDE = 96
Y, X = np.mgrid[:SIDE, :SIDE]
DISC = (X - 60) ** 2 + (Y - 40) ** 2 < 18**2
RING = DISC & ((X - 60) ** 2 + (Y - 40) ** 2 > 10**2)
TWO = DISC | ((X - 15) ** 2 + (Y - 75) ** 2 < 10**2)
EMPTY = np.zeros((SIDE, SIDE), bool)
EDGE = X < 5
PIXEL = (X == 70) & (Y == 3)
LESIONS = {"disc": DISC, "ring": RING, "two": TWO, "edge": EDGE, "pixel": PIXEL}

each_lesion = pytest.mark.parametrize("mask", LESIONS.values(), ids=LESIONS)


def only(kind, **settings):
    kinds = [0.0] * 5
    kinds[kind] = 1.0
    return PromptSimulation(**{"none": 0, "wrong": 0, "outside": 0, "kinds": tuple(kinds)} | settings)


def at(mask, point):
    x, y = point
    return bool(mask[int(y), int(x)])


@each_lesion
@pytest.mark.parametrize("seed", range(20))
def test_what_is_drawn_belongs_to_the_image_and_is_the_seeds_alone(mask, seed):
    prompt, target = simulate_prompt(mask, np.random.default_rng(seed))
    check_prompt(prompt, Scan(np.zeros((SIDE, SIDE), np.float32), "made"))
    assert not (target & ~mask).any()
    again, same = simulate_prompt(mask.copy(), np.random.default_rng(seed))
    assert describe_prompt(again) == describe_prompt(prompt)
    np.testing.assert_array_equal(same, target)
    drawn = draw_simulated(prompt, SIDE)
    assert (drawn.shape, drawn.dtype) == ((SIDE, SIDE, 1), np.float32)
    assert drawn.any() == bool(prompt)


@each_lesion
def test_clicks_and_scribbles_lie_in_the_lesion_that_is_the_target(mask):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        prompt, target = simulate_prompt(mask, rng, only(POINTS))
        assert 1 <= len(prompt.points) <= 3
        assert all(at(target, point) for point in prompt.points)
        prompt, target = simulate_prompt(mask, rng, only(SCRIBBLE))
        assert all(at(target, point) for point in prompt.scribbles[0])
        steps = np.linalg.norm(np.diff(prompt.scribbles[0], axis=0), axis=1)
        np.testing.assert_allclose(steps, 2, atol=1e-6)


def test_of_two_lesions_each_is_the_target_of_half_the_prompts():
    sizes = Counter(int(choose_lesion(TWO, np.random.default_rng(seed)).sum()) for seed in range(400))
    assert set(sizes) == {int(DISC.sum()), int((TWO & ~DISC).sum())}
    assert 150 < sizes[int(DISC.sum())] < 250


def test_clicks_by_distance_lie_in_the_middle_and_the_others_anywhere():
    """Of a disc of radius R, the mean distance d to the edge is 0.6 R with weights d^2, and R/3 without."""
    distance = distance_transform_edt(DISC)
    rng = np.random.default_rng(0)
    means = [
        np.mean([distance[int(y), int(x)] for x, y in (sample_point(DISC, rng, by_distance) for _ in range(1500))])
        for by_distance in (True, False)
    ]
    assert means == [pytest.approx(18 * 0.6, rel=0.1), pytest.approx(18 / 3, rel=0.1)]


@each_lesion
def test_a_click_outside_is_near_and_in_no_lesion(mask):
    distance = distance_transform_edt(~mask)
    for seed in range(30):
        x, y = sample_point_near(mask, mask, np.random.default_rng(seed), near=0.1)
        assert 0 < distance[int(y), int(x)] <= 0.1 * SIDE
    prompt, target = simulate_prompt(mask, np.random.default_rng(1), only(OUTSIDE))
    assert (len(prompt.not_points), prompt.points) == (1, ())
    np.testing.assert_array_equal(target, mask)
    assert sample_point_near(~EMPTY, ~EMPTY, np.random.default_rng(0), 0.1) == (0, 0)


def test_a_loose_box_is_off_by_5_to_25_percent_on_each_side():
    rows, columns = np.flatnonzero(DISC.any(axis=1)), np.flatnonzero(DISC.any(axis=0))
    width, height = np.ptp(columns) + 1, np.ptp(rows) + 1
    offs = []
    for seed in range(200):
        x0, y0, x1, y1 = sample_loose_box(DISC, np.random.default_rng(seed), (0.05, 0.25))
        offs += [(columns[0] - x0) / width, (x1 - columns[-1] - 1) / width]
        offs += [(rows[0] - y0) / height, (y1 - rows[-1] - 1) / height]
    assert 0.05 <= min(offs) < 0.06
    assert 0.24 < max(offs) <= 0.25
    inward = [sample_loose_box(DISC, np.random.default_rng(seed), (0.05, 0.25), 1.0) for seed in range(50)]
    assert all(columns[0] < x0 <= columns[0] + 0.05 * width for x0, _, _, _ in inward)
    assert sample_loose_box(EDGE, np.random.default_rng(0), (0.2, 0.2))[:2] == (0, 0)  # ends at the image's border
    prompt, target = simulate_prompt(TWO, np.random.default_rng(2), only(BOX, inward=0))
    (x0, y0, x1, y1) = prompt.boxes[0]
    assert target[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1].sum() == target.sum()


@each_lesion
def test_the_degraded_truth_is_the_truth_blurred_and_shifted(mask):
    for seed in range(10):
        degraded = degrade_truth(mask, np.random.default_rng(seed), (0.01, 0.06), 0.03)
        assert (degraded.dtype, degraded.shape, degraded.max()) == (np.float32, mask.shape, 1)
        assert degraded.min() >= 0
    faithful = degrade_truth(mask, np.random.default_rng(0), (1e-6, 1e-6), 0.0)
    np.testing.assert_array_equal(faithful > 0.5, mask)
    prompt, target = simulate_prompt(TWO, np.random.default_rng(0), only(MAP))
    inside, outside = prompt.map[target].mean(), prompt.map[~target].mean()
    assert inside > 3 * outside


def test_a_wrong_click_lies_beside_every_lesion_and_its_target_is_the_whole_truth():
    kinds = set()
    for seed in range(40):
        prompt, target = simulate_prompt(TWO, np.random.default_rng(seed), PromptSimulation(none=0, wrong=1))
        np.testing.assert_array_equal(target, TWO)
        assert not any(at(TWO, point) for point in prompt.points)
        kinds.add("box" if prompt.boxes else "point")
    assert kinds == {"box", "point"}


def test_without_a_tumour_half_the_images_get_a_prompt_and_all_an_empty_target():
    pairs = [simulate_prompt(EMPTY, np.random.default_rng(seed)) for seed in range(300)]
    assert not any(target.any() for _, target in pairs)
    assert 110 < sum(bool(prompt) for prompt, _ in pairs) < 190


def test_the_shares_of_prompts_are_those_of_the_settings():
    settings = replace(DEFAULT_SIMULATION, outside=0.5)
    prompts = [simulate_prompt(DISC, np.random.default_rng(seed), settings)[0] for seed in range(800)]
    assert np.mean([not prompt for prompt in prompts]) == pytest.approx(0.3, abs=0.05)
    pointed = [prompt for prompt in prompts if prompt]
    assert np.mean([bool(prompt.boxes) for prompt in pointed]) == pytest.approx(0.2, abs=0.05)
    assert np.mean([prompt.map is not None for prompt in pointed]) == pytest.approx(0.1, abs=0.04)
    assert np.mean([bool(prompt.not_points) for prompt in pointed]) == pytest.approx(0.1 + 0.9 * 0.5, abs=0.07)


def test_the_centre_is_the_place_farthest_from_the_edge():
    assert centre_point(DISC) == (60.5, 40.5)
    x, y = centre_point(EDGE)
    assert x == 2.5
    assert 0 < y < SIDE


def test_a_correction_is_a_click_in_the_largest_error():
    small, large = np.zeros_like(DISC), np.zeros_like(DISC)
    small[2:7, 2:7] = True
    large[70:81, 70:81] = True
    assert add_correction(Prompt(), DISC, DISC | small | large).points == ((75.5, 75.5),)
    assert add_correction(Prompt(points=((3, 3),)), DISC | small | large, DISC).not_points == ((75.5, 75.5),)
    first = add_correction(Prompt(), DISC | small, DISC | large)  # missed more than drawn in addition
    assert (first.points, first.not_points) == (((75.5, 75.5),), ())
    assert add_correction(first, DISC, DISC) is first
    drawn = [add_correction(Prompt(), DISC, DISC | large, np.random.default_rng(seed)).points[0] for seed in range(30)]
    assert all(at(large, point) for point in drawn)
    assert len(set(drawn)) > 20


def test_three_rounds_of_corrections_end_at_the_truth():
    """A reader who paints a square where it is told to ends within three clicks on three squares."""
    target, painted, prompt = np.zeros_like(DISC), np.zeros_like(DISC), Prompt()
    for row in (10, 40, 70):
        target[row : row + 9, 20:29] = True
    for _ in range(3):
        prompt = add_correction(prompt, painted, target)
        x, y = map(int, prompt.points[-1])
        painted[y - 4 : y + 5, x - 4 : x + 5] = True
    np.testing.assert_array_equal(painted, target)


def test_a_batch_takes_little_time():
    import time

    mask = np.kron(binary_erosion(DISC), np.ones((3, 3), bool))[:256, :256]
    at_start = time.perf_counter()
    for seed in range(20):
        draw_simulated(simulate_prompt(mask, np.random.default_rng(seed))[0], 256)
    assert (time.perf_counter() - at_start) / 20 < 0.2  # 10 ms on an idle core
