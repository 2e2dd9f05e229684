"""Outline an image by a network with the prompts of a simulated reader, and score the outlines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label

import prompts_classical as classical
from salus.lab.training.simulated_prompts import (
    add_correction,
    centre_point,
    choose_lesion,
    sample_loose_box,
    sample_point,
    sample_scribble,
)
from salus.measure.lesions import EIGHT_CONNECTED
from salus.prompts.prompt import NO_PROMPT, Prompt, make_prompt
from salus.segmentation.region_results import PreparedScan
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter

Score = dict[str, float]
"""Of one outline: `dice`; and of one by a network, its `area` as a share of the image, `confidence` and `presence`."""

SPECK = 0.01
"""Components of a truth that cover less than this share of it are slips of the pen, and nobody points at them."""

CLICKS = 5
"""Largest number of clicks in an image."""

ANYWHERE = 10
"""Number of single clicks by which robustness to their place is measured."""


@dataclass(frozen=True, eq=False)
class Question:
    """An image with what is to be outlined in it; masks are (height, width) bool.

    Attributes:
        prepared: the image, and the network's input of it.
        truth: all of its lesions; empty in a tumour-free image.
        other: the truth of another image, stretched to this one's size.
        segmenter: of the network.
        one_look: the same, but it does not get its own answer back as the map where there is no prompt.
        rng: source of all random choices.
    """

    prepared: PreparedScan
    truth: np.ndarray
    other: np.ndarray
    segmenter: Segmenter
    one_look: Segmenter
    rng: np.random.Generator

    def outline(self, prompt: Prompt = NO_PROMPT) -> Segmentation:
        """Outline the image by the network."""
        return self.segmenter.segment_prepared(self.prepared, prompt)


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """Compute the Dice coefficient of two masks, one of which is not empty."""
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


def without_specks(truth: np.ndarray) -> np.ndarray:
    """Remove the components of a mask that cover less than `SPECK` of it.

    Example:
        >>> truth = np.zeros((30, 30), bool)
        >>> truth[5:25, 5:25] = truth[0, 0] = True
        >>> int(truth.sum()), int(without_specks(truth).sum())
        (401, 400)
    """
    labels, _ = label(truth, EIGHT_CONNECTED)
    large = np.bincount(labels.ravel()) >= SPECK * truth.sum()
    large[0] = False  # the background
    kept: np.ndarray = large[labels]
    return kept


def score(result: Segmentation, target: np.ndarray) -> Score:
    """Score a network's outline."""
    scored = {"area": float(result.mask.mean()), "confidence": result.confidence, "presence": result.presence}
    return scored | ({"dice": dice(result.mask, target)} if target.any() else {})


def with_prompts(question: Question) -> dict[str, Score]:
    """Outline by the network without a prompt, by clicks, a scribble, boxes and maps.

    The first click is drawn by its distance to the lesion's edge, each further one lies in the largest error so far.

    What is pointed at is one lesion, and the outline is scored by it alone; without a prompt, and with a map of the
    whole truth, another image's or a constant one, the target is the whole truth.
    """
    truth, rng = question.truth, question.rng
    lesion = choose_lesion(truth, rng)
    scores = {
        "no prompt": score(question.outline(), truth),
        "no prompt, without its own answer as map": score(question.one_look.segment_prepared(question.prepared), truth),
    }
    prompt = Prompt(points=(sample_point(lesion, rng),))
    for number in range(1, CLICKS + 1):
        result = question.outline(prompt)
        scores["1 click, random" if number == 1 else f"{number} clicks"] = score(result, lesion)
        prompt = add_correction(prompt, result.mask, lesion)
    prompts = {
        "1 click in the middle": Prompt(points=(centre_point(lesion),)),
        "a scribble": Prompt(scribbles=(sample_scribble(lesion, rng),)),
        "a tight box": box_prompt(lesion, rng, 0.0),
        "a box, each side 10% out": box_prompt(lesion, rng, 0.1),
        "a box 25% too wide and too high": box_prompt(lesion, rng, 0.125),
        "a box, each side 25% out": box_prompt(lesion, rng, 0.25),
    }
    scores |= {name: score(question.outline(prompt), lesion) for name, prompt in prompts.items()}
    maps = {
        "the truth as map": truth.astype(np.float32),
        "another image's truth as map": question.other.astype(np.float32),
        "a constant map": np.full(truth.shape, 0.5, np.float32),
    }
    return scores | {
        name: score(question.outline(make_prompt(prompt_map=values)), truth) for name, values in maps.items()
    }


def box_prompt(lesion: np.ndarray, rng: np.random.Generator, out: float) -> Prompt:
    """Draw a box around a lesion, each side off by a share of the box's own side, within the image."""
    return Prompt(boxes=(sample_loose_box(lesion, rng, (out, out)),))


def click_anywhere(question: Question) -> dict[str, Score]:
    """Outline by single clicks, each anywhere in the lesion: every pixel is as likely, those at its edge too."""
    lesion = choose_lesion(question.truth, question.rng)
    places = [sample_point(lesion, question.rng, by_distance=False) for _ in range(ANYWHERE)]
    found = [dice(question.outline(Prompt(points=(place,))).mask, lesion) for place in places]
    return {
        f"1 click anywhere in the lesion, mean of {ANYWHERE}": {"dice": float(np.mean(found))},
        f"1 click anywhere in the lesion, worst of {ANYWHERE}": {"dice": min(found)},
    }


def without_the_network(question: Question) -> dict[str, Score]:
    """Outline by what a user has without a network that takes prompts, from the same places."""
    lesion, pixels = choose_lesion(question.truth, question.rng), question.prepared.scan.pixels
    random, middle = sample_point(lesion, question.rng), centre_point(lesion)
    free = question.outline()
    masks = {}
    for name, place in (("a random click", random), ("a click in the middle", middle)):
        probability = free.probability[int(place[1]), int(place[0])]
        threshold = min(free.threshold, float(probability) / 2)
        masks[f"{name}: the region of the network's own outline"] = classical.region_at(free.mask, place)
        masks[f"{name}: the network's own probability, cut at half its value there"] = classical.region_at(
            free.probability >= threshold, place
        )
    for name, mask in classical.from_click(pixels, middle):
        masks[f"a click in the middle: {name}"] = mask
    (box,) = box_prompt(lesion, question.rng, 0.1).boxes
    for name, mask in classical.from_box(pixels, box):
        masks[f"a box, each side 10% out: {name}"] = mask
    return {name: {"dice": dice(mask, lesion)} for name, mask in masks.items()}


def wrongly_clicked(question: Question) -> dict[str, Score]:
    """Outline with no prompt and with a click; in a tumour-free image anywhere, and at the most suspicious place."""
    free = question.outline()
    scores = {"no prompt": score(free, question.truth)}
    if question.truth.any():
        places = {"1 click, random": sample_point(choose_lesion(question.truth, question.rng), question.rng)}
    else:
        row, column = np.unravel_index(int(free.probability.argmax()), free.probability.shape)
        places = {
            "1 click anywhere": sample_point(~question.truth, question.rng, by_distance=False),
            "1 click where the network suspects most": (column + 0.5, row + 0.5),
        }
    clicked = {name: question.outline(Prompt(points=(place,))) for name, place in places.items()}
    return scores | {name: score(result, question.truth) for name, result in clicked.items()}
