"""The scripts of bench/ that measure prompts: what is asked, how it is scored, and the tables."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import prompts
import prompts_classical as classical
import prompts_network as ways
from salus.prompts.prompt import NO_PROMPT
from salus.scan import Scan
from salus.segmentation.region_results import PreparedScan


@pytest.fixture(autouse=True)
def quick_random_walker(monkeypatch):
    monkeypatch.setattr(classical, "SIDE", 60)


def disc(x, y, radius, shape=(80, 100)):
    return classical.disc(shape, (x, y), radius)


class Answers:
    """A network that answers prompts by a rule, and remembers what it was asked."""

    def __init__(self, rule):
        self.rule, self.asked = rule, []

    def segment_prepared(self, prepared, prompt=NO_PROMPT):
        self.asked.append(prompt)
        mask = self.rule(prompt)
        probability = np.where(mask, 0.8, 0.1).astype(np.float32)
        probability[70, 90] += 0.15  # the most suspicious place where nothing is outlined
        return SimpleNamespace(mask=mask, confidence=0.7, presence=0.6, probability=probability, threshold=0.4)


def question(truth, rule, rule_of_one_look=None):
    pixels = np.linspace(0, 1, truth.size, dtype=np.float32).reshape(truth.shape)
    prepared = PreparedScan(Scan(pixels, "a test"), ())
    rng = np.random.default_rng(3)
    return ways.Question(prepared, truth, ~truth, Answers(rule), Answers(rule_of_one_look or rule), rng)


def test_five_clicks_follow_the_largest_error_and_boxes_have_the_sizes_of_their_names():
    truth = disc(40, 30, 15)
    # Every click inside adds a disc of 5, so that the largest error is always what is missing.
    asked = question(truth, lambda prompt: np.any([disc(x, y, 5) for x, y in prompt.points] + [disc(0, 0, 1)], axis=0))
    scores = ways.with_prompts(asked)
    clicks = [scores["1 click, random"], *(scores[f"{n} clicks"] for n in range(2, 6))]
    found = [score["dice"] for score in clicks]
    assert found == sorted(found)
    assert found[4] > found[0] + 0.2
    numbers = [len(prompt.points) for prompt in asked.segmenter.asked]
    assert numbers[:7] == [0, 1, 2, 3, 4, 5, 1]
    boxes = [prompt.boxes[0] for prompt in asked.segmenter.asked if prompt.boxes]
    width = np.flatnonzero(truth.any(axis=0))[[0, -1]] @ [-1, 1] + 1
    assert [(x1 - x0) / width for x0, _, x1, _ in boxes] == pytest.approx([1, 1.2, 1.25, 1.5])
    assert all(prompt.map is not None for prompt in asked.segmenter.asked[-3:])


def test_a_click_is_scored_by_the_lesion_pointed_at_and_no_click_by_all_of_them():
    left, right = disc(25, 40, 12), disc(75, 40, 12)

    def rule(prompt):
        if not prompt.points:
            return left | right
        return left if prompt.points[0][0] < 50 else right

    scores = ways.with_prompts(question(left | right, rule))
    assert (
        scores["no prompt"]["dice"] == scores["1 click, random"]["dice"] == scores["1 click in the middle"]["dice"] == 1
    )


def test_clicks_anywhere_give_the_mean_and_the_worst_of_ten():
    truth = disc(50, 40, 20)
    asked = question(truth, lambda prompt: disc(*prompt.points[0], 20))
    mean, worst = (score["dice"] for score in ways.click_anywhere(asked).values())
    places = [prompt.points[0] for prompt in asked.segmenter.asked]
    assert len(set(places)) == 10
    assert all(truth[int(y), int(x)] for x, y in places)
    by_hand = [2 * (disc(*place, 20) & truth).sum() / (disc(*place, 20).sum() + truth.sum()) for place in places]
    assert (mean, worst) == pytest.approx((np.mean(by_hand), min(by_hand)))


def test_a_tumour_free_image_is_clicked_anywhere_and_where_the_network_suspects_most():
    nothing = np.zeros((80, 100), bool)
    asked = question(nothing, lambda prompt: disc(10, 10, 4) if prompt.points else nothing)
    scores = ways.wrongly_clicked(asked)
    assert asked.segmenter.asked[2].points == ((90.5, 70.5),)
    assert scores["no prompt"] == {"area": 0, "confidence": 0.7, "presence": 0.6}
    assert scores["1 click anywhere"]["area"] == pytest.approx(disc(10, 10, 4).mean())


def test_the_networks_own_outline_is_taken_at_the_click_and_its_probability_cut_there():
    truth = disc(40, 40, 10)
    scores = ways.without_the_network(question(truth, lambda prompt: disc(80, 20, 10)))  # it outlines another place
    own = scores["a click in the middle: the region of the network's own outline"]["dice"]
    cut = scores["a click in the middle: the network's own probability, cut at half its value there"]["dice"]
    assert own == 0
    assert cut == pytest.approx(2 * truth.sum() / (8000 + truth.sum()))  # all is above half of 0.1, and joined


@pytest.fixture(scope="module")
def dark_disc_in_speckle():
    truth = disc(50, 40, 18)
    noise = np.random.default_rng(0).rayleigh(1, truth.shape)
    return np.clip(np.where(truth, 0.12, 0.4) * noise, 0, 1).astype(np.float32), truth


def test_a_box_around_a_dark_disc_gives_it_by_random_walker_and_nearly_by_an_ellipse(dark_disc_in_speckle):
    pixels, truth = dark_disc_in_speckle
    masks = dict(classical.from_box(pixels, (28, 18, 72, 62)))
    assert ways.dice(masks["random walker, speckle smoothed"], truth) > 0.7
    assert ways.dice(masks["the ellipse in the box"], truth) == pytest.approx(2 * 18**2 / (18**2 + 22**2), abs=0.01)


def test_grabcut_outlines_a_dark_disc_from_a_box_and_keeps_the_place_clicked(dark_disc_in_speckle):
    pytest.importorskip("cv2", reason="GrabCut is OpenCV's, which is no dependency")
    pixels, truth = dark_disc_in_speckle
    masks = dict(classical.from_box(pixels, (28, 18, 72, 62)))
    assert min(ways.dice(masks[name], truth) for name in ("GrabCut", "GrabCut, speckle smoothed")) > 0.9
    clicked = dict(classical.from_click(pixels, (50.5, 40.5)))
    assert all(mask[40, 50] for mask in clicked.values())


def made_run():
    lesions = np.array([1, 1, 1, 0, 1, 1, 0, 0], bool)
    return SimpleNamespace(sets=("a",) * 3 + ("b",) * 5, masks=np.ones((8, 2, 2), bool) & lesions[:, None, None])


def test_tumour_free_images_are_only_asked_in_their_part_and_of_two_networks():
    weights = {("a", "left out"): "1", ("a", "final"): "3", ("b", "left out"): "2", ("b", "final"): "3"}
    tasks = prompts.list_tasks(made_run(), weights, ["clicks", "free"], 2)
    clicks = [(task.source, task.image, task.network) for task in tasks if task.part == "clicks"]
    assert clicks == [("a", 0, "left out"), ("a", 2, "left out"), ("b", 4, "left out")]
    free = [(task.network, task.image, task.tumour, task.weights) for task in tasks if task.part == "free"]
    of_one = [(4, True), (3, False), (6, False), (7, False)]
    assert free == [(n, *task, w) for n, w in (("left out", "2"), ("final", "3")) for task in of_one]


def test_kept_scores_are_read_but_for_a_line_cut_short(tmp_path):
    task = prompts.Task("clicks", "a", 0, True, "left out", "1")
    line = json.dumps({"task": vars(task), "scores": {"no prompt": {"dice": 0.5}}})
    (tmp_path / "kept").write_text(line + "\n" + line[: len(line) // 2])
    assert prompts.read_kept(tmp_path / "kept") == {task: {"no prompt": {"dice": 0.5}}}
    assert prompts.read_kept(tmp_path / "missing") == {}


def test_tables_hold_mean_missed_and_lowest_tenth_and_tell_tumour_free_images_apart():
    found = [0.05, *np.linspace(0.1, 1, 10)]
    tasks = [prompts.Task("anywhere", "a", i, True, "left out", "1") for i in range(11)]
    scores = {task: {"no prompt": {"dice": value}} for task, value in zip(tasks, found, strict=True)}
    lines = list(prompts.dice_table("anywhere", scores))
    assert lines[0] == "| anywhere | a (11): Dice | below 0.1 | lowest tenth |"
    assert lines[2] == "| no prompt | 0.505 | 9.1% | 0.100 |"

    def scored(area, confidence):
        return {"area": area, "confidence": confidence, "presence": 0.5}

    free = {
        prompts.Task("free", "a", i, i < 2, "left out", "1"): {
            "no prompt": scored(0.1, 0.9 if i < 2 else 0.5),
            "1 click, random" if i < 2 else "1 click anywhere": scored(0.2 * (i % 2), (0.9, 0.6, 0.8, 0.7)[i]),
        }
        for i in range(4)
    }
    rows = list(prompts.free_table(free))[2:]
    assert rows[0] == "| left out | a, tumour (2) | no prompt | 100.0% | 10.0% | 10.0% | 0.90 | 0.50 | – |"
    assert rows[2] == "| left out | a, tumour-free (2) | no prompt | 100.0% | 10.0% | 10.0% | 0.50 | 0.50 | 1.00 |"
    assert (
        rows[3] == "| left out | a, tumour-free (2) | 1 click anywhere | 50.0% | 10.0% | 10.0% | 0.75 | 0.50 | 0.50 |"
    )
