"""Choose the constants of the classical saliency methods by cross-validation, and score them out of fold.

    python bench/saliency_constants.py --data shared/data/busbra shared/data/busi --save anatomy.npz

Images are grouped by patient or near-duplicate cluster. In each of the folds, random constants are tried on a subset of
one inner fold (the foreground of `anatomy` being fitted on the other training folds), the best are kept, the foreground
is fitted on all training folds, and the fold is scored. The constants to ship are the best over all inner folds.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from salus.data.folds import split_into_folds
from salus.data.layouts import read_data_set
from salus.data.prepare import prepare
from salus.saliency.methods import anatomy, hybrid
from salus.saliency.methods.cues import RegionCues, compute_cues
from salus.saliency.methods.superpixels import WORKING_SIZE

RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "anatomy": {
        "beta": (0.1, 2), "gamma": (1, 15), "mu": (10, 24), "centre_sigma": (0.25, 0.6), "grey_sigma": (0.2, 0.6),
        "distance_sigma": (0.06, 0.16),
    },
    "hybrid": {
        "alpha": (0.3, 5), "beta": (1, 300), "mu": (0.5, 10), "top": (0.1, 1), "bottom": (0.1, 1), "side": (0.1, 1),
        "darkness_power": (0.5, 4), "centre_sigma": (0.25, 0.8), "grey_sigma": (0.2, 0.6),
        "distance_sigma": (0.06, 0.2),
    },
}  # fmt: skip
"""Limits between which each parameter is drawn, evenly in its logarithm."""

CLASSES = {"anatomy": anatomy.AnatomyParameters, "hybrid": hybrid.HybridParameters}

Parameters = anatomy.AnatomyParameters | hybrid.HybridParameters


@dataclass(frozen=True, eq=False)
class PreparedSet:
    """A data set of n images.

    Attributes:
        name: of its folder.
        fold: (n,) test fold of each image, from 1.
        images: regions and cues of each image.
        masks: (n, s, s) bool.
        truth: share of tumour of each region, by image.
        lesion: (n,) whether an image shows a tumour.
    """

    name: str
    fold: np.ndarray
    images: list[RegionCues]
    masks: np.ndarray
    truth: list[np.ndarray]
    lesion: np.ndarray


def read(folder: Path, folds: int, seed: int, limit: int | None) -> PreparedSet:
    """Prepare a data set; `limit` keeps about so many images, spread evenly."""
    data = read_data_set(folder)
    pairs = prepare(data.labelled, WORKING_SIZE)
    test = split_into_folds(data, pairs, "grouped", folds, seed).test
    keep = np.arange(0, len(pairs.cases), max(1, len(pairs.cases) // limit) if limit else 1)
    images = [compute_cues(pairs.images[i]) for i in keep]
    truth = [image.regions.average(pairs.masks[i]) for image, i in zip(images, keep, strict=True)]
    fold = np.array([test[pairs.cases[i].name] for i in keep])
    return PreparedSet(folder.name, fold, images, pairs.masks[keep], truth, np.array([t.any() for t in truth]))


def pixel_auc(values: np.ndarray, truth: np.ndarray, area: np.ndarray) -> float:
    """Compute the area under the pixels' ROC curve of a map that is constant in each region; ties count one half."""
    levels, which = np.unique(values, return_inverse=True)
    inside = np.bincount(which, area * truth, len(levels))
    outside = np.bincount(which, area * (1 - truth), len(levels))
    return float(inside @ (np.cumsum(outside) - outside / 2) / (inside.sum() * outside.sum()))


def estimate(
    method: str, image: RegionCues, parameters: Parameters, foreground: anatomy.Foreground | None
) -> np.ndarray:
    """Compute the saliency of each region of an image."""
    if method == "hybrid":
        return hybrid.compute_saliency(image, parameters)
    return anatomy.compute_probabilities(foreground.log_odds(image), image.regions, parameters)


def score(
    method: str,
    part: PreparedSet,
    chosen: np.ndarray,
    parameters: Parameters,
    foreground: anatomy.Foreground | None,
) -> list[float]:
    """Compute the AUC of each chosen image."""
    return [
        pixel_auc(estimate(method, part.images[i], parameters, foreground), part.truth[i], part.images[i].regions.area)
        for i in chosen
    ]


def fit(parts: list[PreparedSet], left_out: set[int]) -> anatomy.Foreground:
    """Fit the foreground to all images but those of some folds."""
    inside = [~np.isin(part.fold, list(left_out)) for part in parts]
    images = [part.images[i] for part, keep in zip(parts, inside, strict=True) for i in np.flatnonzero(keep)]
    return anatomy.fit_foreground(images, np.concatenate([p.masks[k] for p, k in zip(parts, inside, strict=True)]))


