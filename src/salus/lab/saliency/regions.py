"""Train the classifier of superpixels (`salus.saliency.methods.regions`) on images as they are and augmented.

    python -m salus.lab.saliency.regions --data FOLDER [FOLDER ...] -o FILE.npz

A region is a tumour's if more than half of it is; the fuller the one or the other, the more it weighs, and the tumours
of all images weigh more alike than their areas. The second trees must not see answers that the first gave on regions
they were fitted on, so these come from `INNER` folds of consecutive images. Calibration then undoes the weights: a
logistic regression on one inner part that trees fitted on the other parts never saw.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.lab.training.augment.compose import augment
from salus.lab.training.augment.settings import STRONG, Augmentation
from salus.preprocess import resize
from salus.saliency.methods.cues import at_working_size
from salus.saliency.methods.region_features import features
from salus.saliency.methods.regions import CONSTANTS, RegionModel, RegionSaliency, context
from salus.saliency.methods.superpixels import WORKING, Regions, superpixels
from salus.saliency.methods.trees import Trees

INNER = 3
"""Inner folds."""


@dataclass(frozen=True)
class RegionRecipe:
    """How it is trained.

    Attributes:
        copies: augmented copies of each image beside the image itself.
        augmentation: what is done to them.
        trees: of the first classifier; the second has half as many.
        learning_rate: of both.
        leaves: of each tree at most.
        depth: of each tree at most.
        least: regions in a leaf at least.
        background: share of the regions without tumour that is learnt from, weighted up accordingly.
        balance: 0 weighs tumours by their area, 1 all alike.
        seed: of augmentation and choice of regions.
    """

    copies: int = 1
    augmentation: Augmentation = STRONG
    trees: int = 160
    learning_rate: float = 0.1
    leaves: int = 24
    depth: int = 8
    least: int = 60
    background: float = 0.2
    balance: float = 0.5
    seed: int = 1


DEFAULT = RegionRecipe()


@dataclass(frozen=True, eq=False)
class Described:
    """One image's regions: their features (n, k), their names, the share of tumour of each (n,)."""

    regions: Regions
    table: np.ndarray
    names: tuple[str, ...]
    tumour: np.ndarray


class RegionsEstimator:
    """`salus.saliency.methods.regions` before it is fitted.

    Args:
        recipe: how to train.
    """

    inner_folds = 4

    def __init__(self, recipe: RegionRecipe = DEFAULT) -> None:
        self.recipe = recipe
        self.fitted: RegionSaliency | None = None

    def fit(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Fit both classifiers and the calibration.

        Args:
            images: (n, s, s) uint8, patients' images beside each other.
            masks: (n, s, s) bool; images without a tumour are welcome.

        Raises:
            SalusError: no mask has a tumour, or there are fewer than `INNER` images.
        """
        if len(images) < INNER or not masks.any():
            raise SalusError(f"the regions model learns from {INNER} images or more, of which some show a tumour")
        copies = [describe(images, masks)]
        for copy in range(self.recipe.copies):
            copies.append(describe(images, masks, self.recipe.augmentation, self.recipe.seed + copy))
        self.fitted = RegionSaliency(fit_model(copies, self.recipe))

    def estimate(self, images: np.ndarray) -> np.ndarray:
        """Maps (n, s, s) float32 in [0, 1] for images (n, s, s) uint8.

        Raises:
            SalusError: not fitted.
        """
        if self.fitted is None:
            raise SalusError("the regions model is not fitted; call fit with training images and masks first")
        return self.fitted.estimate(images)

    def save(self, path: Path) -> None:
        """Write what was fitted as the file that is shipped.

        Raises:
            SalusError: not fitted.
        """
        if self.fitted is None:
            raise SalusError("the regions model is not fitted; call fit with training images and masks first")
        self.fitted.save(path)


def describe(
    images: np.ndarray, masks: np.ndarray, augmentation: Augmentation | None = None, seed: int = 0
) -> list[Described]:
    """Part images into regions and describe them.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        augmentation: what is done to them first; None nothing.
        seed: of the augmentation.
    """
    rng, found = np.random.default_rng(seed), []
    for image, mask in zip(images, masks, strict=True):
        image, mask = at_working_size(image), resize(mask, (WORKING, WORKING)) >= 0.5
        if augmentation is not None:
            image, mask = augment(image, mask, rng, augmentation)
        regions = superpixels(image)
        found.append(Described(regions, *features(image, regions), regions.average(mask)))
    return found


def fit_model(copies: Sequence[Sequence[Described]], recipe: RegionRecipe = DEFAULT) -> RegionModel:
    """Fit to described images.

    Args:
        copies: the images as they are, and augmented copies, all in the same order.
        recipe: how.
    """
    n = len(copies[0])
    part = np.arange(n) * INNER // n  # consecutive, so that a patient's images stay together
    everyone = np.ones(n, bool)
    answers = [[np.empty(0)] * n for _ in copies]
    for inner in range(INNER):
        trees = _grow(copies, part != inner, recipe, recipe.trees)
        for copy, answer in zip(copies, answers, strict=True):
            for index in np.flatnonzero(part == inner).tolist():
                answer[index] = context(trees.log_odds(copy[index].table), copy[index].regions)
    first = _grow(copies, everyone, recipe, recipe.trees)
    half = max(1, recipe.trees // 2)
    judge = _grow(copies, part != INNER - 1, recipe, half, answers)
    held = np.flatnonzero(part == INNER - 1).tolist()
    slope, bias = _calibrate(judge, [copies[0][i] for i in held], [answers[0][i] for i in held])
    second = _grow(copies, everyone, recipe, half, answers)
    return RegionModel(copies[0][0].names, first, second, slope, bias, CONSTANTS)


def _grow(
    copies: Sequence[Sequence[Described]],
    use: np.ndarray,
    recipe: RegionRecipe,
    trees: int,
    answers: Sequence[Sequence[np.ndarray]] | None = None,
) -> Trees:
    """Boosted trees on the regions of some images, with their context where it is given."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(recipe.seed)
    tables, truths, weights = [], [], []
    for number, copy in enumerate(copies):
        for index in np.flatnonzero(use).tolist():
            one = copy[index]
            some = one.tumour > 0.02
            chosen = np.flatnonzero(some | (rng.random(len(some)) < recipe.background))
            share, area = one.tumour[chosen], one.regions.area[chosen] / WORKING**2
            extent = max(float(one.tumour @ one.regions.area) / WORKING**2, 0.005)
            weight = area * np.sqrt(np.abs(2 * share - 1)) / np.where(some[chosen], 1, recipe.background)
            tables.append(
                one.table[chosen] if answers is None else np.hstack([one.table, answers[number][index]])[chosen]
            )
            truths.append(share > 0.5)
            weights.append(weight * np.where(share > 0.5, (0.1 / extent) ** recipe.balance, 1))
    weight = np.concatenate(weights)
    model = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=recipe.learning_rate,
        max_leaf_nodes=recipe.leaves,
        max_depth=recipe.depth,
        min_samples_leaf=recipe.least,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=recipe.seed,
    )
    model.fit(np.concatenate(tables), np.concatenate(truths), sample_weight=weight / weight.mean())
    return to_trees(model)


