"""Measure what a click, a box or a map is worth at a hospital that gave no training image, beside classical methods.

    salus train SOURCE SOURCE -o RUN --judge sources --final
    python bench/prompts.py RUN [--every 4]

Each source's images with a tumour, every Nth of them, are outlined by the network that was trained on the other
sources, with prompts made from the truth by a fixed seed. Scores are at the image's own size: mean Dice, the share of
images with a Dice below 0.1, the Dice of the lowest tenth. The map of another image and a constant show that the map
steers the outline; random walker (Grady 2006), the ellipse that fills the box and, where OpenCV is installed
(`pip install opencv-python-headless`), GrabCut (Rother et al. 2004) show what the prompt alone is worth.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from salus.lab.segmentation.run import read_run_data
from salus.lab.training.run_folder import read_json
from salus.lab.training.simulated_prompts import (
    add_correction,
    centre_point,
    choose_lesion,
    sample_loose_box,
    sample_point,
    sample_scribble,
)
from salus.preprocess import resize, to_uint8
from salus.prompts.prompt import NO_PROMPT, Box, Prompt, make_prompt
from salus.scan import Scan
from salus.segmentation.network import NetworkSettings, read_settings
from salus.segmentation.segmenter import Segmenter

SIDE = 160
"""Larger side at which random walker runs, pixels."""


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """Compute the Dice coefficient of two masks, one of which is not empty."""
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


def ellipse_in_box(shape: tuple[int, int], box: Box) -> np.ndarray:
    """Fill the ellipse that touches the four sides of a box."""
    x0, y0, x1, y1 = box
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside: np.ndarray = ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2 <= 1
    return inside


def random_walker_mask(pixels: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Outline by random walker from seeds inside and outside, at a smaller size."""
    from skimage.segmentation import random_walker

    scale = SIDE / max(pixels.shape)
    shape = (max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale)))
    small = resize(pixels, shape)
    seeds = np.zeros(shape, int)
    seeds[resize(outside.astype(np.float32), shape) > 0.5] = 2
    seeds[resize(inside.astype(np.float32), shape) > 0.3] = 1
    if not (seeds == 1).any() or not (seeds == 2).any():
        return inside
    labels = random_walker(small, seeds, beta=200, mode="cg_j", tol=1e-3)
    mask: np.ndarray = resize((labels == 1).astype(np.float32), (pixels.shape[0], pixels.shape[1])) >= 0.5
    return mask


