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

from salus.data.layouts import read_data_set
from salus.data.prepare import prepare
from salus.data.split import deal_folds
from salus.saliency.methods import anatomy, hybrid
from salus.saliency.methods.cues import Seen, look
from salus.saliency.methods.superpixels import WORKING

RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "anatomy": {
        "beta": (0.1, 2), "gamma": (1, 15), "mu": (10, 24), "centre": (0.25, 0.6), "likeness": (0.2, 0.6),
        "nearness": (0.06, 0.16),
    },
    "hybrid": {
        "alpha": (0.3, 5), "beta": (1, 300), "mu": (0.5, 10), "top": (0.1, 1), "bottom": (0.1, 1), "side": (0.1, 1),
        "dark": (0.5, 4), "centre": (0.25, 0.8), "likeness": (0.2, 0.6), "nearness": (0.06, 0.2),
    },
}  # fmt: skip
"""Between which each constant is drawn, evenly in its logarithm."""

CLASSES = {"anatomy": anatomy.Constants, "hybrid": hybrid.Constants}


@dataclass(frozen=True, eq=False)
class Set:
    """One data set, seen once: test fold (from 1), regions, masks, the tumour's share of each region, any tumour."""

    name: str
    fold: np.ndarray
    seen: list[Seen]
    masks: np.ndarray
    truth: list[np.ndarray]
    lesion: np.ndarray


def read(folder: Path, folds: int, seed: int, limit: int | None) -> Set:
    """Prepare a data set; `limit` keeps every so many images."""
    data = read_data_set(folder)
    pairs = prepare(data.labelled, WORKING)
    test = deal_folds(data, pairs, "grouped", folds, seed).test
    keep = np.arange(0, len(pairs.cases), max(1, len(pairs.cases) // limit) if limit else 1)
    seen = [look(pairs.images[i]) for i in keep]
    truth = [one.regions.average(pairs.masks[i]) for one, i in zip(seen, keep, strict=True)]
    fold = np.array([test[pairs.cases[i].name] for i in keep])
    return Set(folder.name, fold, seen, pairs.masks[keep], truth, np.array([t.any() for t in truth]))


def pixel_auc(values: np.ndarray, truth: np.ndarray, area: np.ndarray) -> float:
    """Area under the pixels' ROC curve of a map that is constant in each region; ties count one half."""
    levels, which = np.unique(values, return_inverse=True)
    inside = np.bincount(which, area * truth, len(levels))
    outside = np.bincount(which, area * (1 - truth), len(levels))
    return float(inside @ (np.cumsum(outside) - outside / 2) / (inside.sum() * outside.sum()))


def solve(method: str, one: Seen, constants, foreground) -> np.ndarray:
    """The map of one image."""
    if method == "hybrid":
        return hybrid.solve(one, constants)
    return anatomy.solve(foreground.log_odds(one), one.regions, constants)


def score(method: str, part: Set, chosen: np.ndarray, constants, foreground) -> list[float]:
    """AUC of each chosen image."""
    return [
        pixel_auc(solve(method, part.seen[i], constants, foreground), part.truth[i], part.seen[i].regions.area)
        for i in chosen
    ]


def fit(parts: list[Set], left_out: set[int]) -> anatomy.Foreground:
    """The foreground of all images but those of some folds."""
    inside = [~np.isin(part.fold, list(left_out)) for part in parts]
    seen = [part.seen[i] for part, keep in zip(parts, inside, strict=True) for i in np.flatnonzero(keep)]
    return anatomy.fit_foreground(seen, np.concatenate([p.masks[k] for p, k in zip(parts, inside, strict=True)]))


def draw(method: str, trials: int, rng: np.random.Generator) -> list:
    """The defaults, and random constants to two digits."""
    made = [CLASSES[method]()]
    while len(made) < trials:
        drawn = {name: np.exp(rng.uniform(*np.log(ends))) for name, ends in RANGES[method].items()}
        made.append(CLASSES[method](**{name: float(f"{value:.2g}") for name, value in drawn.items()}))
    return made


def calibration(parts: list[Set], maps: dict[str, list[np.ndarray]], used: anatomy.Constants) -> np.ndarray:
    """The `slope` and `shift` that make out-of-fold maps probabilities, on all pixels of all images."""
    values = np.concatenate([one for part in parts for one in maps[part.name]])
    truth = np.concatenate([one for part in parts for one in part.truth])
    area = np.concatenate([one.regions.area for part in parts for one in part.seen])
    before = (np.log(values / (1 - values)) - used.shift) / used.slope
    design = np.column_stack([before, np.ones(len(before))])
    return anatomy._logistic(design, area * truth, area * (1 - truth))


def search(method: str, parts: list[Set], args: argparse.Namespace) -> None:
    """Choose one method's constants, and print them and the scores."""
    rng = np.random.default_rng(args.seed)
    folds = range(1, args.folds + 1)
    inner = {fold: fold % args.folds + 1 for fold in folds}
    needed = method == "anatomy"
    inner_fit = {f: fit(parts, {f, inner[f]}) if needed else None for f in folds}
    outer_fit = {f: fit(parts, {f}) if needed else None for f in folds}

    def some(part: Set, fold: int) -> np.ndarray:
        return rng.permutation(np.flatnonzero((part.fold == inner[fold]) & part.lesion))[: args.subset]

    tried_on = {f: [some(part, f) for part in parts] for f in folds}
    trials = draw(method, args.trials, rng)
    found = np.empty((len(trials), len(folds), len(parts)))
    for (t, c), (k, f), (p, part) in product(enumerate(trials), enumerate(folds), enumerate(parts)):
        found[t, k, p] = np.mean(score(method, part, tried_on[f][p], c, inner_fit[f]))
    best = int(found.mean(axis=(1, 2)).argmax())
    chosen = {f: trials[int(found[:, k].mean(axis=1).argmax())] for k, f in enumerate(folds)}
    print(f"\n{method}: {len(trials)} trials, {args.subset} images of each set and fold")
    for name, trial in (("default", 0), ("best", best)):
        means = zip(parts, found[trial].mean(axis=0), strict=True)
        print(f"  inner AUC, {name:8}", *(f"{part.name} {mean:.4f}" for part, mean in means))
    for name, pick in (("searched", chosen), ("default", dict.fromkeys(folds, trials[0]))):
        out = {part.name: np.concatenate([
            score(method, part, np.flatnonzero((part.fold == f) & part.lesion), pick[f], outer_fit[f]) for f in folds
        ]) for part in parts}  # fmt: skip
        print(f"  out-of-fold AUC, {name:8}", *(f"{part} {values.mean():.4f}" for part, values in out.items()))
    maps = {p.name: [solve(method, one, chosen[f], outer_fit[f]) for one, f in zip(p.seen, p.fold, strict=True)]
            for p in parts}  # fmt: skip
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
    print(*(f"{part.name}: {len(part.seen)} images, {part.lesion.sum()} with a tumour" for part in parts), sep="\n")
    for method in args.methods:
        search(method, parts, args)
    if args.save:
        anatomy.AnatomySaliency(foreground=fit(parts, set())).save(args.save)


if __name__ == "__main__":
    main()