def to_trees(model: Any) -> Trees:
    """A fitted two-class HistGradientBoostingClassifier, for features without NaN, as plain arrays.

    A threshold is rounded down to float32, so that float32 features fall on the same side as before.
    """
    root: list[int] = []
    parts: list[tuple[np.ndarray, ...]] = []
    start = deepest = 0
    for (one,) in model._predictors:
        nodes = one.nodes
        leaf = nodes["is_leaf"].astype(bool)
        place, order = np.zeros(len(nodes), np.int64), [0]  # breadth first: siblings side by side
        for node in order:
            if not leaf[node]:
                order += [int(nodes["left"][node]), int(nodes["right"][node])]
        place[order] = np.arange(len(order))
        nodes, leaf = nodes[order], leaf[order]
        left = np.where(leaf, np.arange(len(order)), place[nodes["left"]])
        wide = np.where(leaf, np.inf, nodes["num_threshold"])
        threshold = wide.astype(np.float32)
        above = threshold > wide
        threshold[above] = np.nextafter(threshold[above], np.float32(-np.inf))
        feature = np.where(leaf, 0, nodes["feature_idx"]).astype(np.int16)
        value = np.where(leaf, nodes["value"], 0).astype(np.float32)
        parts.append((feature, threshold, (start + left).astype(np.int32), value))
        root.append(start)
        start += len(order)
        deepest = max(deepest, int(nodes["depth"].max()))
    feature, threshold, left, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    bias = float(np.ravel(model._baseline_prediction)[0])
    return Trees(np.array(root, np.int32), feature, threshold, left, value, bias, deepest, model.n_features_in_)


def _calibrate(trees: Trees, held: Sequence[Described], answers: Sequence[np.ndarray]) -> tuple[float, float]:
    """Slope and bias of log odds (Platt), every pixel alike in weight."""
    from sklearn.linear_model import LogisticRegression

    odds = np.concatenate([trees.log_odds(np.hstack([o.table, a])) for o, a in zip(held, answers, strict=True)])
    tumour = np.concatenate([o.tumour for o in held])
    area = np.concatenate([o.regions.area for o in held]).astype(float)
    if not 0 < tumour @ area < area.sum():
        return 1.0, 0.0
    model = LogisticRegression(C=1e6)
    truth = np.repeat([1, 0], len(odds))
    weight = np.concatenate([tumour * area, (1 - tumour) * area]) / area.mean()
    model.fit(np.concatenate([odds, odds])[:, None], truth, sample_weight=weight)
    return max(float(model.coef_[0, 0]), 0.05), float(model.intercept_[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit on all labelled images of the folders and write the file."""
    from salus.data.layouts import read_data_set
    from salus.data.prepare import prepare

    parser = argparse.ArgumentParser(description="Train the regions saliency method.")
    parser.add_argument("--data", nargs="+", required=True, metavar="FOLDER", help="data sets")
    parser.add_argument("-o", "--output", required=True, metavar="FILE.npz")
    asked = parser.parse_args(arguments)
    try:
        sets = [prepare(read_data_set(folder, None).labelled, WORKING) for folder in asked.data]
        estimator = RegionsEstimator()
        estimator.fit(np.concatenate([s.images for s in sets]), np.concatenate([s.masks for s in sets]))
        Path(asked.output).parent.mkdir(parents=True, exist_ok=True)
        estimator.save(Path(asked.output))
    except SalusError as error:
        print(f"salus: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