def grabcut_mask(pixels: np.ndarray, inside: np.ndarray, perhaps: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Outline by GrabCut from pixels surely and perhaps inside the lesion, and pixels surely outside."""
    import cv2

    colours = np.repeat(to_uint8(pixels)[..., None], 3, axis=2)
    labels = np.full(pixels.shape, cv2.GC_PR_BGD, np.uint8)
    labels[perhaps] = cv2.GC_PR_FGD
    labels[outside], labels[inside] = cv2.GC_BGD, cv2.GC_FGD
    if not outside.any() or not (inside | perhaps).any():  # GrabCut needs pixels of both
        return inside | perhaps
    models = np.zeros((2, 1, 65))
    cv2.grabCut(colours, labels, None, models[0], models[1], 5, cv2.GC_INIT_WITH_MASK)
    mask: np.ndarray = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return mask


def disc(shape: tuple[int, int], x: float, y: float, radius: float) -> np.ndarray:
    """Fill a disc."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    inside: np.ndarray = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return inside


def outlines(
    scan: Scan, truth: np.ndarray, other: np.ndarray, segmenter: Segmenter, rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the mask of each way to outline an image.

    Args:
        scan: the image.
        truth: (height, width) bool, not empty.
        other: (height, width) bool, the truth of another image, stretched to this one's size.
        segmenter: of the network.
        rng: source of all random choices.
    """
    prepared = segmenter.prepare(scan)

    def outline(prompt: Prompt) -> np.ndarray:
        return segmenter.segment_prepared(prepared, prompt).mask

    lesion = choose_lesion(truth, rng)
    click, centre = Prompt(points=(sample_point(lesion, rng),)), Prompt(points=(centre_point(lesion),))
    box, tight = sample_loose_box(lesion, rng, (0.1, 0.1)), sample_loose_box(lesion, rng, (0.0, 0.0))
    yield "no prompt", outline(NO_PROMPT)
    calibrated = segmenter.settings
    segmenter.settings = replace(calibrated, refine=False)
    yield "no prompt, without its own answer as map", outline(NO_PROMPT)
    segmenter.settings = calibrated
    yield "one click, random", (mask := outline(click))
    corrected = add_correction(click, mask, truth)
    yield "two clicks, the second in the largest error", (mask := outline(corrected))
    yield "three clicks", outline(add_correction(corrected, mask, truth))
    yield "one click in the middle", outline(centre)
    yield "a scribble", outline(Prompt(scribbles=(sample_scribble(lesion, rng),)))
    yield "a box 10% loose", outline(Prompt(boxes=(box,)))
    yield "a tight box", outline(Prompt(boxes=(tight,)))
    yield "the truth as map", outline(make_prompt(prompt_map=truth.astype(np.float32)))
    yield "another image's truth as map", outline(make_prompt(prompt_map=other.astype(np.float32)))
    yield "a constant map", outline(make_prompt(prompt_map=np.full(truth.shape, 0.5, np.float32)))
    pixels, shape = scan.pixels, (scan.shape[0], scan.shape[1])
    border = ~np.pad(np.ones((shape[0] - 2, shape[1] - 2), bool), 1)
    x, y = centre.points[0]
    clicked = disc(shape, x, y, max(shape) / 40)
    yield "random walker from the click in the middle", random_walker_mask(pixels, clicked, border)
    if find_spec("cv2"):
        yield (
            "GrabCut from the click in the middle",
            grabcut_mask(pixels, clicked, disc(shape, x, y, max(shape) / 10), border),
        )
    x0, y0, x1, y1 = box
    in_box = np.zeros(shape, bool)
    in_box[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    middle = disc(shape, (x0 + x1) / 2, (y0 + y1) / 2, min(x1 - x0, y1 - y0) / 8)
    yield "random walker from the loose box", random_walker_mask(pixels, middle, ~in_box)
    if find_spec("cv2"):
        yield "GrabCut from the loose box", grabcut_mask(pixels, middle, in_box, ~in_box)
    yield "ellipse in the loose box", ellipse_in_box(shape, box)


def score_run(run: Path, every: int, log: Callable[[str], None]) -> dict[str, dict[str, list[float]]]:
    """Score every way on every source: Dice by source and name."""
    data, settings = read_run_data(run), read_card_settings(run)
    scores: dict[str, dict[str, list[float]]] = {}
    for fold in np.unique(data.fold):
        test = [i for i in data.test_indices(int(fold)) if data.masks[i].any()][::every]
        segmenter = Segmenter(run / f"fold-{fold}" / "network.onnx")
        segmenter.settings = replace(settings, name=segmenter.settings.name)
        segmenter.threshold = settings.threshold
        rng, source = np.random.default_rng(0), data.sets[test[0]]
        table, start = defaultdict(list), time.monotonic()
        for place, index in enumerate(test):
            scan = data.cases[index].read_image()
            truth = data.cases[index].read_mask(scan.shape)
            other = resize(data.masks[test[place - 7]].astype(np.float32), (scan.shape[0], scan.shape[1])) >= 0.5
            for name, mask in outlines(scan, truth, other, segmenter, rng):
                table[name].append(dice(mask, truth))
        log(f"{source}: {len(test)} images, {(time.monotonic() - start) / 60:.1f} minutes")
        scores[source] = dict(table)
    return scores


def read_card_settings(run: Path) -> NetworkSettings:
    """Read the calibrated settings of a finished run."""
    return read_settings(read_json(run / "card.json")["settings"], run / "card.json")


def main() -> None:
    """Score and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--every", type=int, default=4)
    args = parser.parse_args()
    scores = score_run(args.run, args.every, lambda line: print(line, flush=True))
    names = next(iter(scores.values()))
    print("\n| prompt | " + " | ".join(f"{s}: Dice | below 0.1 | lowest tenth" for s in scores) + " |")
    print("|---|" + "---|" * 3 * len(scores))
    for name in names:
        cells = []
        for table in scores.values():
            values = np.array(table[name])
            cells += [f"{values.mean():.3f}", f"{(values < 0.1).mean():.1%}", f"{np.quantile(values, 0.1):.3f}"]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