def draw(method: str, trials: int, rng: np.random.Generator) -> list[Parameters]:
    """Return the default parameters, then random ones of two digits."""
    drawn = [CLASSES[method]()]
    while len(drawn) < trials:
        values = {name: np.exp(rng.uniform(*np.log(limits))) for name, limits in RANGES[method].items()}
        drawn.append(CLASSES[method](**{name: float(f"{value:.2g}") for name, value in values.items()}))
    return drawn


def calibration(
    parts: list[PreparedSet], maps: dict[str, list[np.ndarray]], parameters: anatomy.AnatomyParameters
) -> np.ndarray:
    """Fit the `slope` and `shift` that make out-of-fold maps probabilities, on all pixels of all images."""
    values = np.concatenate([saliency for part in parts for saliency in maps[part.name]])
    truth = np.concatenate([shares for part in parts for shares in part.truth])
    area = np.concatenate([image.regions.area for part in parts for image in part.images])
    before = (np.log(values / (1 - values)) - parameters.shift) / parameters.slope
    return anatomy.calibrate(before, area * truth, area * (1 - truth))


def search(method: str, parts: list[PreparedSet], args: argparse.Namespace) -> None:
    """Choose one method's parameters, and print them and the scores."""
    rng = np.random.default_rng(args.seed)
    folds = range(1, args.folds + 1)
    inner = {fold: fold % args.folds + 1 for fold in folds}
    needed = method == "anatomy"
    inner_fit = {f: fit(parts, {f, inner[f]}) if needed else None for f in folds}
    outer_fit = {f: fit(parts, {f}) if needed else None for f in folds}

    def draw_subset(part: PreparedSet, fold: int) -> np.ndarray:
        return rng.permutation(np.flatnonzero((part.fold == inner[fold]) & part.lesion))[: args.subset]

    subsets = {f: [draw_subset(part, f) for part in parts] for f in folds}
    trials = draw(method, args.trials, rng)
    auc = np.empty((len(trials), len(folds), len(parts)))
    for (t, c), (k, f), (p, part) in product(enumerate(trials), enumerate(folds), enumerate(parts)):
        auc[t, k, p] = np.mean(score(method, part, subsets[f][p], c, inner_fit[f]))
    best = int(auc.mean(axis=(1, 2)).argmax())
    chosen = {f: trials[int(auc[:, k].mean(axis=1).argmax())] for k, f in enumerate(folds)}
    print(f"\n{method}: {len(trials)} trials, {args.subset} images of each set and fold")
    for name, trial in (("default", 0), ("best", best)):
        means = zip(parts, auc[trial].mean(axis=0), strict=True)
        print(f"  inner AUC, {name:8}", *(f"{part.name} {mean:.4f}" for part, mean in means))
    for name, pick in (("searched", chosen), ("default", dict.fromkeys(folds, trials[0]))):
        out = {part.name: np.concatenate([
            score(method, part, np.flatnonzero((part.fold == f) & part.lesion), pick[f], outer_fit[f]) for f in folds
        ]) for part in parts}  # fmt: skip
        print(f"  out-of-fold AUC, {name:8}", *(f"{part} {values.mean():.4f}" for part, values in out.items()))
    maps = {
        part.name: [
            estimate(method, image, chosen[f], outer_fit[f]) for image, f in zip(part.images, part.fold, strict=True)
        ]
        for part in parts
    }
    for part in parts:
        quiet = np.array([values.max() < 0.5 for values in maps[part.name]])
        shares = [f"{quiet[w].mean():.2f} of {w.sum()} {what}"
                  for what, w in (("lesions", part.lesion), ("tumour-free", ~part.lesion)) if w.any()]  # fmt: skip
        print(f"  below 0.5 everywhere, {part.name}:", ", ".join(shares))
    if method == "anatomy":
        print("  map to probability: slope={:.2f}, shift={:.2f}".format(*calibration(parts, maps, trials[0])))
    print("  constants by fold", *(chosen[f] for f in folds), sep="\n    ")
    print("  constants to ship\n   ", trials[best])


def main() -> None:
    """Read the arguments and the data, and search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="folders of data sets")
    parser.add_argument("--methods", nargs="+", choices=RANGES, default=list(RANGES))
    parser.add_argument("--trials", type=int, default=40, help="random constants to try, the defaults first")
    parser.add_argument("--subset", type=int, default=40, help="images of each set and inner fold to try them on")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, help="about how many images of each set to use, for a quick look")
    parser.add_argument("--save", type=Path, help="write the anatomy model, fitted on everything, to this .npz")
    args = parser.parse_args()
    parts = [read(folder, args.folds, args.seed, args.limit) for folder in args.data]
    print(*(f"{part.name}: {len(part.images)} images, {part.lesion.sum()} with a tumour" for part in parts), sep="\n")
    for method in args.methods:
        search(method, parts, args)
    if args.save:
        anatomy.AnatomySaliency(foreground=fit(parts, set())).save(args.save)


if __name__ == "__main__":
    main()
